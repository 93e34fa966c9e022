"""What review-api needs beside every service's settings."""

from heaters_edges.settings import Settings as EdgeSettings
from pydantic import Field, SecretStr, field_validator


class Settings(EdgeSettings):
    """Settings of review-api, from HEATERS_*."""

    database_url: SecretStr = Field(description="Postgres, postgresql+psycopg://user:password@host:port/database")
    database_connections: int = Field(10, ge=2, description="connections to Postgres that one replica may hold")
    token: SecretStr = Field(min_length=8, description="what signs people and programs in, in local mode")
    upload_limit_bytes: int = Field(20 * 1024**3, gt=0, description="size limit of one uploaded file")
    upload_part_bytes: int = Field(
        16 * 1024**2, ge=5 * 1024**2, le=5 * 1024**3, description="size of the parts in which large files are uploaded"
    )
    upload_expires_s: int = Field(
        3600, ge=60, le=7 * 24 * 3600, description="how long the address of a part may be used"
    )
    upload_kept_s: float = Field(
        3 * 24 * 3600, gt=0, description="an upload in parts that nobody goes on with is dropped after so long"
    )
    playback_cache_bytes: int = Field(
        1024**3, ge=0, description="disk for finished clips, ready to be played; in the cache's folder"
    )
    playback_cache_age_s: float = Field(
        14 * 24 * 3600, gt=0, description="a finished clip that was not played for so long is removed"
    )
    playback_sweep_s: float = Field(4 * 3600, gt=0, description="how often the finished clips are swept")
    frames_cache_bytes: int = Field(64 * 1024**2, ge=0, description="memory for pictures of single frames")
    ledgers_kept: int = Field(512, ge=1, description="packet indexes and frame tables that are kept in memory")
    download_expires_s: int = Field(300, ge=1, description="how long the address of an export may be used")
    cut_distance_frames: int = Field(
        6, ge=1, description="the shortest clip that a person may make by adding or moving a cut"
    )
    lease_s: float = Field(
        90, gt=0, description="how long clips that were handed to a reviewer are kept for them without a sign of life"
    )
    question_timeout_s: float = Field(
        10, gt=0, description="how long a search by text or picture waits for the embedder's answer"
    )
    decision_timeout_s: float = Field(10, gt=0, description="how long a decision waits for the projection to show it")

    @field_validator("database_url")
    @classmethod
    def _async_driver(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith("postgresql+psycopg://"):
            raise ValueError("must begin with postgresql+psycopg://")
        return value
