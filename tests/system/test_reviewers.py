"""Many reviewers at once, each with an account, whose connections break, and a review-api that is killed under their hands.

HEATERS_REVIEWERS_CLIPS makes it longer: 300 clips unless it says otherwise, 10,000 for the long form (four minutes on two busy cores).
"""

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest
from heaters_contracts.fact import decode
from heaters_contracts.facts import ClipApproved
from heaters_review_api.__main__ import migrate_all
from heaters_review_api.accounts.principals import Role
from heaters_review_api.accounts.store import Store
from heaters_review_api.db.engine import make_engine
from heaters_review_api.db.rebuild import rebuild
from kept_rows import rows, until_shown
from review_process import ReviewProcess
from told_films import ToldFilm

CLIPS = int(os.environ.get("HEATERS_REVIEWERS_CLIPS", "300"))
REVIEWERS = 20
ACTIONS = max(15, 2 * CLIPS // REVIEWERS)
KILLS = 2 if CLIPS <= 1000 else 3
BATCH = 5
_AGAIN_S = 0.1
_PATIENCE = 400


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewProcess]:
    with ReviewProcess(tmp_path_factory.mktemp("reviewers")) as process:
        yield process


@dataclass(frozen=True)
class Handed:
    """A clip that somebody was given, and the moments between which they were."""

    clip: str
    to: str
    asked_s: float
    answered_s: float


@dataclass
class Said:
    """What reviewers have asked for under each key, and what they know of it."""

    whole: int
    """How many answers there will be, about."""

    decided: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    """With what was asked, and why not."""
    unknown: set[str] = field(default_factory=set)
    handed: list["Handed"] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    people: list[str] = field(default_factory=list)
    due: dict[int, asyncio.Event] = field(default_factory=dict)
    """Set once so many answers have come."""

    def answered(self, status: int) -> None:
        self.codes[status] += 1
        for count, event in self.due.items():
            if self.codes.total() >= count:
                event.set()


def signed_in(review: ReviewProcess, token: str) -> httpx.AsyncClient:
    """A client of one of them."""
    client: httpx.AsyncClient = review.client()
    client.headers["authorization"] = f"Bearer {token}"
    return client


async def accounts(review: ReviewProcess) -> list[str]:
    """The tokens of reviewers, each with an account of their own."""
    engine = make_engine(review.settings)
    store = Store(engine, session_s=3600, idle_s=3600)
    words = []
    for _ in range(REVIEWERS):
        made = await store.add(f"r{uuid4().hex[:12]}", "Ana", [Role.REVIEWER], password=None)
        words.append((await store.make_token(made.id, "for tests", [Role.REVIEWER], days=1))[1])
    await engine.dispose()
    return words


class Reviewer:
    """Takes clips, and decides at random. Asks again with the same key after a broken connection, or sometimes never again."""

    def __init__(self, token: str, review: ReviewProcess, films: list[ToldFilm], said: Said) -> None:
        self._token = token
        self._dice = Random(len(said.people))
        self._review = review
        self._films = films
        self._said = said
        self._hand: list[str] = []
        said.people.append(token)

    async def work(self, actions: int) -> None:
        async with signed_in(self._review, self._token) as client:
            for _ in range(actions):
                await self._act(client)

    async def _act(self, client: httpx.AsyncClient) -> None:
        roll = self._dice.random()
        if roll < 0.62:
            await self._judge_next(client)
        elif roll < 0.72:
            await self._send(client, "/api/undo", {})
        elif roll < 0.76:
            await self._send(client, "/api/redo", {})
        elif roll < 0.92:
            await self._change_cut(client)
        else:
            await self._touch_any(client)

    async def _judge_next(self, client: httpx.AsyncClient) -> None:
        if not self._hand:
            asked_s, wish = time.monotonic(), {"limit": BATCH, "order": "random"}
            handed = await self._send(client, "/api/queue/next", wish, decides=False)
            if handed is None or not handed["items"]:
                return
            self._hand = [clip["id"] for clip in handed["items"]]
            now_s = time.monotonic()
            self._said.handed += [Handed(clip, self._token, asked_s, now_s) for clip in self._hand]
        verdict = self._dice.choice(("approve", "skip", "skip", "archive"))
        await self._send(client, f"/api/clips/{self._hand.pop()}/verdict", {"verdict": verdict})

    async def _change_cut(self, client: httpx.AsyncClient) -> None:
        film = self._dice.choice(self._films)
        cut = self._dice.randrange(1, film.clips) * film.clip_frames
        wish: dict[str, Any] = {"operation": self._dice.choice(("remove", "move", "add")), "frame": cut}
        if wish["operation"] == "move":
            wish["to"] = cut + self._dice.choice((-7, 7))
        if wish["operation"] == "add":
            wish["frame"] = cut + film.clip_frames // 2
        await self._send(client, f"/api/videos/{film.id}/cuts", wish)

    async def _touch_any(self, client: httpx.AsyncClient) -> None:
        """Something on a clip that was not handed out: others may be at it in the same moment."""
        film = self._dice.choice(self._films)
        answer = await self._ask(client, "GET", f"/api/clips?video={film.id}&limit=50")
        if answer is None or answer.status_code != 200:
            return
        clip = self._dice.choice(answer.json()["items"])["id"]
        path, wish = self._dice.choice(
            (
                (f"/api/clips/{clip}/verdict", {"verdict": "skip"}),
                (f"/api/clips/{clip}/group", {"beside": "next"}),
                (f"/api/clips/{clip}/annotation", {"tags": ["seen"], "note": "by a test"}),
                ("/api/selection/verdict", {"clips": [clip], "verdict": "archive"}),
            )
        )
        await self._send(client, path, wish)

    async def _send(self, client: httpx.AsyncClient, path: str, wish: Any, *, decides: bool = True) -> Any:
        """Ask until there is an answer, always with one key; give up in the middle now and then."""
        key, gives_up = str(uuid4()), self._dice.random() < 0.03
        if decides:
            self._said.unknown.add(key)
        for _ in range(_PATIENCE):
            hurry = self._dice.random() < 0.08
            answer = await self._ask(
                client, "POST", path, json=wish, key=key, within_s=self._dice.uniform(0.001, 0.03) if hurry else 30
            )
            if answer is not None and answer.status_code < 500 and "video_is_still" not in answer.text:
                if decides:
                    self._said.unknown.discard(key)
                    if answer.status_code == 200:
                        self._said.decided.add(key)
                    else:
                        self._said.refused[key] = f"{path} {wish}: {answer.text}"
                self._said.answered(answer.status_code)
                return answer.json() if answer.status_code == 200 else None
            if gives_up:
                return None
            await asyncio.sleep(_AGAIN_S)
        raise AssertionError(f"{path} was not answered after {_PATIENCE} times; the last answer: {answer}")

    async def _ask(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        *,
        json: Any = None,
        key: str | None = None,
        within_s: float = 30,
    ) -> httpx.Response | None:
        """One request; None if the connection broke, or was broken by us."""
        headers = {"Idempotency-Key": key} if key else {}
        try:
            async with asyncio.timeout(within_s):
                return await client.request(method, path, json=json, headers=headers)
        except (httpx.TransportError, TimeoutError):
            self._said.broken += 1
            return None


async def _kill_now_and_then(review: ReviewProcess, said: Said) -> None:
    """Kill it when a third of all has been answered, and so on."""
    moments = [said.whole * n // (KILLS + 1) for n in range(1, KILLS + 1)]
    said.due = {moment: asyncio.Event() for moment in moments}
    for moment in moments:
        await said.due[moment].wait()
        await asyncio.to_thread(review.kill)
        await asyncio.to_thread(review.start)


async def _facts_by_key(review: ReviewProcess, films: list[ToldFilm]) -> dict[str, list[tuple[str, str]]]:
    """Idempotency key -> what was told under it: the type, and the fact's own key, that no two of them may share."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    videos = {film.id for film in films}
    async with review.bus() as bus:
        last = await bus.last_sequence()
        async for batch in bus.follow(0):
            for message in batch:
                told = decode(message.subject, message.headers, message.data)
                fact: Any = told.fact
                if told.video_id not in videos or (isinstance(fact, ClipApproved) and told.cause is not None):
                    continue  # an order follows from another decision: nobody asked for it under a key
                if key := getattr(fact, "idempotency_key", ""):
                    found[key].append((fact.TYPE, fact.key()))
            if batch[-1].sequence >= last:
                break
    return found


def handed_to_two(handed: list[Handed], lease_s: float) -> list[tuple[Handed, Handed]]:
    """Clips that somebody was given while they were another's: within a lease's time, for nobody has handed one back."""
    by_clip: dict[str, list[Handed]] = defaultdict(list)
    for one in sorted(handed, key=lambda one: one.answered_s):
        by_clip[one.clip].append(one)
    return [
        (a, b)
        for of_clip in by_clip.values()
        for a, b in pairwise(of_clip)
        if a.to != b.to and b.answered_s - a.asked_s < lease_s
    ]


async def test_no_decision_is_lost_or_doubled_while_the_server_is_killed(review: ReviewProcess) -> None:
    films = [ToldFilm(f"film-{n}", clips=50) for n in range(max(1, CLIPS // 50))]
    await migrate_all(review.settings)
    await review.tell(told for film in films for told in film.facts())
    await asyncio.to_thread(review.start)
    said = Said(REVIEWERS * ACTIONS)
    reviewers = [Reviewer(token, review, films, said) for token in await accounts(review)]

    killing = asyncio.create_task(_kill_now_and_then(review, said))
    await asyncio.gather(*(one.work(ACTIONS) for one in reviewers))
    await killing
    await until_shown(review)
    async with review.client() as client:
        shown = [(await client.get(f"/api/videos/{film.id}")).json() for film in films]
    await asyncio.to_thread(review.stop)
    told = await _facts_by_key(review, films)
    live = await rows(review)
    engine = make_engine(review.settings)
    await rebuild(engine)
    await engine.dispose()
    replayed = await rows(review)

    print(
        f"\n{len(said.decided)} decided, {len(said.refused)} refused, {len(said.unknown)} given up, {said.broken} broken;"
    )
    print(f"{dict(said.codes)}; {len(said.handed)} handed out; {sum(map(len, told.values()))} facts")
    assert review.kills == KILLS
    assert said.decided
    assert handed_to_two(said.handed, review.settings.lease_s) == []
    lost = said.decided - told.keys()
    assert not lost, f"{len(lost)} decisions were answered and are not in the stream"
    made_up = {key: (said.refused.get(key), told[key]) for key in told.keys() - said.decided - said.unknown}
    assert not made_up, f"{len(made_up)} were refused or never asked for, and are in the stream: {made_up}"
    doubled = {key: facts for key, facts in told.items() if len(facts) != 1}
    assert not doubled, f"{len(doubled)} keys stand for more than one fact: {doubled}"
    for film, video in zip(films, shown, strict=True):
        edges = [(clip["start"], clip["end"]) for clip in video["clips_list"] if clip["state"] != "superseded"]
        assert edges[0][0] == 0
        assert edges[-1][1] == film.frames
        assert all(a[1] == b[0] for a, b in pairwise(edges))
    assert replayed == live


async def test_no_clip_is_handed_to_two(review: ReviewProcess) -> None:
    films = [ToldFilm(f"handed-{n}", clips=50) for n in range(2)]
    await review.tell(told for film in films for told in film.facts())
    await asyncio.to_thread(review.start)
    await until_shown(review)

    async def take(client: httpx.AsyncClient) -> list[str]:
        taken: list[str] = []
        for film in films:
            while True:
                wish = {"limit": 3, "video": str(film.id)}
                answer = await client.post("/api/queue/next", json=wish, headers={"Idempotency-Key": str(uuid4())})
                items = answer.json()["items"]
                if not items:
                    break
                taken += [clip["id"] for clip in items]
        return taken

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(signed_in(review, token)) for token in await accounts(review)]
        taken = [id_ for ids in await asyncio.gather(*map(take, clients)) for id_ in ids]

    assert len(taken) == len(set(taken))
    assert len(taken) == sum(film.clips for film in films)
    await asyncio.to_thread(review.stop)
