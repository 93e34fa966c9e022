"""The embedder's own settings."""

import os
from pathlib import Path
from typing import Annotated, Any

from heaters_edges.settings import Settings
from heaters_media.strategies import STRATEGIES
from pydantic import Field, field_validator
from pydantic_settings import NoDecode


class EmbedderSettings(Settings):
    """Which models, which pictures, and how much of the machine they may take."""

    models: Annotated[tuple[str, ...], NoDecode] = Field(
        ("efficientnet-lite0",),
        min_length=1,
        description="the models that embed every new clip, parted by commas: efficientnet-lite0, transformers:<repository>, open_clip:<repository>",
    )
    models_dir: Path | None = Field(
        None, description="a folder with a folder for each model, looked in before the hub's cache"
    )
    strategy: str = Field("spread", description=f"how pictures of a clip are chosen: {', '.join(STRATEGIES)}")
    batch_pictures: int = Field(
        32,
        gt=0,
        le=512,
        description="pictures of several clips in one batch; a search by text waits for one batch at most",
    )
    model_memory_bytes: int = Field(6 * 1024**3, gt=0, description="memory that loaded models may take")
    model_rest_s: float = Field(600, gt=0, description="so long without work, and the models are let go")
    torch_threads: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 2) // 2),
        gt=0,
        description="threads that the model may use",
        json_schema_extra={"default_is": "half of the cores"},
    )

    @field_validator("models", mode="before")
    @classmethod
    def _parted_by_commas(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("strategy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in STRATEGIES:
            raise ValueError(f"must be one of {', '.join(STRATEGIES)}, not {value!r}")
        return value
