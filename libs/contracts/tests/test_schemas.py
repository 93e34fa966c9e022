"""What readers in other languages are promised is what we write."""

import json
from pathlib import Path

import pytest
from heaters_contracts.fact import REGISTRY
from heaters_contracts.schemas import schemas, write
from jsonschema import Draft202012Validator, ValidationError

COMMITTED = Path(__file__).parents[1] / "schemas"
HOW = "run `make docs` (python -m heaters_contracts.schemas libs/contracts/schemas) and commit what changed"


def test_the_committed_schemas_are_those_of_the_code() -> None:
    committed = {path.name: json.loads(path.read_text()) for path in COMMITTED.glob("*.json")}

    made = json.loads(json.dumps(schemas()))

    assert committed.keys() == made.keys(), HOW
    assert {name for name in made if made[name] != committed[name]} == set(), HOW


def test_every_fact_and_the_request_have_a_schema_that_is_one() -> None:
    made = schemas()

    for schema in made.values():
        Draft202012Validator.check_schema(schema)

    assert made.keys() == {f"{type_}.v{version}.json" for type_, version in REGISTRY} | {"ingest.request.v1.json"}


def test_a_schema_refuses_what_the_code_would_refuse() -> None:
    schema = Draft202012Validator(schemas()["ingest.request.v1.json"])

    schema.validate({"source": {"kind": "url", "url": "https://films.example/a"}})

    for wrong in (
        {},
        {"source": {"kind": "url", "url": "file:///etc/passwd"}},
        {"source": {"kind": "url", "url": "https://films.example/a"}, "lane": "fast"},
        {"source": {"kind": "url", "url": "https://films.example/a"}, "reqest_id": "a"},
    ):
        with pytest.raises(ValidationError):
            schema.validate(wrong)


def test_writing_the_schemas_removes_those_of_facts_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "video.forgotten.v1.json").write_text("{}")

    write(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == schemas().keys()
