"""Disks that are really full: the cache's, the broker's and the database's. Nothing that was promised is lost, and all goes on when there is room."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from fault_outcome import Outcome
from heaters_contracts.facts import VideoDownloaded
from heaters_edges.bus import Bus
from heaters_edges.failure import Unavailable
from heaters_edges.settings import Settings
from heaters_edges.streams import migrate
from heaters_local.servers import NatsServer, free_port
from heaters_review_api.__main__ import migrate_all
from kept_rows import disagreements, facts_kept, facts_told, until_shown
from review_process import ReviewProcess
from small_disk import small_disk
from told_films import ToldFilm
from worker_processes import Workers, ask, expected, found, until, until_all_is_acknowledged, until_told

MIB = 1 << 20


async def test_a_full_cache_costs_no_attempt_and_the_work_is_done_once_there_is_room(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", size_mib=12) as disk:
        worker = workers.start(HEATERS_CACHE_DIR=str(disk.folder / "cache"))
        await worker.until_ready()
        disk.fill(but_bytes=MIB)
        asked = await ask(bus, "large")

        async def is_refused() -> bool:
            return "the disk is full" in workers.log

        await until(is_refused, "a job that finds the disk full")
        disk.empty()
        emptied = time.monotonic()
        await until_told(bus, asked.video_id, VideoDownloaded)
        recovered_s = time.monotonic() - emptied
        await until_all_is_acknowledged(bus)
        left = list((disk.folder / "cache" / "work").iterdir())
        workers.stop()

    outcome(
        "the cache's disk full in mid-work",
        expected=expected(asked),
        found=await found(bus, settings, asked),
        recovered_s=recovered_s,
    )
    assert left == []


@pytest.mark.long
async def test_a_worker_takes_nothing_while_the_reserve_is_touched_and_says_so(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", size_mib=12) as disk:
        worker = workers.start(HEATERS_CACHE_DIR=str(disk.folder / "cache"), HEATERS_FREE_SPACE_BYTES=str(6 * MIB))
        await worker.until_ready()
        disk.fill(but_bytes=5 * MIB)
        await asyncio.sleep(6)  # a fetch that was under way when the disk was filled is over
        asked = await ask(bus)
        await asyncio.sleep(2)
        said = worker.readiness()
        taken = (await bus.jetstream.consumer_info("HEATERS", "download-bulk")).num_ack_pending

        disk.empty()
        emptied = time.monotonic()
        await until_told(bus, asked.video_id, VideoDownloaded)
        recovered_s = time.monotonic() - emptied
        await until_all_is_acknowledged(bus)
        workers.stop()

    assert said == (503, "no space: 5 MiB free at the cache, 6 MiB are kept in reserve")
    assert taken == 0
    outcome(
        "the cache's disk fuller than its reserve",
        expected=expected(asked),
        found=await found(bus, settings, asked),
        recovered_s=recovered_s,
    )


@pytest.mark.long
async def test_a_broker_whose_disk_is_full_refuses_and_keeps_what_it_has_taken(
    settings: Settings, outcome: Outcome, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", size_mib=24) as disk:
        server = NatsServer(disk.folder / "nats", free_port(), log=tmp_path / "nats.log")
        with server:
            mine = settings.model_copy(update={"nats_url": server.url})
            await migrate(mine)
            bus = Bus(mine, source="test")
            await bus.connect()
            taken = [await ask(bus)]
            disk.fill(but_bytes=8192)

            async def is_refused() -> bool:
                try:
                    taken.append(await ask(bus))
                except Unavailable:
                    return True
                return False

            await until(is_refused, "a stream that refuses")
            disk.empty()
            emptied = time.monotonic()
            again: list[Any] = []

            async def takes_again() -> bool:
                try:
                    again.append(await ask(bus))
                except Unavailable:
                    # It has switched its store off, and says so in its log: it is started again, as a supervisor would.
                    await asyncio.to_thread(server.stop)
                    await asyncio.to_thread(server.start)
                    return False
                return True

            await until(takes_again, "a stream that takes facts again")
            recovered_s = time.monotonic() - emptied
            kept = [f"{message.subject}" for one in [*taken, *again] for message in await bus.history(one.video_id)]
            await bus.close()

    outcome(
        "the broker's disk full while facts are told",
        expected=[f"heaters.video.requested.v1.bulk.{one.video_id}" for one in [*taken, *again]],
        found=kept,
        recovered_s=recovered_s,
    )


async def test_a_database_whose_disk_is_full_loses_no_fact_and_catches_up(outcome: Outcome, tmp_path: Path) -> None:
    with small_disk(tmp_path / "postgres", size_mib=256) as disk, ReviewProcess(tmp_path) as review:
        await migrate_all(review.settings)
        first = ToldFilm("before", clips=10)
        await review.tell(first.facts())
        await asyncio.to_thread(review.start)
        await until_shown(review)
        disk.fill()
        films = [ToldFilm(f"full-{n}", clips=200) for n in range(20)]
        await review.tell(told for film in films for told in film.facts())

        async def is_in_trouble() -> bool:
            return "No space left on device" in review.log() or review.postgres.exit_code is not None

        await until(is_in_trouble, "a database that cannot write")
        disk.empty()
        emptied = time.monotonic()
        if (
            review.postgres.exit_code is not None
        ):  # it may stop where its log cannot be written, and is started again, as a supervisor would
            await asyncio.to_thread(review.postgres.start)
        await until_shown(review)
        recovered_s = time.monotonic() - emptied
        told, kept = await facts_told(review), await facts_kept(review)
        differ = await disagreements(review)
        review.stop()

    outcome("the database's disk full while facts are projected", expected=told, found=kept, recovered_s=recovered_s)
    assert differ == []
