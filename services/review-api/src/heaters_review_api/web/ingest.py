"""Uploads, and requests for videos."""

import hashlib
import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from heaters_contracts.ingest import IngestRequest
from heaters_contracts.objects import upload_key
from litestar import Request, post
from litestar.params import QueryParameter

from heaters_review_api.admission import read_request
from heaters_review_api.web import views
from heaters_review_api.web.auth import ASKERS, Principal
from heaters_review_api.web.desk import TheDesk
from heaters_review_api.web.problems import Problem

_MOST_REQUEST_BYTES = 64 * 1024
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


@post("/api/uploads", guards=[ASKERS], tags=["ingest"], request_max_body_size=None)
async def upload(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    name: Annotated[str, QueryParameter(min_length=1, max_length=255, description="the file's name")],
) -> views.Upload:
    """Take in a file: the raw body is streamed to disk, then to the store, under a key that ends in its hash."""
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


@post("/api/ingest", guards=[ASKERS], status_code=202, tags=["ingest"], request_max_body_size=_MOST_REQUEST_BYTES)
async def ingest(desk: TheDesk, request: Request[Principal, Any, Any]) -> views.Admission:
    """Ask for a video: {"request_id", "source", "lane", "options"}. Asking twice with one request_id asks once."""
    wanted: IngestRequest = read_request(await request.body())
    answer = await desk.admission.admit(request.user.id, wanted)
    return views.Admission(video_id=answer.video_id, status=answer.status, reason=answer.reason)


HANDLERS = [upload, ingest]
