"""Accounts: passwords, lock-out, sessions, tokens, and the log of who did what."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from database_faults import locked
from heaters_edges.ending import end
from heaters_review_api.accounts.audit import Audit, Deed
from heaters_review_api.accounts.first import make_keeper
from heaters_review_api.accounts.limits import Limit
from heaters_review_api.accounts.principals import Role
from heaters_review_api.accounts.secrets import hash_password
from heaters_review_api.accounts.store import Taken
from heaters_review_api.db.engine import make_engine
from sqlalchemy import text

PASSWORD = "correct horse battery"


@asynccontextmanager
async def browser(desk: Any, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    here = str(desk.client.base_url).rstrip("/")
    headers = {"origin": here, **more.pop("headers", {})}
    async with httpx.AsyncClient(base_url=here, headers=headers, trust_env=False, timeout=30, **more) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, login: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/signin", data={"login": login, "password": password})


async def test_a_password_opens_a_session_and_signing_out_ends_it(guarded: Any, account: Any) -> None:
    made, _ = await account(["reviewer"])

    async with browser(guarded) as client:
        asked = await client.get("/")
        answer = await sign_in(client, made.login.upper())
        me = await client.get("/api/me")
        word = client.cookies["heaters_session"]
        await client.post("/signout")
        gone = await client.get("/api/me")
        client.cookies.set("heaters_session", word)
        again = await client.get("/api/me")

    assert asked.status_code == 401
    assert "Password" in asked.text
    assert "Token" not in asked.text
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert me.json() == {"id": str(made.id), "name": "Ana", "roles": ["reviewer"]}
    assert [gone.status_code, again.status_code] == [401, 401]


async def test_the_database_holds_no_word_that_opens_anything(guarded: Any, account: Any) -> None:
    made, token = await account(["reviewer"])
    async with browser(guarded) as client:
        await sign_in(client, made.login)
        session = client.cookies["heaters_session"]

    async with guarded.application.engine.connect() as connection:
        rows = [
            str(row[0])
            for table in ("account", "session", "token", "audit")
            for row in await connection.execute(text(f"SELECT t::text FROM app.{table} t"))  # noqa: S608 - names of a constant above
        ]

    everything = "\n".join(rows)
    assert str(made.id) in everything
    assert not [word for word in (token, session, PASSWORD) if word in everything]
    assert "$argon2id$" in everything


async def test_wrong_passwords_lock_an_account_and_the_right_one_does_not_open_it_then(
    guarded: Any, account: Any
) -> None:
    made, token = await account(["reviewer"])

    async with browser(guarded) as client:
        wrong = [(await sign_in(client, made.login, "not this one at all")).status_code for _ in range(3)]
        right = await sign_in(client, made.login)
        program = await client.get("/api/me", headers={"authorization": f"Bearer {token}"})
        await guarded.application.desk.gate.store.change(made.id)
        unlocked = await sign_in(client, made.login)

    assert wrong == [401, 401, 401]
    assert right.status_code == 401
    assert "locked" in right.text
    assert program.status_code == 200
    assert unlocked.status_code == 303


async def test_whoever_does_not_exist_is_told_the_same_as_whoever_errs(guarded: Any, account: Any) -> None:
    made, _ = await account(["reviewer"])

    async with browser(guarded) as client:
        stranger = await sign_in(client, "nobody-of-this-name")
        wrong = await sign_in(client, made.login, "not this one at all")

    assert stranger.text == wrong.text
    assert stranger.status_code == wrong.status_code == 401


async def test_an_address_that_tries_and_tries_to_sign_in_is_told_to_wait(migrated: Any, start: Any) -> None:
    async with (
        start(migrated.model_copy(update={"token": None, "sign_ins_per_min": 2})) as desk,
        browser(desk) as client,
    ):
        answers = [await sign_in(client, "nobody") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_a_limit_lets_a_burst_through_and_then_so_many_a_second() -> None:
    now = [0.0]
    limit = Limit(burst=3, per_s=0.5, clock=lambda: now[0])

    first = [limit.wait_s("a") for _ in range(4)]
    other = limit.wait_s("b")
    now[0] = 2.0
    later = [limit.wait_s("a") for _ in range(2)]

    assert first == [0, 0, 0, 2]
    assert other == 0
    assert later == [0, 2]


async def test_requests_without_end_are_answered_with_when_to_come_again(migrated: Any, start: Any) -> None:
    settings = migrated.model_copy(update={"requests_per_s": 0.3})
    async with start(settings) as desk:
        store = desk.application.desk.gate.store
        made = await store.add("hasty", "Hasty", [Role.REVIEWER], password=None)
        _, word = await store.make_token(made.id, "t", [Role.REVIEWER], days=1)
        async with browser(desk, headers={"authorization": f"Bearer {word}"}) as client:
            answers = [await client.get("/api/me") for _ in range(3)]
            while (
                answers[-1].status_code == 200
            ):  # one more comes back every three seconds: a slow machine is given some of them
                answers.append(await client.get("/api/me"))

    assert [answer.status_code for answer in answers] == [200] * (len(answers) - 1) + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 4


@pytest.mark.parametrize("password", ["short", "x" * 201])
async def test_a_password_has_a_length_that_is_worth_something(password: str) -> None:
    with pytest.raises(ValueError, match="12 to 200 characters"):
        await hash_password(password)


async def test_a_token_may_do_no_more_than_its_scopes_and_its_account(guarded: Any, tokens: Any, account: Any) -> None:
    made, _ = await account(["lead", "ingest"])
    ops = {"authorization": f"Bearer {tokens[Role.OPS]}"}

    async with browser(guarded) as client:
        wish = {"name": "importer", "scopes": ["ingest"], "days": 30, "login": made.login}
        answer = await client.post("/api/tokens", json=wish, headers=ops)
        word = {"authorization": f"Bearer {answer.json()['word']}"}
        me = await client.get("/api/me", headers=word)
        queue = await client.get("/api/queue", headers=word)
        more = await client.post("/api/tokens", json={**wish, "scopes": ["ops"]}, headers=ops)
        itself = await client.post("/api/tokens", json={"name": "another", "scopes": ["ingest"]}, headers=word)
        revoked = await client.post(f"/api/tokens/{answer.json()['token']['id']}/revoke", headers=word)
        after = await client.get("/api/me", headers=word)

    assert answer.status_code == 201
    assert me.json()["roles"] == ["ingest"]
    assert queue.status_code == 403
    assert more.status_code == 409
    assert itself.status_code == 403
    assert revoked.status_code == 200
    assert after.status_code == 401


async def test_a_token_ends_with_its_time(guarded: Any, account: Any) -> None:
    made, word = await account(["reviewer"])
    async with guarded.application.engine.begin() as connection:
        await connection.execute(
            text("UPDATE app.token SET expires_at = now() - interval '1 second' WHERE account_id = :id"),
            {"id": made.id},
        )

    async with browser(guarded, headers={"authorization": f"Bearer {word}"}) as client:
        assert (await client.get("/api/me")).status_code == 401


@pytest.mark.parametrize(
    "change", ["expires_at = now() - interval '1 second'", "seen_at = now() - interval '1 day'", None]
)
async def test_a_session_ends_with_its_time_when_it_rests_and_with_its_account(
    guarded: Any, account: Any, change: str | None
) -> None:
    made, _ = await account(["reviewer"])
    async with browser(guarded) as client:
        await sign_in(client, made.login)
        async with guarded.application.engine.begin() as connection:
            if change:
                await connection.execute(
                    text(f"UPDATE app.session SET {change} WHERE account_id = :id"),  # noqa: S608 - words of a constant above
                    {"id": made.id},
                )
            else:
                await connection.execute(text("UPDATE app.account SET disabled = true WHERE id = :id"), {"id": made.id})

        assert (await client.get("/api/me")).status_code == 401


async def test_accounts_are_kept_by_ops_who_cannot_lock_themselves_out(guarded: Any, account: Any) -> None:
    keeper, word = await account(["ops"])
    async with browser(guarded, headers={"authorization": f"Bearer {word}"}) as client:
        made = await client.post(
            "/api/accounts", json={"login": "Ben.K", "name": "Ben", "roles": ["reviewer"], "password": PASSWORD}
        )
        twice = await client.post("/api/accounts", json={"login": "ben.k", "name": "Ben", "roles": ["reviewer"]})
        changed = await client.post(f"/api/accounts/{made.json()['id']}", json={"roles": ["lead"]})
        listed = await client.get("/api/accounts")
        suicide = await client.post(f"/api/accounts/{keeper.id}", json={"disabled": True})
        wrong = await client.post("/api/accounts", json={"login": "c", "name": "C", "roles": ["king"]})
        names = await client.get("/api/people")

    assert made.status_code == 201
    assert made.json()["signs_in"] == "password"
    assert twice.status_code == 409
    assert changed.json()["roles"] == ["lead"]
    assert "ben.k" in [one["login"] for one in listed.json()["items"]]
    assert "argon2" not in listed.text
    assert suicide.status_code == 409
    assert wrong.status_code == 400
    assert {"id": made.json()["id"], "name": "Ben"} in names.json()["items"]


async def test_a_deed_that_names_what_cannot_be_stored_takes_no_other_out_of_the_log(desk: Any) -> None:
    mine = uuid4().hex
    headers = {"idempotency-key": mine}

    await asyncio.gather(
        desk.client.post(f"/api/stages/{mine}/resume", headers=headers),
        desk.client.post(f"/api/stages/{mine}%00/resume", headers=headers),
    )
    subjects: set[str] = set()
    for _ in range(1200):
        entries = await desk.application.desk.audit.entries(before=None, actor="local", limit=100)
        if len(subjects := {one.deed.subject for one in entries if mine in one.deed.subject}) == 2:
            break
        await asyncio.sleep(0.05)

    assert subjects == {f"/api/stages/{mine}/resume", f"/api/stages/{mine}\ufffd/resume"}


async def test_a_deed_that_is_just_being_written_is_written_before_the_service_ends(migrated: Any) -> None:
    engine, mine = make_engine(migrated), uuid4().hex
    audit = Audit(engine)
    running = asyncio.create_task(audit.run())

    with locked(migrated.database_url.get_secret_value(), "LOCK TABLE app.audit") as until_awaited:
        audit.put_down(Deed(actor=mine, via="token", address="127.0.0.1", action="a", subject="s", outcome=200))
        await asyncio.to_thread(until_awaited)
        ending = asyncio.create_task(end([running]))
        await asyncio.sleep(0.2)
        ended_early = running.done()
    await ending
    written = await audit.entries(before=None, actor=mine, limit=1)
    await engine.dispose()

    assert not ended_early
    assert [entry.deed.action for entry in written] == ["a"]


async def test_every_deed_is_in_the_log_and_signs_of_life_and_searches_are_not(
    guarded: Any, account: Any, tokens: Any
) -> None:
    made, _ = await account(["lead"])
    nil = "00000000-0000-4000-8000-000000000000"
    async with browser(guarded) as client:
        await sign_in(client, made.login, "not this one at all")
        await sign_in(client, made.login)
        headers = {"idempotency-key": "k"}
        await client.post(f"/api/clips/{nil}/verdict", json={"verdict": "skip"}, headers=headers)
        await client.post("/api/queue/heartbeat", headers=headers)
        await client.post("/api/search", json={"words": "fog"}, headers=headers)
        await client.get(f"/api/clips/{nil}/download")
        await client.get("/api/videos")
        ops = {"authorization": f"Bearer {tokens[Role.OPS]}"}
        for _ in range(1200):
            entries = (await client.get("/api/audit", params={"actor": str(made.id)}, headers=ops)).json()["items"]
            if len(entries) == 3:
                break
            await asyncio.sleep(0.05)
        failures = (await client.get("/api/audit", params={"actor": "stranger"}, headers=ops)).json()["items"]

    assert [(one["action"], one["outcome"], one["via"]) for one in entries] == [
        ("GET /api/clips/{clip_id}/download", 404, "cookie"),
        ("POST /api/clips/{clip_id}/verdict", 404, "cookie"),
        ("sign in", 200, "page"),
    ]
    assert entries[1]["subject"] == f"/api/clips/{nil}/verdict"
    assert entries[1]["address"] == "127.0.0.1"
    assert {"login": made.login, "reason": "wrong password"} in [one["detail"] for one in failures]


@pytest.mark.parametrize(
    ("trusted", "address", "secure"), [(("127.0.0.1",), "203.0.113.9", True), (("10.0.0.0/8",), "127.0.0.1", False)]
)
async def test_what_a_proxy_says_is_believed_of_named_proxies_only(
    migrated: Any, start: Any, trusted: tuple[str, ...], address: str, secure: bool
) -> None:
    settings = migrated.model_copy(update={"token": None, "trusted_proxies": trusted})
    said = {"x-forwarded-for": "198.51.100.1, 203.0.113.9", "x-forwarded-proto": "https"}

    async with start(settings) as desk:
        store = desk.application.desk.gate.store
        login = f"behind-{address}"
        await store.add(login, "Behind", [Role.OPS], password=await hash_password(PASSWORD))
        async with browser(desk, headers=said) as client:
            answer = await sign_in(client, login)
        async with desk.application.engine.connect() as connection:
            found = await connection.execute(
                text(
                    "SELECT s.address FROM app.session s JOIN app.account a ON a.id = s.account_id WHERE login = :login"
                ),
                {"login": login},
            )
            addresses = [row.address for row in found]

    assert addresses == [address]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-heaters_session=") == secure
    assert bool(re.search(r"; *secure", cookie, re.I)) == secure
    assert ("strict-transport-security" in answer.headers) == secure


async def test_with_a_public_address_requests_come_from_there_and_nowhere_else(migrated: Any, start: Any) -> None:
    settings = migrated.model_copy(update={"token": None, "public_url": "https://heaters.example"})

    async with start(settings) as desk, browser(desk) as client:
        here = await sign_in(client, "nobody")
        public = await client.post("/signin", data={"login": "nobody"}, headers={"origin": "https://heaters.example"})
        lied = await client.post(
            "/signin",
            data={"login": "nobody"},
            headers={"origin": "https://heaters.example", "sec-fetch-site": "cross-site"},
        )

    assert [here.status_code, public.status_code, lied.status_code] == [403, 401, 403]


async def test_the_first_account_is_made_beside_the_database_and_keeps_accounts(guarded: Any, migrated: Any) -> None:
    password = await make_keeper(migrated, "First")

    async with browser(guarded) as client:
        answer = await sign_in(client, "first", password)
        me = (await client.get("/api/me")).json()
    with pytest.raises(Taken):
        await make_keeper(migrated, "first")

    assert answer.status_code == 303
    assert me["roles"] == ["ops"]
