"""What ops look at: chores and their last runs."""

from litestar import get, post
from litestar.params import FromPath

from heaters_review_api.web import views
from heaters_review_api.web.auth import ANYBODY, OPERATORS
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


HANDLERS = [list_chores, run_chore]
