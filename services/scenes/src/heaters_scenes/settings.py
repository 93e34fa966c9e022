"""The settings of scene detection."""

from heaters_contracts.detectors import DETECTORS, read_wish
from heaters_edges.settings import Settings
from pydantic import Field, field_validator


class ScenesSettings(Settings):
    """Which detector, and how much of the machine it may take."""

    detector: str = Field(
        "adaptive",
        description=f"the shot detector of videos whose request names none: {', '.join(DETECTORS)}; adaptive@1.2 is stricter",
    )
    detector_threads: int = Field(1, gt=0, description="threads that a detector's network may use")

    @field_validator("detector")
    @classmethod
    def _known(cls, value: str) -> str:
        return str(read_wish(value))
