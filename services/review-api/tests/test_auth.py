"""Who may ask what."""

import re
from typing import Any

import httpx
import pytest
from heaters_review_api.app import ROUTES

OPEN = {"/healthz", "/readyz", "/metrics", "/", "/signin", "/signin/oidc", "/signin/callback"}
EXAMPLES = {"uuid": "00000000-0000-4000-8000-000000000000", "int": "1", "str": "app.js"}
NIL = EXAMPLES["uuid"]
DESK = {
    "/account",
    "/grid",
    "/pipeline",
    "/failed",
    "/search",
    "/timeline",
    f"/review/{NIL}",
    f"/timeline/{NIL}",
    f"/videos/{NIL}",
}
"""Pages of the review desk: to strangers they are the sign-in page."""


def every_route() -> list[tuple[str, str]]:
    found = []
    for handler in ROUTES:
        for path in sorted(handler.paths):
            plain = re.sub(r"{\w+:(\w+)}", lambda said: EXAMPLES[said[1]], path)
            found += [(method, plain) for method in sorted(handler.http_methods)]
    return found


def test_the_walk_sees_the_routes() -> None:
    assert ("POST", f"/api/clips/{NIL}/verdict") in every_route()
    assert len(every_route()) >= 24


@pytest.mark.parametrize(("method", "path"), every_route())
async def test_nothing_but_health_and_the_sign_in_answers_without_a_token(desk: Any, method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as stranger:
        plain = await stranger.request(method, path)
        wrong = await stranger.request(method, path, headers={"authorization": "Bearer wrong-token"})
        cookie = await stranger.request(method, path, headers={"cookie": "heaters_session=wrong"})

    if path in DESK:
        assert [plain.status_code, wrong.status_code, cookie.status_code] == [401, 401, 401]
        assert "<form" in plain.text
        assert "/app/" not in plain.text
    elif path in OPEN:
        assert plain.status_code in {200, 401, 403, 404}
        assert "api/" not in path
    else:
        assert [plain.status_code, wrong.status_code, cookie.status_code] == [401, 401, 401]
        assert plain.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/openapi", "/openapi/openapi.json", "/schema", "/nothing"])
async def test_the_framework_opens_no_door_of_its_own(desk: Any, path: str) -> None:
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as stranger:
        assert (await stranger.get(path)).status_code in {401, 404}


async def test_opening_the_page_with_the_token_signs_the_browser_in(desk: Any) -> None:
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as browser:
        asked = await browser.get("/")
        opened = await browser.get("/", params={"token": "a-token-for-tests"})
        me = await browser.get("/api/me")

    assert asked.status_code == 401
    assert "Token" in asked.text
    assert opened.status_code == 200
    said = opened.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "a-token-for-tests" not in said
    assert me.json() == {"id": "local", "name": "You", "roles": ["ingest", "lead", "ops", "reviewer"]}


async def test_a_wrong_token_in_the_address_is_refused(desk: Any) -> None:
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as browser:
        answer = await browser.get("/", params={"token": "wrong"})

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_the_form_signs_in(desk: Any) -> None:
    here = str(desk.client.base_url).rstrip("/")
    async with httpx.AsyncClient(base_url=here, trust_env=False) as browser:
        answer = await browser.post("/signin", data={"token": "a-token-for-tests"}, headers={"origin": here})
        page = await browser.get("/")

    assert answer.status_code == 303
    assert page.status_code == 200


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example", "null"])
async def test_a_page_from_elsewhere_changes_nothing_with_our_cookie(desk: Any, origin: str | None) -> None:
    headers = {"idempotency-key": "k"} | ({"origin": origin} if origin else {})
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as browser:
        await browser.get("/", params={"token": "a-token-for-tests"})
        answer = await browser.post(f"/api/clips/{NIL}/verdict", json={"verdict": "skip"}, headers=headers)

    assert answer.status_code == 403
    assert answer.json()["title"] == "Not from this page"


async def test_our_own_page_may(desk: Any) -> None:
    here = str(desk.client.base_url).rstrip("/")
    async with httpx.AsyncClient(base_url=here, trust_env=False) as browser:
        await browser.get("/", params={"token": "a-token-for-tests"})
        answer = await browser.post(
            f"/api/clips/{NIL}/verdict", json={"verdict": "skip"}, headers={"idempotency-key": "k", "origin": here}
        )

    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/", "/api/me", "/healthz", "/api/videos/nonsense", "/static/tokens.css"])
async def test_every_answer_carries_the_security_headers(desk: Any, path: str) -> None:
    answer = await desk.client.get(path)

    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
