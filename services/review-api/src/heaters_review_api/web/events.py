"""The contract for other teams, as a page and as a document; made from this package alone, nothing comes from elsewhere."""

import json
import re
from html import escape
from importlib.resources import files
from typing import Any

from heaters_contracts.events import RULES, fields
from heaters_contracts.schemas import schemas
from litestar import Response, get

from heaters_review_api.web.auth import ANYBODY

_DOCUMENT = files("heaters_contracts").joinpath("asyncapi.json").read_bytes()


@get("/api/asyncapi.json", guards=[ANYBODY], tags=["watch"])
async def asyncapi() -> Response[bytes]:
    """Every message, for programs (AsyncAPI 3.0)."""
    return Response(_DOCUMENT, media_type="application/json")


def _page() -> bytes:
    document = json.loads(_DOCUMENT)
    messages = document["components"]["messages"]
    made = schemas()
    names = sorted(messages, key=lambda name: (name != "ingest.request.v1", name))
    links = "".join(f'<li><a href="#{escape(name)}">{escape(name)}</a></li>' for name in names)
    rules = "".join(f"<dt>{escape(title)}</dt><dd>{_said(text)}</dd>" for title, text in RULES)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Heaters: events</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/static/docs.css"></head><body><main>'
        f'<h1>Events</h1><p>For programs: <a href="/api/asyncapi.json">asyncapi.json</a> (AsyncAPI 3.0). The HTTP API: <a href="/docs">here</a>.</p>'
        f"<h2>Rules of delivery</h2><dl>{rules}</dl><h2>Messages</h2><ul>{links}</ul>"
        + "".join(_message(name, messages[name], document, made[f"{name}.json"]) for name in names)
        + "</main></body></html>"
    ).encode()


def _said(text: str) -> str:
    """A text of the document, whose names of things stand in backticks."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _message(name: str, message: dict[str, Any], document: dict[str, Any], schema: dict[str, Any]) -> str:
    channel = document["channels"].get(name) or document["channels"]["ingest"]
    rows = "".join(
        f"<tr><td><code>{escape(path)}</code></td><td>{escape(kind.replace('`', ''))}</td><td>{'always' if always else ''}</td>"
        f"<td>{escape(unit)}</td><td>{_said(said)}</td></tr>"
        for path, kind, always, unit, said in fields(schema, schema)
    )
    examples = "".join(
        f"<details><summary>Example: {escape(str(one['name']))}</summary><pre>"
        f"{escape(json.dumps(one['payload'], indent=2, ensure_ascii=False))}</pre></details>"
        for one in message.get("examples", ())
    )
    return (
        f'<section id="{escape(name)}"><h2>{escape(name)}</h2><p>{escape(message["title"])}</p>'
        f"<p><code>{escape(channel['address'])}</code></p><table><thead><tr><th>field</th><th>type</th><th></th><th>unit</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{examples}</section>"
    )


_PAGE = _page()


@get("/docs/events", guards=[ANYBODY], include_in_schema=False)
async def page() -> Response[bytes]:
    """Every message, for people."""
    return Response(_PAGE, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-store"})


HANDLERS = [asyncapi, page]
