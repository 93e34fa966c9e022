"""A crash between a decision's first fact and its last: whoever asks again completes it, or the sweep does; each fact is told once."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from fault_outcome import Outcome
from heaters_contracts.fact import decode
from kept_rows import disagreements, until_shown
from review_process import SUPPORT, ReviewProcess
from told_films import ToldFilm
from worker_processes import until


async def decisions_told(review: ReviewProcess, *films: ToldFilm) -> list[str]:
    """Each fact of a person's, or that follows from one: its type, and the clips or the decision that it is about."""
    found = []
    async with review.bus() as bus:
        for film in films:
            for message in await bus.history(film.id):
                fact: Any = decode(message.subject, message.headers, message.data).fact
                if fact.TYPE == "clip.grouped":
                    found += [f"clip.grouped {one.clip_id}" for one in fact.clips]
                elif fact.TYPE.startswith("clip."):
                    found.append(f"{fact.TYPE} {fact.clip_id}")
                elif fact.TYPE.startswith("decision."):
                    found.append(f"{fact.TYPE} of {film.name}")
    return found


async def clips_of(review: ReviewProcess, film: ToldFilm) -> list[dict[str, Any]]:
    async with review.client() as client:
        video = (await client.get(f"/api/videos/{film.id}")).json()
    return list(video["clips_list"])


async def ask(review: ReviewProcess, path: str, wish: dict[str, Any], key: str) -> int:
    """One request; 0 if the connection broke."""
    async with review.client() as client:
        try:
            return (await client.post(path, json=wish, headers={"Idempotency-Key": key})).status_code
        except httpx.TransportError:
            return 0


async def films_in_review(review: ReviewProcess, name: str) -> tuple[ToldFilm, ToldFilm]:
    films = ToldFilm(f"{name} one", clips=4), ToldFilm(f"{name} two", clips=4)
    await review.tell(told for film in films for told in film.facts())
    return films


async def dies(review: ReviewProcess, path: str, wish: dict[str, Any], key: str) -> float:
    """Have a review-api die after a fact of a decision; returns when."""
    assert await ask(review, path, wish, key) == 0
    assert await review.died() == -9
    return time.monotonic()


async def begin(review: ReviewProcess, after: str) -> None:
    await asyncio.to_thread(review.stop)
    await asyncio.to_thread(review.start, str(SUPPORT / "dying_review_api.py"), DIE_AFTER=after)
    await until_shown(review)


async def test_a_selection_is_completed_by_who_asks_again(review: ReviewProcess, outcome: Outcome) -> None:
    films = await films_in_review(review, "selection")
    await begin(review, "clip.skipped:3")
    clips = [clip["id"] for film in films for clip in (await clips_of(review, film))[:3]]
    wish = {"clips": clips, "verdict": "skip"}
    died = await dies(review, "/api/selection/verdict", wish, "selection")

    half = await decisions_told(review, *films)
    await asyncio.to_thread(review.start)
    await until_shown(review)
    codes = [await ask(review, "/api/selection/verdict", wish, "selection") for _ in range(2)]
    recovered_s = time.monotonic() - died
    states = [f"{c['id']} {c['state']}" for film in films for c in (await clips_of(review, film))[:3]]
    differ = await disagreements(review)

    assert len(half) == 3
    assert codes == [200, 200]
    assert differ == []
    outcome(
        "kill -9 of review-api between the facts of a selection's verdict",
        expected=[*(f"clip.skipped {clip}" for clip in clips), *(f"{clip} review_skipped" for clip in clips)],
        found=[*await decisions_told(review, *films), *states],
        recovered_s=recovered_s,
    )


@pytest.mark.parametrize(
    ("after", "asks_again"),
    [
        ("clip.grouped:1", True),
        ("clip.approved:2", False),
        pytest.param("clip.grouped:2", False, marks=pytest.mark.long),
        pytest.param("clip.approved:2", True, marks=pytest.mark.long),
    ],
)
async def test_a_group_is_completed_by_who_asks_again_and_its_orders_by_the_sweep_too(
    review: ReviewProcess, outcome: Outcome, after: str, asks_again: bool
) -> None:
    films = await films_in_review(review, f"group {after} {asks_again}")
    await begin(review, after)
    clips = [clip["id"] for film in films for clip in (await clips_of(review, film))[:2]]
    died = await dies(review, "/api/groups", {"clips": clips}, f"group {after} {asks_again}")

    await asyncio.to_thread(review.start)
    if asks_again:
        assert await ask(review, "/api/groups", {"clips": clips}, f"group {after} {asks_again}") == 200

    async def all_are_ordered() -> bool:
        return sum("clip.approved" in one for one in await decisions_told(review, *films)) >= len(clips)

    await until(all_are_ordered, "the last order")
    recovered_s = time.monotonic() - died
    await until_shown(review)
    groups = [
        f"{c['id']} {c['state']} in a group" for film in films for c in await clips_of(review, film) if c["group"]
    ]
    differ = await disagreements(review)

    assert differ == []
    outcome(
        "kill -9 of review-api between a group's facts and its orders",
        expected=[
            *(f"clip.grouped {clip}" for clip in clips),
            *(f"clip.approved {clip}" for clip in clips),
            *(f"{clip} exporting in a group" for clip in clips),
        ],
        found=[*await decisions_told(review, *films), *groups],
        recovered_s=recovered_s,
    )


async def test_an_undo_over_two_videos_is_completed_by_who_asks_again(review: ReviewProcess, outcome: Outcome) -> None:
    films = await films_in_review(review, "undo")
    await begin(review, "decision.undone:1")
    clips = [(await clips_of(review, film))[0]["id"] for film in films]
    assert await ask(review, "/api/selection/verdict", {"clips": clips, "verdict": "skip"}, "to undo") == 200
    died = await dies(review, "/api/undo", {}, "undo")

    half = [one for one in await decisions_told(review, *films) if "undone" in one]
    await asyncio.to_thread(review.start)
    await until_shown(review)
    codes = [await ask(review, "/api/undo", {}, "undo") for _ in range(2)]
    recovered_s = time.monotonic() - died
    states = [f"{c['id']} {c['state']}" for film in films for c in (await clips_of(review, film))[:1]]
    differ = await disagreements(review)

    assert len(half) == 1
    assert codes == [200, 200]
    assert differ == []
    outcome(
        "kill -9 of review-api between the facts of an undo",
        expected=[
            *(f"clip.skipped {clip}" for clip in clips),
            *(f"decision.undone of {film.name}" for film in films),
            *(f"{clip} pending_review" for clip in clips),
        ],
        found=[*await decisions_told(review, *films), *states],
        recovered_s=recovered_s,
    )
