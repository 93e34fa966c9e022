"""Files that people hand in: in one request, or in parts that go straight to the store and may be gone on with."""

import base64
import hashlib
import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any
from uuid import UUID

from heaters_contracts.objects import upload_key
from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from heaters_review_api.uploads import Standing
from heaters_review_api.web import views
from heaters_review_api.web.auth import ASKERS, Principal
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem

_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_MOST_BYTES = 5 * 1024**4
"""As large an object may be in S3."""
_HEAD_CHARACTERS = 8192
_PRINTED = r"^[^\x00-\x1f\x7f]*$"


class UploadWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that shall be uploaded in parts.

    `resume_key` is the sender's own name for this very file (such as its name, size and time of change): as long as an
    upload with it is open, beginning again goes on with that one. `head` may hold the file's first bytes, base64 (4 KiB are
    enough): what is no video is then refused before anything is sent.
    """

    name: Annotated[str, Meta(min_length=1, max_length=255, pattern=_PRINTED)]
    bytes: Annotated[int, Meta(ge=1, le=_MOST_BYTES)]
    content_type: Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9.+/_-]*$")] = ""
    resume_key: Annotated[str, Meta(min_length=1, max_length=200, pattern=_PRINTED)] | None = None
    head: Annotated[str, Meta(max_length=_HEAD_CHARACTERS)] | None = None


class UploadInParts(Struct, frozen=True, kw_only=True):
    """An upload in parts: every part but the last has `part_bytes`; `done` are the parts that the store holds, from 1.

    Once it is done, ask for the video with the source {"kind": "upload", "key", "name"}.
    """

    id: UUID
    state: str
    reason: str | None
    key: str
    name: str
    bytes: int
    part_bytes: int
    parts: int
    done: list[int]
    touched_at: datetime


class PartsWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts whose addresses are wanted, from 1; at most 100 at once."""

    parts: Annotated[list[int], Meta(min_length=1, max_length=100)]


class PartUrl(Struct, frozen=True, kw_only=True):
    """Where to PUT a part, without a token: exactly `bytes` bytes, within the time that the list of them says."""

    part: int
    url: str
    bytes: int


class PartUrls(Struct, frozen=True, kw_only=True):
    """Addresses of parts, and for how long they may be used, in seconds."""

    items: list[PartUrl]
    expires_s: int


@post("/api/uploads", guards=[ASKERS], tags=["ingest"], request_max_body_size=None)
async def upload(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    name: Annotated[str, QueryParameter(min_length=1, max_length=255, description="the file's name")],
) -> views.Upload:
    """Take in a file in one request: the raw body is streamed to disk, then to the store, under a key that ends in its hash."""
    limit = desk.settings.upload_limit_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        _refuse_if_too_long(int(announced), limit)
        desk.objects.require_space(int(announced))
    with desk.objects.desk() as folder:
        path = folder / "upload"
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                _refuse_if_too_long(size, limit)
                desk.objects.require_space(len(chunk))  # others write, too, and not everybody says how much will come
                digest.update(chunk)
                file.write(chunk)
        if size == 0:
            raise Problem(400, "Nothing was uploaded", f"{name} is empty.")
        suffix = PurePosixPath(name).suffix.lower()
        sha256 = digest.hexdigest()
        key = upload_key(request.user.id, sha256, suffix if _SUFFIX.fullmatch(suffix) else ".bin")
        ref = await desk.objects.put(path, key, sha256=sha256)
    await desk.queries.note_upload(ref, name=name, by=request.user.id)
    return views.Upload(key=ref.key, bytes=ref.bytes, sha256=ref.sha256)


def _refuse_if_too_long(size: int, limit: int) -> None:
    if size > limit:
        raise Problem(413, "The file is too large", f"At most {limit} bytes are taken in; this has {size} or more.")


@post("/api/uploads/parts", guards=[ASKERS], tags=["ingest"])
async def begin(desk: TheDesk, request: Request[Principal, Any, Any], data: JSONBody[UploadWish]) -> UploadInParts:
    """Begin an upload in parts, or go on with the open one of the same `resume_key`."""
    head = None
    if data.head is not None:
        try:
            head = base64.b64decode(data.head, validate=True)
        except ValueError as problem:  # of what is no ASCII, too
            raise Problem(400, "The request cannot be understood", f"head: not base64: {problem}") from problem
    return _view(
        await desk.uploads.begin(
            request.user.id,
            name=data.name,
            total_bytes=data.bytes,
            content_type=data.content_type or "application/octet-stream",
            resume_key=data.resume_key,
            head=head,
        )
    )


@get("/api/uploads/parts/{upload_id:uuid}", guards=[ASKERS], tags=["ingest"])
async def standing(desk: TheDesk, request: Request[Principal, Any, Any], upload_id: FromPath[UUID]) -> UploadInParts:
    """How far an upload is: which parts the store holds."""
    return _view(await desk.uploads.standing(upload_id, request.user.id))


@post("/api/uploads/parts/{upload_id:uuid}/urls", guards=[ASKERS], status_code=200, tags=["ingest"])
async def urls(
    desk: TheDesk, request: Request[Principal, Any, Any], upload_id: FromPath[UUID], data: JSONBody[PartsWish]
) -> PartUrls:
    """Addresses to which parts are PUT; ask again when they have expired."""
    found = await desk.uploads.urls(upload_id, request.user.id, data.parts)
    items = [PartUrl(part=one.number, url=one.url, bytes=one.bytes) for one in found]
    return PartUrls(items=items, expires_s=desk.uploads.expires_s)


@post("/api/uploads/parts/{upload_id:uuid}/complete", guards=[ASKERS], status_code=200, tags=["ingest"])
async def complete(desk: TheDesk, request: Request[Principal, Any, Any], upload_id: FromPath[UUID]) -> views.Upload:
    """All parts were sent: make the file of them. Its hash is not known yet; the download says it."""
    session = await desk.uploads.complete(upload_id, request.user.id)
    return views.Upload(key=session.key, bytes=session.bytes, sha256=None)


@delete("/api/uploads/parts/{upload_id:uuid}", guards=[ASKERS], tags=["ingest"])
async def abort(desk: TheDesk, request: Request[Principal, Any, Any], upload_id: FromPath[UUID]) -> None:
    """Drop an upload and what was sent of it."""
    await desk.uploads.abort(upload_id, request.user.id)


def _view(one: Standing) -> UploadInParts:
    session = one.session
    return UploadInParts(
        id=session.id,
        state=session.state,
        reason=session.reason,
        key=session.key,
        name=session.name,
        bytes=session.bytes,
        part_bytes=session.part_bytes,
        parts=one.parts.count,
        done=list(one.done),
        touched_at=session.touched_at,
    )


HANDLERS = [upload, begin, standing, urls, complete, abort]
