"""JSON Schemas of every fact and of the ingest request, for readers in any language.

`python -m heaters_contracts.schemas DIR` writes them; a test compares what is committed with what this makes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import heaters_contracts.facts  # noqa: F401 - importing fills the registry
from heaters_contracts.fact import REGISTRY, Envelope
from heaters_contracts.ingest import IngestRequest


def schemas() -> dict[str, dict[str, Any]]:
    """File name -> JSON Schema (draft 2020-12)."""
    made = {"ingest.request.v1.json": IngestRequest.model_json_schema()}
    for (type_, version), body in sorted(REGISTRY.items()):
        schema, envelope = (
            body.model_json_schema(mode="serialization"),
            Envelope.model_json_schema(mode="serialization"),
        )
        made[f"{type_}.v{version}.json"] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"heaters.{type_}.v{version}",
            "description": schema.get("description", ""),
            "type": "object",
            "properties": {**envelope["properties"], "type": {"const": type_}, **schema.get("properties", {})},
            "required": sorted({"id", "type", "video_id", "lane", "time", *schema.get("required", [])}),
            "$defs": {**envelope.get("$defs", {}), **schema.get("$defs", {})},
        }
    return made


def write(folder: Path) -> None:
    """Write every schema into a folder, and remove those that no fact has any more."""
    folder.mkdir(parents=True, exist_ok=True)
    made = schemas()
    for name, schema in made.items():
        (folder / name).write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n")
    for stale in {p.name for p in folder.glob("*.json")} - made.keys():
        (folder / stale).unlink()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
