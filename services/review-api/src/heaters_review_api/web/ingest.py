"""Requests for videos."""

from typing import Annotated, Any

from heaters_contracts.ingest import IngestRequest
from litestar import Request, post
from litestar.params import QueryParameter

from heaters_review_api.admission import read_request
from heaters_review_api.web import views
from heaters_review_api.web.auth import ASKERS, Principal
from heaters_review_api.web.desk import TheDesk

_MOST_REQUEST_BYTES = 64 * 1024


@post("/api/ingest", guards=[ASKERS], status_code=202, tags=["ingest"], request_max_body_size=_MOST_REQUEST_BYTES)
async def ingest(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    dry_run: Annotated[bool, QueryParameter(description="only say what would happen; nothing does")] = False,
) -> views.Admission:
    """Ask for a video: {"request_id", "source", "lane", "options"}. Asking twice with one request_id asks once."""
    wanted: IngestRequest = read_request(await request.body())
    admission = desk.admission
    answer = await (admission.would if dry_run else admission.admit)(request.user.id, wanted)
    return views.Admission(video_id=answer.video_id, status=answer.status, reason=answer.reason)


HANDLERS = [ingest]
