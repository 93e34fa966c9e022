"""What other teams read of the contract, and that it cannot break in silence."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from heaters_contracts.compat import breaks, check
from heaters_contracts.events import documents
from heaters_contracts.fact import REGISTRY
from heaters_contracts.schemas import schemas

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "libs/contracts/src/heaters_contracts"
HOW = "run `make docs` and commit what changed"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(schemas()))
    return found


def test_the_committed_documents_are_those_of_the_code() -> None:
    document, page = documents(ROOT / "libs/contracts/golden")

    assert (PACKAGE / "asyncapi.json").read_text() == document, HOW
    assert (ROOT / "docs/events.md").read_text() == page, HOW


def test_every_message_has_its_channel_its_fields_and_an_example() -> None:
    document = json.loads((PACKAGE / "asyncapi.json").read_text())
    names = {f"{type_}.v{version}" for type_, version in REGISTRY}

    assert document["asyncapi"] == "3.0.0"
    assert document["channels"].keys() == names | {"ingest"}
    assert document["channels"]["video.requested.v1"]["address"] == "heaters.video.requested.v1.{lane}.{video_id}"
    assert all(document["components"]["messages"][name]["examples"] for name in names)
    assert {one["action"] for key, one in document["operations"].items() if key.startswith("tell.")} == {"send"}


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = json.loads((PACKAGE / "asyncapi.json").read_text())
    led = []

    def follow(value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                target: Any = document
                for part in reference.removeprefix("#/").split("/"):
                    target = target[part]
                led.append(reference)
            for item in value.values():
                follow(item)
        elif isinstance(value, list):
            for item in value:
                follow(item)

    follow(document)

    assert len(led) > 100


def test_the_page_names_units_and_rules() -> None:
    page = (ROOT / "docs/events.md").read_text()

    assert "| `chapters.start_ms` | integer | yes | milliseconds |" in page
    assert "nats pub ingest.films" in page
    assert "webhook-signature" in page


def test_what_is_published_does_not_break(made: dict[str, Any]) -> None:
    assert check(ROOT / "libs/contracts/schemas", made) == []


DOWNLOADED, REQUEST = "video.downloaded.v1.json", "ingest.request.v1.json"


def without_field(schema: Any) -> None:
    del schema["properties"]["title"]


def other_type(schema: Any) -> None:
    schema["properties"]["title"]["type"] = "integer"


def null_now(schema: Any) -> None:
    schema["properties"]["title"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def not_always(schema: Any) -> None:
    schema["required"].remove("title")


def nested_gone(schema: Any) -> None:
    del schema["$defs"]["ObjectRef"]["properties"]["sha256"]


def another_field(schema: Any) -> None:
    schema["properties"]["mood"] = {"type": "string"}
    schema["required"].append("mood")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_field, f"{DOWNLOADED}: title is gone"),
        (other_type, f"{DOWNLOADED}: title may not be string any more"),
        (null_now, f"{DOWNLOADED}: title may be null now, which no reader expects"),
        (not_always, f"{DOWNLOADED}: title was always there, and may be missing now"),
        (nested_gone, f"{DOWNLOADED}: source.sha256 is gone"),
        (another_field, None),
    ],
)
def test_a_change_of_a_fact_that_breaks_its_readers_is_named(
    made: dict[str, Any], change: Any, said: str | None
) -> None:
    new = copy.deepcopy(made[DOWNLOADED])
    change(new)

    found = breaks(DOWNLOADED, made[DOWNLOADED], new)

    assert found == [] if said is None else said in found


def option_gone(schema: Any) -> None:
    del schema["$defs"]["Options"]["properties"]["tags"]


def must_now(schema: Any) -> None:
    schema["required"].append("lane")


def shorter(schema: Any) -> None:
    schema["$defs"]["Options"]["properties"]["reference"]["maxLength"] = 10


def lane_gone(schema: Any) -> None:
    schema["properties"]["lane"]["enum"] = ["bulk"]


def source_gone(schema: Any) -> None:
    schema["properties"]["source"]["oneOf"] = schema["properties"]["source"]["oneOf"][:2]


def lane_more(schema: Any) -> None:
    schema["properties"]["lane"]["enum"].append("night")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (option_gone, "options.tags is gone"),
        (must_now, "lane is required now"),
        (shorter, "options.reference has a tighter maxLength: 256 became 10"),
        (lane_gone, "lane may not be 'interactive' any more"),
        (source_gone, "source may not be a S3Source any more"),
        (lane_more, None),
    ],
)
def test_a_change_of_the_request_that_breaks_its_writers_is_named(
    made: dict[str, Any], change: Any, said: str | None
) -> None:
    new = copy.deepcopy(made[REQUEST])
    change(new)

    found = breaks(REQUEST, made[REQUEST], new)

    assert found == ([] if said is None else [f"{REQUEST}: {said}"])


def test_the_gate_fails_with_the_fields_name(made: dict[str, Any], tmp_path: Path) -> None:
    published = copy.deepcopy(made[DOWNLOADED])
    published["properties"]["colour"] = {"type": "string"}
    (tmp_path / DOWNLOADED).write_text(json.dumps(published))

    ran = subprocess.run(
        [sys.executable, "-m", "heaters_contracts.compat", str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1
    assert f"{DOWNLOADED}: colour is gone" in ran.stderr
