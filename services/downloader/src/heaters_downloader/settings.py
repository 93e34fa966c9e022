"""The downloader's own settings."""

from typing import Annotated, Any

from heaters_edges.settings import Settings
from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from heaters_downloader.core import AddressPolicy


class DownloaderSettings(Settings):
    """What may be reached, and how much may be brought."""

    allow_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="private hosts, host:port or ranges that may be reached all the same, parted by commas"
    )
    download_limit_bytes: int = Field(200 * 10**9, gt=0, description="a larger source is refused")
    s3_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="buckets that s3:// sources may come from, parted by commas"
    )

    @field_validator("allow_hosts", "s3_sources", mode="before")
    @classmethod
    def _parted_by_commas(cls, value: Any) -> Any:
        return tuple(filter(None, (p.strip() for p in value.split(",")))) if isinstance(value, str) else value

    @field_validator("allow_hosts")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        AddressPolicy.parse(value)
        return value
