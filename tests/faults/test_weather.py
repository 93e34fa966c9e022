"""Bad weather between a worker and its servers, made by a TCP proxy: nothing is lost, and no message is blamed for it."""

import asyncio
import time

import pytest
from fault_outcome import Outcome
from heaters_contracts.facts import VideoDownloaded
from heaters_edges.bus import Bus
from heaters_edges.settings import Settings
from weather import Link, Weather, link
from worker_processes import (
    Workers,
    ask,
    desks_left,
    expected,
    found,
    until,
    until_all_is_acknowledged,
    until_told,
)

STORE = (
    Weather.REFUSING,
    Weather.SLOW,
    Weather.CUTTING,
    Weather.TEARING,
    Weather.UNAVAILABLE,
    Weather.LYING,
)
NETWORK = (Weather.REFUSING, Weather.SILENT, Weather.SLOW)
SHORT_S, OUTAGE_S = 1.0, 60.0


async def through_the_store(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, weather: Weather, lasts_s: float, kind: str
) -> None:
    host, _, port = settings.s3_endpoint.removeprefix("http://").partition(":")
    async with link(host, int(port)) as wire:
        wire.turn(weather)
        asked = await ask(bus, kind)
        workers.start(HEATERS_S3_ENDPOINT=f"http://127.0.0.1:{wire.port}")
        await until_met(wire)
        await asyncio.sleep(lasts_s)
        wire.turn(Weather.FINE)
        fine = time.monotonic()
        await until_told(bus, asked.video_id, VideoDownloaded)
        recovered_s = time.monotonic() - fine
        await until_all_is_acknowledged(bus)

    outcome(
        f"S3 {weather}, for {lasts_s:g} s",
        expected=expected(asked),  # with the attempt: an outage costs none
        found=await found(bus, settings, asked),
        recovered_s=recovered_s,
    )
    assert desks_left(settings) == []


async def until_met(wire: Link) -> None:
    async def met() -> bool:
        return wire.met > 0

    await until(met, "the first connection")


@pytest.mark.parametrize("weather", STORE, ids=str)
async def test_a_store_in_bad_weather_costs_no_attempt_and_loses_nothing(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, weather: Weather
) -> None:
    await through_the_store(bus, settings, workers, outcome, weather, SHORT_S, "large")


@pytest.mark.long
@pytest.mark.parametrize("weather", [w for w in STORE if w != Weather.SLOW], ids=str)
async def test_a_store_that_is_out_for_a_minute_costs_no_attempt_and_loses_nothing(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, weather: Weather
) -> None:
    await through_the_store(bus, settings, workers, outcome, weather, OUTAGE_S, "large")


async def through_the_network(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, weather: Weather, lasts_s: float
) -> None:
    address, _, port = settings.nats_url.rpartition(":")
    async with link("127.0.0.1", int(port)) as wire:
        asked = [await ask(bus) for _ in range(3)]
        workers.start("asleep", ASLEEP_S="1", HEATERS_NATS_URL=f"{address}:{wire.port}")
        await workers.until_at_work()
        wire.turn(weather)
        await asyncio.sleep(lasts_s)
        wire.turn(Weather.FINE)
        back = time.monotonic()
        for one in asked:
            await until_told(bus, one.video_id, VideoDownloaded)
        recovered_s = time.monotonic() - back
        await until_all_is_acknowledged(bus)

    assert wire.met
    outcome(
        f"the network between a worker and NATS {weather}, for {lasts_s:g} s",
        expected=expected(*asked),
        # What outlasted the ack wait was given out again, and counts as another attempt.
        found=await found(bus, settings, *asked, attempts=False),
        recovered_s=recovered_s,
    )
    assert desks_left(settings) == []


@pytest.mark.parametrize("weather", NETWORK, ids=str)
async def test_a_worker_behind_a_bad_network_tells_each_result_once(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, weather: Weather
) -> None:
    await through_the_network(bus, settings, workers, outcome, weather, 3)


@pytest.mark.long
@pytest.mark.parametrize("weather", NETWORK, ids=str)
async def test_a_worker_cut_off_for_a_minute_tells_each_result_once(
    bus: Bus, settings: Settings, workers: Workers, outcome: Outcome, weather: Weather
) -> None:
    await through_the_network(bus, settings, workers, outcome, weather, OUTAGE_S)
