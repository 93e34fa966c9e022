"""The exporter's own settings."""

from heaters_edges.settings import Settings
from pydantic import Field


class ExporterSettings(Settings):
    """How originals in cold storage are waited for."""

    thaw_days: int = Field(7, gt=0, description="how long an original that was brought back from cold storage stays")
    thaw_poll_s: float = Field(
        300, gt=0, description="how often an export that waits for its original looks whether it is there"
    )
