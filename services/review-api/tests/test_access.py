"""The authorisation matrix: every route of the API's own document, asked by nobody and by one account of each role."""

import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from heaters_review_api.accounts.principals import Role
from heaters_review_api.app import ROUTES

ACCESS: dict[str, str] = tomllib.loads(Path(__file__).with_name("access.toml").read_text())
EXAMPLES = {
    "stage": "nonsense",
    "index": "1",
    "name": "1.jpg",
}
NIL = "00000000-0000-4000-8000-000000000000"


def allowed(said: str) -> set[Role]:
    return set(Role) if said in {"open", "signed in"} else {Role(name) for name in said.split()}


def filled(path: str) -> str:
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, EXAMPLES.get(part.strip("{}"), NIL))
    return path


def test_every_route_of_the_document_has_its_entry_and_every_entry_its_route(guarded: Any) -> None:
    document = guarded.application.site.openapi_schema.to_schema()

    found = {f"{m.upper()} {path}" for path, methods in document["paths"].items() for m in methods}

    assert sorted(found - set(ACCESS)) == [], "say in access.toml who may ask it"
    assert sorted(set(ACCESS) - found) == [], "no such route any more"


def test_no_route_hides_from_the_document_but_pages_and_the_sign_in() -> None:
    hidden = {path for handler in ROUTES if not handler.include_in_schema for path in handler.paths}

    assert not [path for path in hidden if path.startswith("/api/")]


@pytest.mark.parametrize("route", sorted(ACCESS))
async def test_a_route_lets_in_whom_it_should_and_nobody_else(
    guarded: Any, tokens: dict[Role, str], route: str
) -> None:
    method, _, path = route.partition(" ")
    may = allowed(ACCESS[route])
    answers: dict[str, int] = {}

    async with httpx.AsyncClient(base_url=guarded.client.base_url, trust_env=False, timeout=30) as client:
        for who, token in {"nobody": "", **tokens}.items():
            headers = {"authorization": f"Bearer {token}"} if token else {}
            async with client.stream(method, filled(path), headers=headers) as answer:
                answers[who] = answer.status_code

    open_ = ACCESS[route] == "open"
    assert (answers.pop("nobody") != 401) == open_
    for role in Role:
        assert (answers[role] not in {401, 403}) == (role in may), f"{role}: {answers[role]}"


async def test_a_role_that_was_taken_away_counts_no_more(guarded: Any, account: Any) -> None:
    made, token = await account(["lead"])
    async with httpx.AsyncClient(
        base_url=guarded.client.base_url, headers={"authorization": f"Bearer {token}"}, trust_env=False
    ) as client:
        before = await client.get("/api/queue")
        await guarded.application.desk.gate.store.change(made.id, roles=[Role.INGEST])
        guarded.application.desk.gate.forget()
        after = await client.get("/api/queue")

    assert [before.status_code, after.status_code] == [200, 403]
