"""The embedder's own settings."""

import os

from heaters_edges.settings import Settings
from pydantic import Field


class EmbedderSettings(Settings):
    """Which model, and how much of the machine it may take."""

    model: str = Field("efficientnet-lite0", description="the model that embeds keyframes")
    keyframes: int = Field(3, gt=0, le=64, description="keyframes a clip")
    torch_threads: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 2) // 2),
        gt=0,
        description="threads that the model may use",
        json_schema_extra={"default_is": "half of the cores"},
    )
