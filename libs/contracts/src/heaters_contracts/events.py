"""The contract for other teams: AsyncAPI 3.0 for programs, a page for people. Both made from the facts themselves.

`python -m heaters_contracts.events GOLDEN ASYNCAPI PAGE` writes them; a test compares what is committed.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from heaters_contracts.auto_rule import NAMES, SYSTEM_ACTOR
from heaters_contracts.fact import LANES, MAX_FACT_BYTES, REGISTRY, Fact
from heaters_contracts.pipeline import PIPELINE
from heaters_contracts.schemas import schemas

Json = dict[str, Any]

UNITS = {
    "_px": "pixels",
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "_frames": "frames",
    "_ticks": "ticks of the time base",
    "_hz": "samples a second",
    "_deg": "degrees",
    "_db": "decibels",
    "_s": "seconds",
}
"""A field's name says its unit. Spans of frames are half-open: [start, end)."""

RULES = (
    (
        "Nothing is lost, and something may come twice",
        "Delivery is at least once. `Nats-Msg-Id` (= `ce-id` = the field `id`) is the same for the same fact however often it is sent: "
        "remember the ids that you have worked on, or make your work safe to repeat. The stream itself drops repetitions within six hours.",
    ),
    (
        "Asking twice is asking once",
        "A request's idempotency key is `request_id`; without one it is the sha256 of the body. The video's id follows from requester and key, "
        "so whoever repeats a request is told about the same video.",
    ),
    (
        "Order",
        "All facts of one video end in its id; `heaters.*.*.*.*.<video_id>` is its whole history, in order. Between videos there is no order.",
    ),
    (
        "Lanes",
        "`interactive` is for what somebody waits for, `bulk` for all else. The lane is fixed per video and stands in every subject.",
    ),
    (
        "Retries",
        "A stage tries what may pass again with a growing delay, and says `stage.failed` when it gives up: `problem` is the kind in one word, "
        "`reason` is for people. A site that asks for patience costs no attempt.",
    ),
    (
        "Playlists and channels",
        "Each of their videos is asked for in the same name, by the request id `<request_id>/<the site's id>` (its sha256 where that has more than 200 "
        "characters). A list may lie in a list, as a channel's playlists do; one that lies deeper fails with the problem `list_in_lists`.",
    ),
    (
        "Clips that approve themselves",
        "`options.auto_rule` has conditions joined by `and`, such as `seconds >= 2 and certainty >= 0.8 and motion > 1.5`: a name, one of `>= > <= <`, "
        f"a decimal number. Names are {', '.join(f'`{name}` ({said})' for name, (said, _, _) in NAMES.items())}. A clip that fits all of them is "
        f"approved as soon as it is found, by `{SYSTEM_ACTOR}`; whoever reviews may take that back. What was decided about before is left alone.",
    ),
    (
        "Changes",
        "Fields are added, with a default; ignore those that you do not know, and expect new values of enumerations. Anything else is a new "
        "version on its own subject (`.v2`), told beside the old one.",
    ),
    (
        "Size",
        f"A fact has at most {MAX_FACT_BYTES // 1024} KiB, a request 64 KiB. What may be longer lies in the store, by key.",
    ),
)


def asyncapi(examples: Mapping[str, list[Json]]) -> Json:
    """The whole contract as one AsyncAPI 3.0 document.

    Args:
        examples: golden messages by `<type>.v<N>`.
    """
    made = schemas()
    components: Json = {"schemas": {}, "messages": {}}
    channels: Json = {}
    operations: Json = {}
    for (type_, version), fact in sorted(REGISTRY.items()):
        name = f"{type_}.v{version}"
        components["messages"][name] = _message(name, fact, made[f"{name}.json"], examples.get(name, []), components)
        channels[name] = {
            "address": f"heaters.{name}.{{lane}}.{{video_id}}",
            "description": _first(fact),
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "parameters": {
                "lane": {"enum": list(LANES), "description": "fixed per video"},
                "video_id": {"description": "a UUID; the nil UUID for what concerns a whole stage"},
            },
        }
        operations[f"tell.{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"told by {teller(fact)}",
        }
    request = _hoisted(made["ingest.request.v1.json"], "ingest.request.v1", components)
    components["messages"]["ingest.request.v1"] = {
        "name": "ingest.request.v1",
        "title": "A request for one video",
        "contentType": "application/json",
        "payload": request,
        "examples": [{"name": "a page", "payload": ASK}],
    }
    channels["ingest"] = {
        "address": "ingest.{requester}",
        "description": "Ask for a video. Each team may publish on its own name only.",
        "messages": {"ingest.request.v1": {"$ref": "#/components/messages/ingest.request.v1"}},
        "parameters": {"requester": {"description": "your team's name: letters, digits, - and _, at most 64"}},
    }
    operations["hear.ingest"] = {
        "action": "receive",
        "channel": {"$ref": "#/channels/ingest"},
        "summary": "answered with video.requested or video.rejected",
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Heaters",
            "version": "1",
            "description": "\n\n".join(f"**{title}.** {text}" for title, text in RULES),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": components,
    }


ASK: Json = {
    "request_id": "harbour-2026-11-20",
    "source": {"kind": "url", "url": "https://films.example/watch?v=harbour"},
    "lane": "bulk",
    "options": {"tags": ["sea"], "reference": "cam-3/reel 12", "callback": "https://hooks.example/heaters"},
}

ASKING = (
    "Publish JSON on `ingest.<your team>`, or send the same body to `POST /api/ingest`. Either is answered by a fact."
)
COMMANDS = (
    f"nats pub ingest.films '{json.dumps(ASK, ensure_ascii=False)}'",
    f"curl -H \"authorization: Bearer $TOKEN\" -d '{json.dumps({'source': ASK['source']})}' $HEATERS/api/ingest",
    "curl ... '$HEATERS/api/ingest?dry_run=true'    # what would happen, and nothing does",
    "heaters ingest https://films.example/watch?v=harbour",
    "python client.py ask https://films.example/watch?v=harbour --wait    # heaters_contracts/client.py: one file, standard library only",
)
FOLLOWING = (
    "by subject: `nats sub 'heaters.*.*.*.*.<video_id>'`, or a durable consumer with that filter;",
    "by HTTP: `GET /api/videos/<video_id>` now, `GET /api/events?video=<video_id>` as server-sent events; `Last-Event-ID` resumes;",
    "by webhook: `options.callback` is an https address that is told each milestone, signed (below).",
)
WEBHOOKS = (
    '`POST` with the JSON `{"id", "at", "video_id", "requester", "request_id", "reference", "state", "fact"}`; `fact` is the fact itself.',
    "Headers: `webhook-id` (the same each time something is sent again: remember it), `webhook-timestamp` (seconds), and",
    "`webhook-signature`: `v1,` and the base64 HMAC-SHA256 of `<id>.<timestamp>.<body>` with your secret",
    "(standardwebhooks.com). Refuse what is older than five minutes: nobody can play an old message again. Any 2xx is an",
    "acknowledgement; anything else is tried again with a growing delay for a day. An address must be public.",
)


def _message(name: str, fact: type[Fact], schema: Json, examples: list[Json], components: Json) -> Json:
    return {
        "name": name,
        "title": _first(fact),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": ["Nats-Msg-Id", "ce-id", "ce-type", "ce-source", "ce-time", "content-type"],
            "properties": {
                "Nats-Msg-Id": {
                    "type": "string",
                    "format": "uuid",
                    "description": "the fact's id: the idempotency key",
                },
                "ce-id": {"type": "string", "format": "uuid", "description": "the same (CloudEvents, binary mode)"},
                "ce-type": {"const": f"heaters.{name}"},
                "ce-source": {"type": "string", "description": "heaters/<service>"},
                "ce-time": {"type": "string", "format": "date-time"},
                "content-type": {"const": "application/json"},
                "traceparent": {"type": "string", "description": "W3C trace context, where there is a trace"},
            },
        },
        "payload": _hoisted(schema, name, components),
        "examples": [{"name": e["name"], "headers": e["headers"], "payload": e["data"]} for e in examples[:2]],
    }


def _hoisted(schema: Json, name: str, components: Json) -> Json:
    """A schema whose definitions lie among the document's own; equal ones are shared."""
    renamed: dict[str, str] = {}
    definitions = schema.get("$defs", {})
    for own, definition in definitions.items():
        plain = json.dumps(definition, sort_keys=True)
        shared = components["schemas"].get(own)
        renamed[own] = own if shared is None or shared.get("x-same") == plain else f"{name}.{own}"
        if renamed[own] not in components["schemas"]:
            components["schemas"][renamed[own]] = {"x-same": plain}  # its place; filled below, when all names are known
    for own, definition in definitions.items():
        components["schemas"][renamed[own]] = {
            **_referring(definition, renamed),
            "x-same": json.dumps(definition, sort_keys=True),
        }
    body: Json = _referring({key: value for key, value in schema.items() if key not in ("$defs", "$schema")}, renamed)
    return body


def _referring(value: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: f"#/components/schemas/{renamed[str(item).rpartition('/')[2]]}"
            if key == "$ref"
            else {k: f"#/components/schemas/{renamed[str(v).rpartition('/')[2]]}" for k, v in item.items()}
            if key == "mapping"
            else _referring(item, renamed)
            for key, item in value.items()
        }
    return [_referring(item, renamed) for item in value] if isinstance(value, list) else value


def without_marks(document: Any) -> Any:
    """The document without what only its making needed."""
    if isinstance(document, dict):
        return {key: without_marks(item) for key, item in document.items() if key != "x-same"}
    return [without_marks(item) for item in document] if isinstance(document, list) else document


def teller(fact: type[Fact]) -> str:
    """Who tells a fact."""
    if fact.TYPE == "stage.failed":
        return "any stage"
    return ", ".join(work.by for work in PIPELINE if fact in work.produces) or "review-api"


def fields(schema: Json, root: Json) -> Iterator[tuple[str, str, bool, str, str]]:
    """Every field of a message: its path, type, whether it is always there, its unit, and what it says.

    Where one of several kinds of object lies in a field, the fields of each follow, and say of which kind they are.
    """
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        kind, inner = _kind(field, root)
        said = " ".join(str(field.get("description", "")).split())
        yield name, kind, name in required, unit(name), said
        for target in inner:
            of = f"`{target['title']}`: " if len(inner) > 1 else ""
            for path, below, always, measure, words in fields(target, root):
                yield f"{name}.{path}", below, always, measure, f"{of}{words}".removesuffix(": ")


def unit(name: str) -> str:
    """What a field's name says of its unit."""
    if name == "bytes":
        return "bytes"
    return next((words for suffix, words in UNITS.items() if name.endswith(suffix)), "")


def _kind(field: Json, root: Json) -> tuple[str, list[Json]]:
    """A field's type in words, and the objects of which one lies in it."""
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        target = root["$defs"][name]
        return (name, [target]) if target.get("type") == "object" else _kind(target, root)
    if "const" in field:
        return f"`{field['const']}`", []
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"]), []
    for word in ("anyOf", "oneOf"):
        if word in field:
            kinds = [_kind(each, root) for each in field[word]]
            return " or ".join(kind for kind, _ in kinds), [target for _, inner in kinds for target in inner]
    if field.get("type") == "array":
        kind, inner = _kind(field.get("items", {}), root)
        return f"list of {kind}", inner
    kind = str(field.get("type", "anything"))
    return (f"{kind} ({field['format']})" if "format" in field else kind), []


def page(examples: Mapping[str, list[Json]]) -> str:
    """Markdown for people."""
    made = schemas()
    lines = [
        "# Events",
        "",
        "Made from the contracts by `make docs`; do not edit. For programs: `heaters_contracts/asyncapi.json` (AsyncAPI 3.0) and the JSON",
        "Schemas in `libs/contracts/schemas`. A running review-api shows the same at `/docs/events`.",
        "",
        "## Ask for a video",
        "",
        ASKING,
        "",
        "```sh",
        *COMMANDS,
        "```",
        "",
        *_table("ingest.request.v1", made["ingest.request.v1.json"]),
        "## Follow it",
        "",
        *(f"- {way}" for way in FOLLOWING),
        "",
        "### Webhooks",
        "",
        *WEBHOOKS,
        "",
        "## Rules of delivery",
        "",
    ]
    lines += [f"- **{title}.** {text}" for title, text in RULES]
    lines += [
        "",
        "## Facts",
        "",
        "Headers of each: `Nats-Msg-Id`, `ce-id`, `ce-type`, `ce-source`, `ce-time`, `content-type`, `traceparent`.",
        "",
    ]
    for (type_, version), fact in sorted(REGISTRY.items()):
        name = f"{type_}.v{version}"
        lines += [
            f"### {name}",
            "",
            f"{_first(fact)} Told by {teller(fact)} on `heaters.{name}.<lane>.<video_id>`.",
            "",
        ]
        lines += _table(name, made[f"{name}.json"])
        for example in examples.get(name, [])[:1]:
            lines += [f"<details><summary>{example['name']}</summary>", "", "```json"]
            lines += [json.dumps(example["data"], indent=2, ensure_ascii=False), "```", "", "</details>", ""]
    return "\n".join(lines)


def _table(name: str, schema: Json) -> list[str]:
    lines = ["| field | type | always | unit | |", "|---|---|---|---|---|"]
    for path, kind, always, measure, said in fields(schema, schema):
        lines.append(
            f"| `{path}` | {kind.replace('|', '/')} | {'yes' if always else ''} | {measure} | {said.replace('|', '/')} |"
        )
    return [*lines, ""]


def _first(fact: type[Fact]) -> str:
    return (fact.__doc__ or "").strip().splitlines()[0]


def golden(folder: Path) -> dict[str, list[Json]]:
    """The golden messages: by type and version, in the order of their names."""
    found: dict[str, list[Json]] = {}
    for file in sorted(folder.glob("*/*.json")):
        said = json.loads(file.read_text())
        found.setdefault(file.parent.name, []).append({"name": file.stem.replace("_", " "), **said})
    return found


def documents(folder: Path) -> tuple[str, str]:
    """The AsyncAPI document and the page, as they are written."""
    examples = golden(folder)
    document = without_marks(asyncapi(examples))
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n", page(examples)


if __name__ == "__main__":
    for target, content in zip(sys.argv[2:4], documents(Path(sys.argv[1])), strict=True):
        Path(target).write_text(content)
