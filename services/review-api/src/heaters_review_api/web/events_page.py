"""The contract for other teams as one page of plain HTML: no script, no asset from elsewhere, everything to be found by the browser's own search."""

import json
import re
from collections.abc import Iterable
from html import escape
from itertools import groupby
from typing import Any

from heaters_contracts.events import ASKING, COMMANDS, FOLLOWING, RULES, WEBHOOKS, fields
from heaters_contracts.pipeline import PIPELINE
from heaters_contracts.schemas import schemas

_REQUEST = "ingest.request.v1"


def events_page(document: dict[str, Any]) -> bytes:
    """The page.

    Args:
        document: the AsyncAPI document of the same contracts.
    """
    messages = document["components"]["messages"]
    made = schemas()
    facts = sorted(name for name in messages if name != _REQUEST)
    commands = "\n".join(COMMANDS)
    ways = "".join(f"<li>{_said(way)}</li>" for way in FOLLOWING)
    sections = [
        _section("ask", "Ask for a video", f"<p>{_said(ASKING)}</p><pre>{escape(commands)}</pre>"),
        _message(_REQUEST, messages[_REQUEST], document, made),
        _section("follow", "Follow it", f"<ul>{ways}</ul>"),
        _section("webhooks", "Webhooks", f"<p>{_said(' '.join(WEBHOOKS))}</p>"),
        _section("rules", "Rules of delivery", _rules()),
        *(_message(name, messages[name], document, made) for name in facts),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Events · Heaters</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="/static/tokens.css"><link rel="stylesheet" href="/static/docs.css"></head><body>'
        '<header class="bar"><a class="brand" href="/">Heaters</a><span>Events</span><span class="space"></span>'
        '<a href="/docs">HTTP API</a><a href="/api/asyncapi.json">asyncapi.json</a></header>'
        f'<div class="beside"><nav aria-label="On this page">{_contents(facts)}</nav><main class="docs">{"".join(sections)}</main></div></body></html>'
    ).encode()


def _contents(facts: Iterable[str]) -> str:
    about = [("ask", "Ask for a video"), (_REQUEST, "The request"), ("follow", "Follow it"), ("webhooks", "Webhooks")]
    groups = [("For other teams", [*about, ("rules", "Rules of delivery")])]
    for entity, names in groupby(facts, key=lambda name: name.partition(".")[0]):
        groups.append((f"Facts of a {entity}", [(name, name.partition(".")[2]) for name in names]))
    return "".join(f"<h2>{escape(title)}</h2><ul>{_links(links)}</ul>" for title, links in groups)


def _links(links: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<li><a href="#{escape(to)}">{escape(what)}</a></li>' for to, what in links)


def _rules() -> str:
    rules = "".join(f"<dt>{escape(title)}</dt><dd>{_said(text)}</dd>" for title, text in RULES)
    return f"<dl>{rules}</dl>"


def _section(id_: str, title: str, body: str) -> str:
    return f'<section id="{escape(id_)}"><h2>{escape(title)}</h2>{body}</section>'


def _message(name: str, message: dict[str, Any], document: dict[str, Any], made: dict[str, Any]) -> str:
    channel = document["channels"].get(name) or document["channels"]["ingest"]
    schema = made[f"{name}.json"]
    rows = "".join(
        f"<tr><td><code>{escape(path)}</code></td><td>{_said(kind)}</td><td>{'always' if always else ''}</td>"
        f"<td>{escape(unit)}</td><td>{_said(said)}</td></tr>"
        for path, kind, always, unit, said in fields(schema, schema)
    )
    examples = "".join(
        f"<details><summary>Example: {escape(str(one['name']))}</summary><pre>"
        f"{escape(json.dumps(one['payload'], indent=2, ensure_ascii=False))}</pre></details>"
        for one in message.get("examples", ())
    )
    body = (
        f"<p>{_said(message['title'])}</p><p><code>{escape(channel['address'])}</code></p>{_heard(name)}"
        '<div class="wide"><table><thead><tr><th>Field</th><th>Type</th><th>Given</th><th>Unit</th><th>Meaning</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{examples}"
    )
    return _section(name, name, body)


def _heard(name: str) -> str:
    """Which kinds of work begin with a fact."""
    works = [work.name for work in PIPELINE if f"{work.consumes.TYPE}.v{work.consumes.VERSION}" == name]
    return f'<p class="quiet">Begins: {escape(", ".join(works))}.</p>' if works else ""


def _said(text: str) -> str:
    """A text of the contracts, in which names of things stand in backticks."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
