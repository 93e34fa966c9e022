"""How much of anything is enough, and what is handed on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heaters_downloader.core.quality import QualityRecord

Progress = Callable[[int, int | None], None]
"""Told now and then: bytes that are here, and bytes in all where that is known."""


@dataclass(frozen=True)
class Limits:
    """How much of anything is enough.

    Attributes:
        bytes_max: a larger file is refused.
        connect_s: time to connect, seconds.
        read_s: time without a single byte, seconds.
        redirects_max: hops from the address that was asked for.
        total_s: time for one download, seconds; what has come by then is kept for the next attempt.
        duration_max_s: a video that its site calls longer is refused.
        free_bytes: of the disk, left free in any case.
        entries_max: videos of a playlist or channel.
    """

    bytes_max: int = 200_000_000_000
    connect_s: float = 15.0
    read_s: float = 60.0
    redirects_max: int = 10
    total_s: float = 7000.0
    duration_max_s: int = 48 * 3600
    free_bytes: int = 0
    entries_max: int = 100


@dataclass(frozen=True)
class Wishes:
    """How sites are asked beside the address.

    Attributes:
        allow_quality_loss: take less than is offered where all of it cannot be had, and say so.
        cookies: in the format of Netscape's cookies.txt, or "".
        extractor_args: for yt-dlp's extractors, such as PO tokens: extractor -> name -> values.
        options: more of yt-dlp's own, that `core.rules.check_options` has let pass.
    """

    allow_quality_loss: bool = False
    cookies: str = field(default="", repr=False)
    extractor_args: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)

    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: the values of cookies and arguments."""
        values = [line.rsplit("\t", 1)[-1] for line in self.cookies.splitlines() if line.count("\t") >= 6]
        return (*values, *(v for args in self.extractor_args.values() for each in args.values() for v in each))


@dataclass(frozen=True)
class Beside:
    """A file that came with a video.

    Attributes:
        kind: subtitle, thumbnail or metadata.
        path: the file.
        language: of a subtitle.
        automatic: whether a machine made the subtitle.
    """

    kind: str
    path: Path
    language: str = ""
    automatic: bool = False


@dataclass(frozen=True)
class Part:
    """A named part of a video, in milliseconds from its begin, half-open."""

    title: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Fetched:
    """A source on this machine's disk.

    Attributes:
        path: the file.
        bytes: its size.
        sha256: of the whole file, lower-case hex.
        content_type: as the server says, or by the container; without parameters.
        title: for people.
        quality: what was offered and got, where the site offers several.
        site: what the site says of it besides, such as uploader and date, as text.
        beside: what came with it.
        chapters: its parts, as the site names them.
        missed: what the site has and did not give.
    """

    path: Path
    bytes: int
    sha256: str
    content_type: str
    title: str
    quality: QualityRecord | None = None
    site: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[Beside, ...] = ()
    chapters: tuple[Part, ...] = ()
    missed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """One video of a playlist: the site's name for it, its address, its title."""

    id: str
    url: str
    title: str


@dataclass(frozen=True)
class Playlist:
    """Several videos at one address.

    Attributes:
        title: for people.
        videos: the first of them, at least one.
        left_out: how many more are known of.
    """

    title: str
    videos: tuple[Listed, ...]
    left_out: int
