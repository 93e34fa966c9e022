"""What somebody would try who has a neighbouring host, many addresses, a session that ended, or a page of their own that we open."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest
from heaters_edges.telemetry import JsonLines
from heaters_review_api.accounts.limits import neighbourhood
from sqlalchemy import text

PASSWORD = "correct horse battery"
NIL = "00000000-0000-4000-8000-000000000000"


def browser(desk: Any, **headers: str) -> httpx.AsyncClient:
    here = str(desk.client.base_url).rstrip("/")
    return httpx.AsyncClient(base_url=here, headers={"origin": here, **headers}, trust_env=False, timeout=30)


async def reasons(desk: Any, login: str) -> Counter[str]:
    """Why sign-ins in this name ended."""
    query = "SELECT detail->>'reason' AS reason FROM app.audit WHERE actor = 'stranger' AND detail->>'login' = :login"
    async with desk.application.engine.connect() as connection:
        return Counter(row.reason for row in await connection.execute(text(query), {"login": login}))


async def test_guesses_that_come_at_once_at_two_replicas_are_no_more_than_those_of_one(
    guarded: Any, account: Any, start: Any
) -> None:
    """Three are allowed here."""
    made, _ = await account(["reviewer"])

    async with start(guarded.application.settings) as second, browser(guarded) as one, browser(second) as two:
        guesses = [
            client.post("/signin", data={"login": made.login, "password": f"a guess, number {number}"})
            for number in range(8)
            for client in (one, two)
        ]
        answers = await asyncio.gather(*guesses)
        right = [await at.post("/signin", data={"login": made.login, "password": PASSWORD}) for at in (one, two)]

    said = await reasons(guarded, made.login)
    assert {answer.status_code for answer in answers} == {401}
    assert [answer.status_code for answer in right] == [401, 401]
    assert (said["wrong password"], said["locked now"], said["locked"]) == (2, 1, 13 + 2)


async def test_the_right_password_at_the_last_attempt_opens_and_forgets_those_before(
    guarded: Any, account: Any
) -> None:
    made, _ = await account(["reviewer"])

    async with browser(guarded) as client:
        tried = [
            (await client.post("/signin", data={"login": made.login, "password": password})).status_code
            for password in ("wrong but long", "wrong but long", PASSWORD, "wrong but long", PASSWORD)
        ]

    assert tried == [401, 401, 303, 401, 303]


@pytest.mark.parametrize("by", ["session", "token"])
async def test_whoever_watches_is_let_go_when_their_session_or_token_ends(
    guarded: Any, account: Any, story: Any, by: str
) -> None:
    made, word = await account(["reviewer"])
    async with browser(guarded) as client, browser(guarded) as elsewhere:
        await client.post("/signin", data={"login": made.login, "password": PASSWORD})
        signed = {"authorization": f"Bearer {word}"} if by == "token" else {}
        before, after = story(), story()
        before.requested()
        after.requested()
        async with client.stream("GET", "/api/events", headers=signed) as watching:
            lines = watching.aiter_lines()
            await guarded.publish(before)
            seen = [line async for line in until(lines, str(before.video_id))]
            if by == "session":
                elsewhere.cookies.update(client.cookies)
                ended = await elsewhere.post("/signout")
            else:
                (token,) = (await client.get("/api/tokens", headers=signed)).json()["items"]
                ended = await client.post(f"/api/tokens/{token['id']}/revoke", headers=signed)
            await guarded.publish(after)
            rest = [line async for line in lines]
        again = await client.get("/api/events", headers=signed)

    assert str(before.video_id) in seen[-1]
    assert ended.status_code in {200, 303}
    assert not [line for line in rest if str(after.video_id) in line]
    assert again.status_code == 401


async def until(lines: Any, word: str) -> Any:
    async for line in lines:
        yield line
        if word in line:
            return


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"]
)
async def test_a_page_of_somebody_else_changes_nothing_whatever_it_calls_its_body(
    guarded: Any, account: Any, kind: str
) -> None:
    made, _ = await account(["lead"])
    async with browser(guarded) as client:
        await client.post("/signin", data={"login": made.login, "password": PASSWORD})
        headers = {"content-type": kind, "idempotency-key": "k", "origin": "https://elsewhere.example"}
        posts = [
            await client.post(path, content=b'{"verdict": "skip"}', headers=headers)
            for path in (f"/api/clips/{NIL}/verdict", "/api/ingest", "/signout", "/signin", "/api/uploads?name=a.mp4")
        ]
        still = await client.get("/api/me")

    assert [answer.status_code for answer in posts] == [403] * 5
    assert still.status_code == 200


@pytest.mark.parametrize("override", ["x-http-method-override", "x-method-override", "x-http-method"])
async def test_a_header_makes_no_other_method_of_a_request(guarded: Any, account: Any, override: str) -> None:
    made, _ = await account(["lead"])
    async with browser(guarded) as client:
        await client.post("/signin", data={"login": made.login, "password": PASSWORD})
        await client.get("/signout", headers={override: "POST"})
        still = await client.get("/api/me")

    assert still.status_code == 200


@pytest.mark.parametrize("words", ["next=https://evil.example", "redirect=//evil.example", "return_to=/\\evil.example"])
async def test_a_sign_in_leads_to_this_desk_and_nowhere_else(guarded: Any, account: Any, words: str) -> None:
    made, _ = await account(["reviewer"])
    name, _, address = words.partition("=")
    async with browser(guarded, **{"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}) as client:
        form = {"login": made.login, "password": PASSWORD, name: address}
        answer = await client.post(f"/signin?{words}", data=form)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


async def test_a_session_that_somebody_else_laid_into_the_browser_is_not_the_one_that_opens(
    guarded: Any, account: Any
) -> None:
    made, _ = await account(["reviewer"])
    laid = "laid-by-somebody-else-0123456789abcdef"
    async with browser(guarded) as client, browser(guarded, cookie=f"heaters_session={laid}") as somebody:
        client.cookies.set("heaters_session", laid)
        answer = await client.post("/signin", data={"login": made.login, "password": PASSWORD})
        theirs = await somebody.get("/api/me")

    assert answer.status_code == 303
    assert laid not in answer.headers["set-cookie"]
    assert theirs.status_code == 401


@pytest.mark.parametrize(
    "path", ["/api/me", "/api/videos", "/api/tokens", "/api/failures", "/api/people", "/openapi.json"]
)
async def test_what_one_person_is_answered_is_kept_for_nobody_else(guarded: Any, account: Any, path: str) -> None:
    _, word = await account(["lead", "reviewer"])
    async with browser(guarded, authorization=f"Bearer {word}") as client:
        answer = await client.get(path)
        disguised = await client.get(f"{path}/style.css")

    assert answer.status_code == 200
    assert {"private", "no-store"} & set(answer.headers["cache-control"].replace(" ", "").split(","))
    assert disguised.status_code == 404, "no cache takes it for a file by its name"


async def test_what_is_said_at_the_door_is_one_line_of_the_log(
    guarded: Any, account: Any, caplog: pytest.LogCaptureFixture
) -> None:
    login = 'x\r\n{"level": "error", "message": "forged"}\x1b[2J\x9b2J\u2028\u202ey'
    with caplog.at_level("INFO", logger="heaters.audit"):
        async with browser(guarded) as client:
            answer = await client.post("/signin", data={"login": login, "password": "whatever it may be"})

    (noted,) = [one for one in caplog.records if getattr(one, "detail", {}).get("login")]
    assert answer.status_code == 401
    line = JsonLines("review-api", "one").format(noted)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert json.loads(line)["detail"]["login"] == login
    assert json.loads(line)["level"] == "info"


@pytest.mark.parametrize(
    "form",
    [
        b"login=%00ana&password=0123456789ab",
        b"login=ana%ff%fe&password=%00%ff%ed%a0%80abcdefgh",
        b"login=%ed%a0%80&password=",
    ],
)
async def test_a_name_that_is_no_text_is_somebody_unknown_and_is_put_down(guarded: Any, form: bytes) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    before = await noted(guarded)

    async with browser(guarded) as client:
        answer = await client.post("/signin", content=form, headers=kind)

    assert answer.status_code == 401
    assert await noted(guarded) == before + 1


async def noted(desk: Any) -> int:
    """How many deeds are in the log."""
    async with desk.application.engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM app.audit"))).scalar_one())


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "unknown"),
    ],
)
def test_many_addresses_of_one_neighbour_are_one_who_asks(address: str, who: str) -> None:
    assert neighbourhood(address) == who
