"""Finished clips on disk, ready to be played again: within a size, not older than they are wanted, never filling the disk.

Files are immutable, named by their content, written beside and renamed. Their time says when they were last played; the least
recently played goes first.
"""

import asyncio
import logging
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from heaters_edges.maintenance import Chore
from heaters_edges.telemetry import REGISTRY
from prometheus_client import Counter, Gauge

log = logging.getLogger(__name__)

LOOKUPS = Counter("heaters_playback_cache_lookups", "Clips looked for in the cache", ["outcome"], registry=REGISTRY)
REMOVED = Counter("heaters_playback_cache_removed", "Clips taken out of the cache", ["reason"], registry=REGISTRY)
REFUSED = Counter(
    "heaters_playback_cache_refused", "Clips not kept: too large, or the disk is nearly full", registry=REGISTRY
)
KEPT_BYTES = Gauge("heaters_playback_cache_bytes", "Size of the finished clips that are kept", registry=REGISTRY)
KEPT_CLIPS = Gauge("heaters_playback_cache_clips", "Finished clips that are kept", registry=REGISTRY)
FREE_BYTES = Gauge("heaters_playback_cache_free_bytes", "Free disk at the last sweep", registry=REGISTRY)

_ABANDONED_S = 600
"""Clips are written in milliseconds; a file that was not finished by then has lost its writer."""
_SWEPT_TO = 0.9
"""Of the limit: a full cache does not sweep at each clip."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found and did."""

    clips: int
    bytes: int
    free_bytes: int
    removed_old: int
    removed_for_size: int
    removed_for_space: int
    removed_orphans: int


class ClipCache:
    """A folder of finished clips."""

    def __init__(self, folder: Path, *, limit_bytes: int, age_s: float, free_space_bytes: int) -> None:
        """Make the folder; nothing is swept yet.

        Args:
            folder: of the cache alone; replicas of one node may share it.
            limit_bytes: size of all clips together.
            age_s: a clip that was not played for so long is removed.
            free_space_bytes: so much of the disk is left to others, whatever the limit.
        """
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._age_s = age_s
        self._free_space_bytes = free_space_bytes
        self._bytes = 0
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> bytes | None:
        """A clip that is kept; None where it is not."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            LOOKUPS.labels("miss").inc()
            return None
        with suppress(FileNotFoundError):
            os.utime(path)
        LOOKUPS.labels("hit").inc()
        return data

    def put(self, name: str, data: bytes) -> bool:
        """Keep a clip, unless it is larger than the cache or the disk is nearly full; whether it is kept now."""
        if len(data) > self._limit_bytes or not self._has_room(len(data)):
            REFUSED.inc()
            return False
        path = self._path(name)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            beside.write_bytes(data)
            beside.rename(path)
        except OSError as problem:  # a full disk must not take the clip from whoever waits for it
            beside.unlink(missing_ok=True)
            log.warning("a clip could not be kept", extra={"reason": str(problem)})
            REFUSED.inc()
            return False
        self._bytes += len(data)
        KEPT_BYTES.set(self._bytes)
        KEPT_CLIPS.inc()
        if self._bytes > self._limit_bytes:
            self.sweep()
        return True

    def sweep(self) -> Swept:
        """Remove what nobody finished, what is old, and then the least recently played until size and disk have room."""
        now = time.time()
        found: list[tuple[float, int, Path]] = []
        orphans = old = for_size = for_space = 0
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                seen = path.stat()
                if path.name.startswith("."):
                    if now - seen.st_mtime > _ABANDONED_S:
                        path.unlink()
                        orphans += 1
                elif now - seen.st_mtime > self._age_s:
                    path.unlink()
                    old += 1
                else:
                    found.append((seen.st_mtime, seen.st_size, path))
        found.sort()
        total, kept = sum(size for _, size, _ in found), len(found)
        goal = self._limit_bytes if total <= self._limit_bytes else int(self._limit_bytes * _SWEPT_TO)
        for _, size, path in found:
            too_large = total > goal
            if not too_large and self._has_room(0):
                break
            path.unlink(missing_ok=True)
            total, kept = total - size, kept - 1
            for_size, for_space = for_size + too_large, for_space + (not too_large)
        self._bytes = total
        free = shutil.disk_usage(self._folder).free
        KEPT_BYTES.set(total)
        KEPT_CLIPS.set(kept)
        FREE_BYTES.set(free)
        for reason, count in (("age", old), ("size", for_size), ("space", for_space), ("orphan", orphans)):
            REMOVED.labels(reason).inc(count)
        swept = Swept(kept, total, free, old, for_size, for_space, orphans)
        log.info("the playback cache was swept", extra=asdict(swept))
        if not self._has_room(0):
            log.warning("the disk of the playback cache is nearly full", extra={"free_bytes": free})
        return swept

    def clear(self) -> None:
        """Remove every clip, for a video was erased: which are of it, their names do not say, and they are soon made again."""
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)
        self._bytes = 0

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.mp4"

    def _has_room(self, more_bytes: int) -> bool:
        return shutil.disk_usage(self._folder).free - more_bytes >= self._free_space_bytes


def playback_chore(cache: ClipCache, every_s: float) -> Chore:
    """The sweep of the finished clips."""

    async def sweep() -> str:
        swept = await asyncio.to_thread(cache.sweep)
        gone = swept.removed_old + swept.removed_for_size + swept.removed_for_space + swept.removed_orphans
        return f"{swept.clips} clips of {swept.bytes >> 20} MiB kept, {gone} removed"

    return Chore(
        "playback cache", "brings the finished clips under their limits of size, age and free disk", sweep, every_s
    )
