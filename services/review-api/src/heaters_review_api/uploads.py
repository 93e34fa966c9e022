"""Uploads in parts: the bytes go from whoever has them to the store, and never through here.

We begin the upload, sign an address for each part, and say which parts have come, which the store itself knows. So whoever lost
the connection, the page or the machine asks what is there and sends the rest. At the end the sizes are compared with what
was announced and the first bytes are looked at; only then the object may be asked for.
"""

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from uuid import UUID, uuid4

from heaters_edges.failure import MissingObject
from heaters_edges.maintenance import Chore
from heaters_edges.store import Part, S3Store

from heaters_review_api.core.uploads import HEAD_BYTES, Parts, container_of, divided
from heaters_review_api.db.uploads import Session, Sessions

log = logging.getLogger(__name__)

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_URLS_MOST = 100
_SWEPT_AT_ONCE = 500
_REMEMBERED_S = 30 * 24 * 3600


class NoSuchUpload(LookupError):
    """There is no such upload, or it is somebody else's."""


class UploadRefused(ValueError):
    """An upload that cannot be taken in.

    Attributes:
        status: what it is as HTTP.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Standing:
    """An upload, and the parts of it that the store holds."""

    session: Session
    done: tuple[int, ...]

    @property
    def parts(self) -> Parts:
        """How it is divided."""
        return Parts(self.session.bytes, self.session.part_bytes)


@dataclass(frozen=True, slots=True)
class PartUrl:
    """Where to PUT one part."""

    number: int
    url: str
    bytes: int


def uploads_chore(uploads: "Uploads") -> Chore:
    """The sweep of uploads that nobody has gone on with."""

    async def sweep() -> str:
        return f"{await uploads.sweep()} abandoned uploads dropped"

    return Chore("uploads", "drops uploads that nobody has gone on with", sweep)


class Uploads:
    """Uploads in parts."""

    def __init__(
        self, store: S3Store, sessions: Sessions, *, limit_bytes: int, part_bytes: int, expires_s: int, kept_s: float
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._limit_bytes = limit_bytes
        self._part_bytes = part_bytes
        self.expires_s = expires_s
        self._kept_s = kept_s

    async def begin(
        self,
        by: str,
        *,
        name: str,
        total_bytes: int,
        content_type: str,
        resume_key: str | None = None,
        head: bytes | None = None,
    ) -> Standing:
        """Begin an upload, or go on with the open one of the same resume key.

        Args:
            by: who uploads.
            name: the file's name, for people; its ending becomes the key's.
            total_bytes: the file's size.
            content_type: as the sender says; a label only.
            resume_key: what the sender calls this very file, so as to find the upload again.
            head: the first bytes, where the sender wants to know early whether they will do.

        Raises:
            UploadRefused: too large, or no video by its first bytes.
        """
        if total_bytes > self._limit_bytes:
            raise UploadRefused(413, f"at most {self._limit_bytes} bytes are taken in; this has {total_bytes}")
        if head is not None:
            _expect_video(name, head)
        if resume_key is not None and (known := await self._sessions.resumable(by, resume_key)) is not None:
            if known.bytes == total_bytes:
                return await self._standing(known)
            await self._abort(known, "begun anew with another size")
        id_ = uuid4()
        key = f"uploads/{by}/{id_.hex}{_suffix(name)}"
        store_id = await asyncio.to_thread(self._store.begin_parts, key, content_type=content_type)
        made = await self._sessions.begin(
            id_=id_,
            by=by,
            resume_key=resume_key,
            key=key,
            store_id=store_id,
            name=name,
            content_type=content_type,
            total_bytes=total_bytes,
            part_bytes=divided(total_bytes, wished_bytes=self._part_bytes).part_bytes,
        )
        if made is not None:
            return Standing(made, ())
        # Another request of the same sender was first.
        await asyncio.to_thread(self._store.abort_parts, key, store_id)
        known = await self._sessions.resumable(by, resume_key or "")
        if known is None:
            raise UploadRefused(409, "another upload of this file began and ended at the same time; begin again")
        return await self._standing(known)

    async def standing(self, id_: UUID, by: str) -> Standing:
        """An upload and its parts.

        Raises:
            NoSuchUpload: there is none.
        """
        return await self._standing(await self._get(id_, by))

    async def urls(self, id_: UUID, by: str, numbers: list[int]) -> list[PartUrl]:
        """Addresses for some parts.

        Raises:
            NoSuchUpload: there is none.
            UploadRefused: it is over, or has no such part.
        """
        session = await self._open(id_, by)
        if not 1 <= len(numbers) <= _URLS_MOST:
            raise UploadRefused(400, f"ask for the addresses of 1 to {_URLS_MOST} parts at once, not of {len(numbers)}")
        parts = Parts(session.bytes, session.part_bytes)
        try:
            sizes = {number: parts.bytes_of(number) for number in numbers}
        except ValueError as problem:
            raise UploadRefused(400, str(problem)) from problem
        await self._sessions.touch(id_)
        return [PartUrl(number, self._url(session, number, size), size) for number, size in sizes.items()]

    def _url(self, session: Session, number: int, size: int) -> str:
        return self._store.part_url(session.key, session.store_id, number, part_bytes=size, expires_s=self.expires_s)

    async def complete(self, id_: UUID, by: str) -> Session:
        """Make the object of its parts, look at it, and let it be asked for. Safe to repeat.

        Raises:
            NoSuchUpload: there is none.
            UploadRefused: parts are missing or have another size (the upload stays open), or it is no video (it is dropped).
        """
        session = await self._get(id_, by)
        if session.state == "done":
            return session
        if session.state != "open":
            raise UploadRefused(409, _over(session))
        try:
            have = await asyncio.to_thread(self._store.parts, session.key, session.store_id)
        except MissingObject:
            have = None  # completed before, by a request that did not live to write it down; else it is gone
        if have is not None:
            _expect_all(session, have)
            with suppress(MissingObject):  # another request to complete it was first
                await asyncio.to_thread(self._store.complete_parts, session.key, session.store_id, have)
        found = await asyncio.to_thread(self._store.head, session.key)
        if found is None:
            await self._sessions.close(session.id, "aborted", reason="the store has dropped its parts")
            raise UploadRefused(409, "the store has dropped the parts of this upload; begin again")
        try:
            if found[0] != session.bytes:
                raise UploadRefused(422, f"{session.bytes} bytes were announced, and {found[0]} came")
            _expect_video(session.name, await asyncio.to_thread(self._store.get_range, session.key, 0, HEAD_BYTES))
        except UploadRefused as problem:
            await self._sessions.close(session.id, "refused", reason=str(problem))
            await asyncio.to_thread(self._store.delete, session.key)
            raise
        await self._sessions.finish(session)
        return session

    async def abort(self, id_: UUID, by: str) -> None:
        """Drop an upload and its parts; no error where it is over.

        Raises:
            NoSuchUpload: there is none.
        """
        session = await self._get(id_, by)
        if session.state == "open":
            await self._abort(session, "by its sender")

    async def sweep(self) -> int:
        """Drop uploads that nobody has worked on for long, and those that only the store knows. Returns how many.

        For whoever schedules maintenance; several may do it at once.
        """
        dropped = 0
        for session in await self._sessions.left_alone(longer_than_s=self._kept_s, limit=_SWEPT_AT_ONCE):
            await self._abort(session, "left alone for too long")
            dropped += 1
        known = await self._sessions.open_store_ids()
        before = datetime.now(UTC) - timedelta(seconds=self._kept_s)
        for one in await asyncio.to_thread(self._store.unfinished, "uploads/"):
            if one.upload_id not in known and one.begun_at < before:
                await asyncio.to_thread(self._store.abort_parts, one.key, one.upload_id)
                dropped += 1
        await self._sessions.forget(older_than_s=_REMEMBERED_S)
        if dropped:
            log.info("dropped abandoned uploads", extra={"uploads": dropped})
        return dropped

    async def _abort(self, session: Session, why: str) -> None:
        if await self._sessions.close(session.id, "aborted", reason=why):
            await asyncio.to_thread(self._store.abort_parts, session.key, session.store_id)

    async def _get(self, id_: UUID, by: str) -> Session:
        session = await self._sessions.get(id_, by)
        if session is None:
            raise NoSuchUpload(f"there is no upload {id_} of yours")
        return session

    async def _open(self, id_: UUID, by: str) -> Session:
        session = await self._get(id_, by)
        if session.state != "open":
            raise UploadRefused(409, _over(session))
        return session

    async def _standing(self, session: Session) -> Standing:
        if session.state != "open":
            parts = Parts(session.bytes, session.part_bytes)
            return Standing(session, tuple(range(1, parts.count + 1)) if session.state == "done" else ())
        try:
            have = await asyncio.to_thread(self._store.parts, session.key, session.store_id)
        except MissingObject:
            have = []
        parts = Parts(session.bytes, session.part_bytes)
        whole = (
            part.number for part in have if part.number <= parts.count and part.bytes == parts.bytes_of(part.number)
        )
        return Standing(session, tuple(whole))


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if _SUFFIX.fullmatch(suffix) else ".bin"


def _over(session: Session) -> str:
    return f"this upload is {session.state}" + (f": {session.reason}" if session.reason else "")


def _expect_video(name: str, head: bytes) -> None:
    if container_of(head) is None:
        raise UploadRefused(415, f"{name} does not begin as a video file does; it was not taken in")


def _expect_all(session: Session, have: list[Part]) -> None:
    parts = Parts(session.bytes, session.part_bytes)
    sizes = {part.number: part.bytes for part in have}
    missing = [number for number in range(1, parts.count + 1) if number not in sizes]
    if missing:
        some = ", ".join(map(str, missing[:10])) + (" ..." if len(missing) > 10 else "")
        raise UploadRefused(409, f"{len(missing)} of {parts.count} parts have not come: {some}")
    wrong = [n for n, size in sizes.items() if n > parts.count or size != parts.bytes_of(n)]
    if wrong:
        raise UploadRefused(
            409, f"parts {wrong[:10]} have another size than the file's {session.bytes} bytes leave them"
        )
