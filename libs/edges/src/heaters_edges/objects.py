"""Objects: the store behind the node's artifact cache.

What a stage makes it keeps: the file is stored once and stays in the cache under its key, so the next stage on the node
reads it without a request. Cached files are immutable, written beside and renamed. A job reads through hard links in a
folder of its own, so that eviction never takes a file away from its reader.
"""

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from heaters_contracts.ids import sha256_of
from heaters_contracts.objects import ObjectRef, video_prefix

from heaters_edges import job as jobs
from heaters_edges.failure import Busy, MissingObject, NoSpace, TryLater, WrongObject
from heaters_edges.remote import RemoteFile
from heaters_edges.store import Store
from heaters_edges.telemetry import CACHE, CACHE_BYTES, CACHE_EVICTIONS, FREE_BYTES, NO_SPACE, S3_BYTES, S3_REQUESTS

log = logging.getLogger(__name__)

_TYPES = {
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".json": "application/json",
}


_PIECES_KEPT_S = 2 * 24 * 3600
_ABANDONED_S = 3600
"""A file that is being fetched is written to all the time; one that was not for so long has lost its writer."""


_LONGEST_SIGNED_S = 7 * 24 * 3600
"""No signature of S3 lasts longer."""
_TAKEN_S = 15.0
"""When to look again whether somebody else's work has ended; it may take hours, and uses up no attempt."""
_SHORT_S = 60.0
"""So long after work found too little room that is told; the work is tried again sooner, and it is told anew."""
_GIVEN_UP_S = 24 * 3600
"""What was begun and not gone on with for so long will not be."""


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's content, streaming."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Objects:
    """The object store as the stages see it."""

    def __init__(self, store: Store, cache_dir: Path, *, limit_bytes: int, free_space_bytes: int = 0) -> None:
        self.store = store
        self._files = cache_dir / "objects"
        self._desks = cache_dir / "work"
        self._masters = cache_dir / "masters"
        self._kept = cache_dir / "begun"
        self._lock = cache_dir / "evict.lock"
        self._limit_bytes = limit_bytes
        self._free_space_bytes = free_space_bytes
        self._written_since_sweep = 0
        self._short: tuple[NoSpace, float] | None = None
        for folder in (self._files, self._desks, self._kept):
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def desk(self) -> Iterator[Path]:
        """A folder for one job, on the cache's own file system; gone afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self._desks))
        # The lock tells a sweep, from whichever container of the node, that somebody still works here.
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_SH)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)

    @contextmanager
    def begun(self, name: str) -> Iterator[Path]:
        """A folder for a job that may go on where it was broken off: it stays when the job fails, and goes when it succeeds.

        Args:
            name: of the job; the same one on this node finds the same folder.

        Raises:
            Busy: another process works in it now.
        """
        folder = self._kept / sha256_of(name)[:32]
        folder.mkdir(exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"another process of this node is at work on {name}", retry_after_s=_TAKEN_S) from None
            if os.fstat(held).st_nlink == 0:
                raise Busy(f"another process of this node has just ended its work on {name}", retry_after_s=1)
            os.utime(folder)
            yield folder
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)

    @asynccontextmanager
    async def local(self, *refs: ObjectRef) -> AsyncIterator[list[Path]]:
        """The objects as files of this node, for as long as the context lasts. Read them, never write to them.

        Raises:
            MissingObject: the store does not have one.
            WrongObject: what came is not what the fact promised.
        """
        with self.desk() as desk:
            paths = []
            for number, ref in enumerate(refs):
                path = desk / f"{number}{Path(ref.key).suffix}"
                await asyncio.to_thread(self._link, ref, path)
                paths.append(path)
            yield paths

    @asynccontextmanager
    async def readable(self, ref: ObjectRef, *, parts_from_bytes: int) -> AsyncIterator[Path | RemoteFile]:
        """An object that a job may need little of: a file where the node holds it, or where it is small; else read by parts.

        Args:
            ref: the object.
            parts_from_bytes: smaller ones are fetched whole, and stay for the jobs that come after.

        Raises:
            MissingObject: the store does not have it.
            WrongObject: what came is not what the fact promised.
        """
        address = None
        if ref.bytes >= parts_from_bytes and not (self._files / ref.key).exists():
            left_s = max(0.0, jobs.current().left_s)
            expires_s = int(min(left_s + 60, _LONGEST_SIGNED_S))
            address = self.store.address(ref.key, expires_s=expires_s)
        if address is None:
            async with self.local(ref) as (path,):
                yield path
            return
        with self.desk() as desk:
            file = RemoteFile(ref.key, ref.bytes, address, desk / "parts")
            try:
                yield file
            finally:
                read = file.parts_read()
                S3_REQUESTS.labels(jobs.current().stage, "get_range").inc(len(read))
                S3_BYTES.labels(jobs.current().stage, "get_range").inc(sum(read))
                jobs.current().read_bytes += sum(read)

    async def describe(self, key: str) -> ObjectRef:
        """What an object is, by its key alone: one HEAD, or a whole read where it was not stored by us.

        Raises:
            MissingObject: there is none.
        """
        found = await asyncio.to_thread(self.store.head, key)
        if found is None:
            raise MissingObject(f"there is no object {key}")
        size, digest = found
        if digest is None:
            self.require_space(size)
            with self.desk() as desk:
                await asyncio.to_thread(self.store.get, key, desk / "object")
                digest = await asyncio.to_thread(sha256_of_file, desk / "object")
                await asyncio.to_thread(self._keep, desk / "object", self._files / key)  # the next stage reads it here
        return ObjectRef(key=key, bytes=size, sha256=digest)

    async def put(
        self, path: Path, key: str, *, sha256: str | None = None, storage_class: str | None = None, keep: bool = True
    ) -> ObjectRef:
        """Store a file for good and, unless `keep` is off, keep it in the cache. It is linked: do not change it afterwards.

        A key holds one content for ever (it ends in its hash), so what this node has stored already is not sent again, unless the
        store does not have it any more: its video may have been erased, and asked for again, before this node forgot it.
        """

        def work() -> ObjectRef:
            ref = ObjectRef(key=key, bytes=path.stat().st_size, sha256=sha256 or sha256_of_file(path))
            cached = self._files / key
            if not cached.exists() or self.store.head(key) is None:
                self.store.put(
                    path,
                    key,
                    content_type=_TYPES.get(Path(key).suffix, "application/octet-stream"),
                    sha256=ref.sha256,
                    storage_class=storage_class,
                )
                if keep:
                    self._keep(path, cached)
            return ref

        ref = await asyncio.to_thread(work)
        jobs.current().written_bytes += ref.bytes
        return ref

    async def put_bytes(self, data: bytes, key: str) -> ObjectRef:
        """Store a few bytes for good."""
        with self.desk() as desk:
            path = desk / "bytes"
            path.write_bytes(data)
            return await self.put(path, key, sha256=hashlib.sha256(data).hexdigest())

    async def read(self, ref: ObjectRef) -> bytes:
        """A small object's bytes."""
        async with self.local(ref) as (path,):
            return await asyncio.to_thread(path.read_bytes)

    async def read_range(self, ref: ObjectRef, offset: int, length: int) -> bytes:
        """Some bytes of an object: from the cache if the node holds it, else ONE ranged GET.

        Raises:
            WrongObject: the object ends before the range does.
        """

        def work() -> bytes:
            try:
                with (self._files / ref.key).open("rb") as file:
                    CACHE.labels("hit").inc()
                    return os.pread(file.fileno(), length, offset)
            except FileNotFoundError:
                CACHE.labels("miss").inc()
                return self.store.get_range(ref.key, offset, length)

        data = await asyncio.to_thread(work)
        if len(data) != length:
            raise WrongObject(f"{ref.key} gave {len(data)} bytes at {offset} where {length} were asked")
        jobs.current().read_bytes += length
        return data

    async def thaw(self, ref: ObjectRef, *, days: int) -> None:
        """Ask that an object in cold storage be brought back for some days."""
        await asyncio.to_thread(self.store.thaw, ref.key, days=days)

    async def thawed(self, ref: ObjectRef) -> bool:
        """Whether an object was brought back from cold storage and can be read now."""
        return await asyncio.to_thread(self.store.thawed, ref.key)

    async def read_json(self, key: str) -> Any | None:
        """A manifest; None where there is none, or none that can be read: the work is done again then, and it is replaced."""
        with self.desk() as desk:
            try:
                await asyncio.to_thread(self.store.get, key, desk / "json")
            except MissingObject:
                return None
            try:
                return json.loads((desk / "json").read_bytes())
            except ValueError as problem:
                log.warning("a manifest cannot be read", extra={"key": key, "reason": str(problem)})
                return None

    async def write_json(self, key: str, value: Any) -> None:
        """Write a manifest, replacing any."""
        with self.desk() as desk:
            path = desk / "json"
            path.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True))
            digest = sha256_of_file(path)
            await asyncio.to_thread(self.store.put, path, key, content_type="application/json", sha256=digest)

    def _link(self, ref: ObjectRef, path: Path) -> None:
        cached = self._files / ref.key
        outcome = "hit"
        for _ in range(3):
            try:
                os.link(cached, path)
            except FileNotFoundError:
                outcome = "miss"
                self._fetch(ref, cached)
                continue
            with suppress(OSError):
                os.utime(cached)  # least recently used goes first
            if path.stat().st_size != ref.bytes:
                # Only a damaged disk does this: cached files are renamed into place whole. Fetch it again.
                path.unlink()
                cached.unlink(missing_ok=True)
                continue
            CACHE.labels(outcome).inc()
            jobs.current().read_bytes += ref.bytes
            return
        raise TryLater(f"{ref.key} did not stay in the cache at {self._files}: is it far too small?")

    def _fetch(self, ref: ObjectRef, cached: Path) -> None:
        self.require_space(ref.bytes)
        cached.parent.mkdir(parents=True, exist_ok=True)
        beside = _beside(cached)
        try:
            self.store.get(ref.key, beside)
            size, digest = beside.stat().st_size, sha256_of_file(beside)
            if size < ref.bytes:
                raise TryLater(f"{ref.key} came cut short: {size} of {ref.bytes} bytes")
            if (size, digest) != (ref.bytes, ref.sha256):
                raise WrongObject(
                    f"{ref.key} has {size} bytes and sha256 {digest[:12]}, its fact says {ref.bytes} and {ref.sha256[:12]}"
                )
            beside.rename(cached)
        finally:
            beside.unlink(missing_ok=True)
        self._count(ref.bytes)

    def _keep(self, path: Path, cached: Path) -> None:
        cached.parent.mkdir(parents=True, exist_ok=True)
        beside = _beside(cached)
        try:
            os.link(path, beside)
        except OSError:  # the file lies on another file system
            shutil.copyfile(path, beside)
        os.utime(beside)  # used now, whatever time a site gave the file
        beside.rename(cached)
        self._count(path.stat().st_size)

    def free_bytes(self) -> int:
        """Free space at the cache; a metric shows it."""
        free = shutil.disk_usage(self._files).free
        FREE_BYTES.set(free)
        return free

    def ran_short(self, problem: NoSpace) -> None:
        """Work found too little room here: to be told to whoever asks, for a while or until there is enough."""
        self._short = (problem, time.monotonic() + _SHORT_S)

    def no_space(self) -> str | None:
        """What there is too little room for; None where there is enough. A metric shows whether it is so."""
        free, found = self.free_bytes(), None
        if free < self._free_space_bytes:
            found = f"{free >> 20} MiB free at the cache, {self._free_space_bytes >> 20} MiB are kept in reserve"
        elif self._short is not None:
            problem, until = self._short
            enough = problem.needed_bytes is not None and free - problem.needed_bytes >= self._free_space_bytes
            if enough or time.monotonic() > until:
                self._short = None
            else:
                found = str(problem)
        NO_SPACE.set(found is not None)
        return found

    def require_space(self, needed_bytes: int) -> None:
        """Refuse work that would fill the disk.

        Raises:
            NoSpace: less than the reserve would be left.
            TryLater: the disk would be too small for it if it were empty: no waiting helps.
        """
        if self.free_bytes() - needed_bytes < self._free_space_bytes:
            raise too_little(self._files, needed_bytes, reserve_bytes=self._free_space_bytes)

    def _count(self, size: int) -> None:
        self._written_since_sweep += size
        if self._written_since_sweep > self._limit_bytes // 10:
            self.sweep()

    def sweep(self) -> int:
        """Bring the cache under its limit, least recently used first, and remove what dead processes left. Returns its size in bytes."""
        self._written_since_sweep = 0
        with self._lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0  # another process of this node is at it
            for folder in self._desks.iterdir():
                self._clear_if_left(folder, after_s=60)  # before, it may be between being made and being locked
            for folder in self._kept.iterdir():
                self._clear_if_left(folder, after_s=_GIVEN_UP_S)
            self._clear_old_pieces()
            files, in_use = [], 0
            for path in _below(self._files):
                with suppress(FileNotFoundError):
                    found = path.stat()
                    if found.st_nlink > 1 and not path.name.startswith("."):
                        in_use += found.st_size  # a job reads it: to put it out would free nothing, and cost a fetch
                    elif not path.name.startswith("."):
                        files.append((found.st_mtime, found.st_size, path))
                    elif time.time() - found.st_mtime > _ABANDONED_S:
                        path.unlink()
            total = in_use + sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if total <= self._limit_bytes:
                    break
                path.unlink(missing_ok=True)
                CACHE_EVICTIONS.inc()
                total -= size
            self._clear_empty_folders()
            CACHE_BYTES.set(total)
            return total

    def cached(self, prefix: str) -> list[str]:
        """The keys that begin so and that the cache holds."""
        whole = (path for path in _below(self._files / prefix) if not path.name.startswith("."))
        return sorted(str(path.relative_to(self._files)) for path in whole)

    def forget_lost(self, prefix: str) -> int:
        """Put out of the cache what the store has no more; returns how many files.

        Uploads of an erased video lie under no prefix of its own: nobody is told to forget them.
        """
        lost = [key for key in self.cached(prefix) if self.store.head(key) is None]
        return sum(self.forget(key) for key in lost)

    def forget_video(self, video_id: UUID) -> None:
        """Put all that was made of a video out of this node: cached files, and the pieces of a master that was never done."""
        self.forget(video_prefix(video_id))
        for folder in self._masters.glob(f"{video_id}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def forget(self, prefix: str) -> int:
        """Put an object, or all below a prefix that ends in a slash, out of the cache; returns how many files. Readers keep theirs."""
        gone = 0
        folder = self._files / prefix
        # Every worker of the node does so when a video is erased, all of them at once.
        for path in _below(folder) if folder.is_dir() else [folder]:
            with suppress(FileNotFoundError, IsADirectoryError):
                path.unlink()
                gone += 1
        shutil.rmtree(folder, ignore_errors=True)
        return gone

    def _clear_empty_folders(self) -> None:
        # Every video and every clip has some; a young one may be about to get its first file.
        for name, _, _ in os.walk(self._files, topdown=False):
            with suppress(OSError):
                if time.time() - os.stat(name).st_mtime > _ABANDONED_S and Path(name) != self._files:
                    os.rmdir(name)

    def _clear_old_pieces(self) -> None:
        # A long master is made piece by piece, kept for the next attempt; two days later there is none.
        for folder in self._masters.glob("*"):
            with suppress(FileNotFoundError):
                newest = max((p.stat().st_mtime for p in [folder, *folder.rglob("*")]), default=0.0)
                if time.time() - newest > _PIECES_KEPT_S:
                    shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _clear_if_left(folder: Path, *, after_s: float) -> None:
        try:
            if time.time() - folder.stat().st_mtime < after_s:
                return
            held = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(held)


def too_little(folder: Path, needed_bytes: int, *, reserve_bytes: int) -> NoSpace | TryLater:
    """What to say where a folder's disk has too little room: wait for some, unless it would not do even if it were empty."""
    disk = shutil.disk_usage(folder)
    reason = (
        f"{disk.free >> 20} MiB are free on the disk; {needed_bytes >> 20} MiB are needed beside a reserve of"
        f" {reserve_bytes >> 20} MiB"
    )
    if needed_bytes and disk.total - needed_bytes < reserve_bytes:
        return TryLater(f"{reason}, and it has {disk.total >> 20} MiB in all")
    return NoSpace(reason, needed_bytes=needed_bytes)


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder, whatever others put there or take away meanwhile."""
    for base, _, names in os.walk(folder):
        for name in names:
            yield Path(base, name)


def _beside(cached: Path) -> Path:
    """Where a file is written until it is whole; keys have no part that begins with a dot."""
    return cached.with_name(f".{cached.name}.{os.getpid()}.{os.urandom(4).hex()}")
