"""Whether a changed schema would break whoever reads or writes the published one: `python -m heaters_contracts.compat DIR`.

Facts are written here and read by others: a field may be added, and none may go, change its type, or be null where it never was.
Requests are written by others and read here: nothing that was allowed may be refused. Anything else is a new version of the message.
New values of an enumeration are allowed in facts: readers were told to expect them.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]

_LIMITS_UP = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_LIMITS_DOWN = ("minLength", "minimum", "exclusiveMinimum", "minItems")


def breaks(name: str, old: Schema, new: Schema) -> list[str]:
    """What of a published message would break, a line each, naming the field.

    Args:
        name: the schema's file name; those that begin with `ingest.` are requests.
        old: the published schema.
        new: what the code makes now.
    """
    requests = name.startswith("ingest.")
    return [f"{name}: {line}" for line in _compare("", old, new, (old, new), requests, ())]


def _compare(
    at: str, old: Schema, new: Schema, roots: tuple[Schema, Schema], requests: bool, seen: tuple[tuple[str, str], ...]
) -> Iterator[str]:
    pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
    if any(pair):
        if pair in seen:
            return
        seen = (*seen, pair)
    before, after = _alternatives(old, roots[0]), _alternatives(new, roots[1])
    here = at or "the message"
    kept, gained = before.keys() & after.keys(), after.keys() - before.keys()
    for kind in sorted(before.keys() - after.keys()):
        if requests or not kept:
            yield f"{here} may not be {kind} any more"
    if not requests:
        for kind in sorted(gained):
            yield f"{here} may be {kind} now, which no reader expects"
    for kind in sorted(kept):
        yield from _same_kind(at, before[kind], after[kind], roots, requests, seen)


def _same_kind(
    at: str, old: Schema, new: Schema, roots: tuple[Schema, Schema], requests: bool, seen: tuple[tuple[str, str], ...]
) -> Iterator[str]:
    here = at or "the message"
    was, now = old.get("properties", {}), new.get("properties", {})
    for field in sorted(was):
        path = f"{at}.{field}" if at else field
        if field not in now:
            yield f"{path} is gone"
        else:
            yield from _compare(path, was[field], now[field], roots, requests, seen)
    must, had_to = set(new.get("required", ())), set(old.get("required", ()))
    for field in sorted(must - had_to if requests else (had_to - must) & now.keys()):
        path = f"{at}.{field}" if at else field
        yield f"{path} is required now" if requests else f"{path} was always there, and may be missing now"
    if "items" in old and "items" in new:
        yield from _compare(f"{at}[]", old["items"], new["items"], roots, requests, seen)
    if isinstance(old.get("additionalProperties"), dict) and isinstance(new.get("additionalProperties"), dict):
        yield from _compare(f"{at}.*", old["additionalProperties"], new["additionalProperties"], roots, requests, seen)
    values = ([*old.get("enum", ()), *_const(old)], [*new.get("enum", ()), *_const(new)])
    if requests and values[1] and (gone := [value for value in values[0] if value not in values[1]]):
        yield f"{here} may not be {', '.join(map(repr, gone))} any more"
    if not requests and "const" in old and old["const"] != new.get("const"):
        yield f"{here} is not {old['const']!r} any more"
    if requests:
        yield from _tightened(here, old, new)


def _const(schema: Schema) -> tuple[Any, ...]:
    return (schema["const"],) if "const" in schema else ()


def _tightened(here: str, old: Schema, new: Schema) -> Iterator[str]:
    for limit in _LIMITS_UP:
        if limit in new and new[limit] < old.get(limit, float("inf")):
            yield f"{here} has a tighter {limit}: {old.get(limit, 'none')} became {new[limit]}"
    for limit in _LIMITS_DOWN:
        if limit in new and new[limit] > old.get(limit, float("-inf")):
            yield f"{here} has a tighter {limit}: {old.get(limit, 'none')} became {new[limit]}"
    for limit in ("pattern", "format"):
        if limit in new and new[limit] != old.get(limit):
            yield f"{here} has another {limit}: {old.get(limit, 'none')} became {new[limit]}"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{here} refuses unknown fields now"


def _alternatives(schema: Schema, root: Schema) -> dict[str, Schema]:
    """The kinds of values that a schema allows, by what tells them apart: an object's name, else a type."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        target: Schema = root["$defs"][name]
        if target.get("type") == "object":
            return {f"a {name}": target}
        return _alternatives(target, root)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            found: dict[str, Schema] = {}
            for each in schema[word]:
                found.update(_alternatives(each, root))
            return found
    kinds = schema.get("type", "anything")
    return {str(kind): schema for kind in ([kinds] if isinstance(kinds, str) else kinds)}


def check(folder: Path, made: Mapping[str, Schema]) -> list[str]:
    """Compare what the code makes with what is published in a folder."""
    found = []
    for file in sorted(folder.glob("*.json")):
        if file.name not in made:
            found.append(f"{file.name}: the message is gone; what was published is read for ever")
        else:
            found += breaks(file.name, json.loads(file.read_text()), made[file.name])
    return found


def main() -> None:
    """Fail where a published message would break."""
    from heaters_contracts.schemas import schemas

    found = check(Path(sys.argv[1]), schemas())
    if found:
        sys.exit("\n".join((*found, "A change that breaks others is a new version of the message, with an upcast.")))


if __name__ == "__main__":
    main()
