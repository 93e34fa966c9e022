"""The contract for other teams, as a page and as a document; made from this package alone, nothing comes from elsewhere."""

import json
from importlib.resources import files

from litestar import Response, get

from heaters_review_api.web.auth import ANYBODY
from heaters_review_api.web.events_page import events_page

_DOCUMENT = files("heaters_contracts").joinpath("asyncapi.json").read_bytes()
_PAGE = events_page(json.loads(_DOCUMENT))


@get("/api/asyncapi.json", guards=[ANYBODY], tags=["watch"])
async def asyncapi() -> Response[bytes]:
    """Every message, for programs (AsyncAPI 3.0)."""
    return Response(_DOCUMENT, media_type="application/json")


@get("/docs/events", guards=[ANYBODY], include_in_schema=False)
async def page() -> Response[bytes]:
    """Every message, for people."""
    return Response(_PAGE, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})


HANDLERS = [asyncapi, page]
