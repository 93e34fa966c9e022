"""What ops look at and do: chores and their last runs, and erasing a video."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath, HeaderParameter, JSONBody

from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, OPERATORS, OPS, Principal
from heaters_review_api.web.desk import TheDesk


@get("/api/maintenance", guards=[ANYBODY], tags=["operations"])
async def list_chores(desk: TheDesk) -> views.Chores:
    """What this replica does again and again, when it did so last, and how that ended."""
    return views.Chores(items=[views.chore_view(chore, ran) for chore, ran in desk.maintenance.report()])


@post("/api/maintenance/{name:str}", guards=[OPERATORS], status_code=200, tags=["operations"])
async def run_chore(desk: TheDesk, name: FromPath[str]) -> views.Chore:
    """Do a chore now, and say how it ended."""
    ran = await desk.maintenance.now(name)
    return next(views.chore_view(chore, ran) for chore, _ in desk.maintenance.report() if chore.name == name)


@post("/api/videos/{video_id:uuid}/erase", guards=[OPS], status_code=200, tags=["operations"])
async def erase(
    desk: TheDesk,
    request: Request[Principal, Any, Any],
    video_id: FromPath[UUID],
    data: JSONBody[views.EraseWish],
    idempotency_key: Annotated[str, HeaderParameter(name="Idempotency-Key", min_length=1, max_length=200)],
) -> views.Erased:
    """Erase a video for good: its facts, objects, rows, vectors and caches. One fact is left, that says who and when."""
    done = await desk.eraser.erase(video_id, by=request.user.id, reason=data.reason, idempotency_key=idempotency_key)
    return views.Erased(
        sequence=done.sequence,
        facts=done.facts,
        objects=done.objects,
        requests=done.requests,
        uploads=list(done.uploads),
        traces=await desk.eraser.traces(video_id, claims=done.claims),
    )


@get("/api/doctor", guards=[OPERATORS], tags=["operations"])
async def examine(desk: TheDesk) -> views.Diagnoses:
    """Whether servers, streams, permissions, clocks, disk and versions are as they must be, and what to do where they are not."""
    return views.Diagnoses(
        items=[
            views.Diagnosis(part=one.part, ok=one.ok, what=one.what, advice=one.advice)
            for one in await desk.doctor.look()
        ]
    )


HANDLERS = [list_chores, run_chore, erase, examine]
