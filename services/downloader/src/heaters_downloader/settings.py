"""The downloader's own settings."""

import json
from http.cookiejar import LoadError, MozillaCookieJar
from pathlib import Path
from typing import Annotated, Any

from heaters_edges.settings import Settings
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from heaters_downloader.core import AddressPolicy, Wishes, check_options


class DownloaderSettings(Settings):
    """What may be reached, how sites are asked, and how much may be brought."""

    allow_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="private hosts, host:port or ranges that may be reached all the same, parted by commas"
    )
    download_limit_bytes: int = Field(200 * 10**9, gt=0, description="a larger source is refused")
    download_limit_s: float = Field(
        7000, gt=0, description="time for one attempt; what has come by then is gone on with by the next"
    )
    duration_limit_s: int = Field(48 * 3600, gt=0, description="a video that its site calls longer is refused")
    playlist_limit: int = Field(100, ge=1, le=500, description="videos of one playlist or channel, at most")
    s3_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="buckets that s3:// sources may come from, parted by commas"
    )
    link_duplicates: bool = Field(
        True,
        description="a video whose very bytes are here already is linked to the one that has them, and not worked on",
    )
    site_at_once: int = Field(4, ge=1, description="how many of all downloaders may ask one site at a time")
    site_rest_s: float = Field(
        30, gt=0, description="how long a site is left alone after its first refusal; it doubles with each"
    )
    site_patience_s: float = Field(
        24 * 3600, gt=0, description="a site that refuses for so long is given up, and requests fail"
    )
    cookies_file: Path | None = Field(
        None, description="cookies of sites that need them, in Netscape's format; a secret, read once"
    )
    ytdlp_options: SecretStr | None = Field(
        None,
        description="JSON for yt-dlp: extractor_args (PO tokens, clients), reasons (why a client is restricted), format, format_sort and a few more; what caps quality is refused",
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

    @field_validator("cookies_file")
    @classmethod
    def _cookies_are_some(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                MozillaCookieJar().load(str(value), ignore_discard=True, ignore_expires=True)
            except (OSError, LoadError, UnicodeDecodeError) as error:
                # Never the error's own words: they repeat a line of the file.
                raise ValueError(
                    f"{value} is no file of cookies in Netscape's format ({type(error).__name__})"
                ) from None
        return value

    @field_validator("ytdlp_options")
    @classmethod
    def _no_quality_is_lost(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _arguments(value)
        return value

    def wishes(self) -> Wishes:
        """How sites are asked."""
        cookies = self.cookies_file.read_text() if self.cookies_file else ""
        if self.ytdlp_options is None:
            return Wishes(cookies=cookies)
        said = json.loads(self.ytdlp_options.get_secret_value())
        more = {name: value for name, value in said.items() if name not in ("extractor_args", "reasons")}
        return Wishes(cookies=cookies, extractor_args=_arguments(self.ytdlp_options), options=more)


def _arguments(options: SecretStr) -> dict[str, dict[str, tuple[str, ...]]]:
    """The arguments of extractors.

    Raises:
        ValueError: it is no such JSON, or it would lose quality; the values themselves are never repeated.
    """
    try:
        said = json.loads(options.get_secret_value())
    except ValueError:
        raise ValueError("is no JSON") from None
    if not isinstance(said, dict):
        raise ValueError("is no JSON object")
    for name in ("extractor_args", "reasons"):
        if not isinstance(said.get(name, {}), dict):
            raise ValueError(f"{name} is no JSON object")
    check_options(said)
    arguments = said.get("extractor_args", {})
    try:
        return {
            str(extractor): {
                str(name): (values,) if isinstance(values, str) else tuple(str(value) for value in values)
                for name, values in each.items()
            }
            for extractor, each in arguments.items()
        }
    except (AttributeError, TypeError):
        raise ValueError('extractor_args is {"extractor": {"argument": ["value", ...]}}') from None
