"""Clocks that jump: a worker's and review-api's, forwards and backwards, in mid-work."""

import asyncio
import time
from pathlib import Path

from false_clock import Clock
from fault_outcome import Outcome
from heaters_contracts.facts import VideoDownloaded
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from kept_rows import disagreements, facts_kept, facts_told, until_shown
from review_process import ReviewProcess
from told_films import ToldFilm
from worker_processes import Workers, ask, expected, found, until, until_all_is_acknowledged, until_told

JUMPS = ("+2h", "-3h", "+1d", "+0")


async def test_a_worker_whose_clock_jumps_does_its_work_once_and_no_message_is_blamed(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, tmp_path: Path
) -> None:
    clock = Clock(tmp_path / "clock")
    asked = [await ask(bus) for _ in range(3)]
    workers.start("asleep", ASLEEP_S="1", **clock.environment)
    await workers.until_at_work()

    clock.jump("-3h")
    await asyncio.sleep(1.5)
    clock.jump("+1d")  # the store refuses what is signed with such a time

    async def is_refused() -> bool:
        return "RequestTimeTooSkewed" in workers.log

    await until(is_refused, "a store that refuses the time")
    clock.jump("+0")
    mended = time.monotonic()
    for one in asked:
        await until_told(bus, one.video_id, VideoDownloaded)
    recovered_s = time.monotonic() - mended
    await until_all_is_acknowledged(bus)

    outcome(
        "a worker's clock jumps by hours, back and forth",
        tried=3,
        expected=expected(*asked),
        found=await found(bus, settings, *asked),
        recovered_s=recovered_s,
    )


async def test_a_review_api_whose_clock_jumps_hands_no_clip_out_twice_and_loses_no_verdict(
    review: ReviewProcess, outcome: Outcome, tmp_path: Path
) -> None:
    clock, film = Clock(tmp_path / "clock"), ToldFilm("clocks", clips=12)
    await asyncio.to_thread(review.stop)
    await review.tell(film.facts())
    await asyncio.to_thread(review.start, **clock.environment)
    await until_shown(review)
    handed: list[str] = []
    async with review.client() as client:
        for jump in JUMPS:
            clock.jump(jump)
            wish = {"limit": 3, "video": str(film.id)}
            answer = await client.post("/api/queue/next", json=wish, headers={"Idempotency-Key": f"take {jump}"})
            clips = [clip["id"] for clip in answer.json()["items"]]
            handed += clips
            for clip in clips[1:]:  # the first of each stays leased, and must not come again
                await client.post(
                    f"/api/clips/{clip}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": clip}
                )
        video = (await client.get(f"/api/videos/{film.id}")).json()
    await until_shown(review)
    await asyncio.to_thread(review.stop)

    assert await disagreements(review) == []
    assert len(handed) == len(set(handed)) == 12
    decided = {clip for n, clip in enumerate(handed) if n % 3}
    outcome(
        "review-api's clock jumps by hours, back and forth",
        tried=len(JUMPS) - 1,
        expected=[
            *await facts_told(review),
            *(f"{clip} {'review_skipped' if clip in decided else 'pending_review'}" for clip in handed),
        ],
        found=[*await facts_kept(review), *(f"{clip['id']} {clip['state']}" for clip in video["clips_list"])],
    )
