"""What Prometheus reads of the API."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
from heaters_contracts.pipeline import CONSUMERS


async def test_requests_are_counted_by_their_routes_template_and_live_watchers_while_they_watch(desk: Any) -> None:
    await desk.client.get("/api/clips/00000000-0000-4000-8000-000000000000")

    async with desk.client.stream("GET", "/api/events") as watching:
        await anext(watching.aiter_bytes())
        during = (await desk.client.get("/metrics")).text

    assert 'heaters_http_requests_total{method="GET",route="/api/clips/{clip_id}",status="404"}' in during
    assert "00000000-0000-4000-8000-000000000000" not in during
    assert "heaters_http_seconds_bucket" in during
    assert "heaters_watchers 0.0" not in during


async def test_what_waits_for_each_stage_is_told_for_each_lane(desk: Any) -> None:
    wanted = [f'heaters_consumer_pending{{lane="{lane}",stage="{work.name}"}}' for work, lane in CONSUMERS]

    said = ""
    async with asyncio.timeout(20):
        while not all(one in said for one in wanted):
            await asyncio.sleep(0.2)
            said = (await desk.client.get("/metrics")).text

    assert "heaters_stream_sequence" in said


async def test_whoever_takes_openmetrics_gets_it(desk: Any) -> None:
    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as prometheus:
        answer = await prometheus.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.rstrip().endswith("# EOF")


async def test_what_a_request_leads_to_carries_its_trace_on(desk: Any) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = {
        "request_id": "traced",
        "source": {"kind": "url", "url": "https://films.example/traced.mp4"},
        "lane": "bulk",
    }

    asked = await desk.client.post(
        "/api/ingest", json=body, headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    )
    (told,) = await desk.application.bus.history(UUID(asked.json()["video_id"]))

    assert asked.status_code == 202
    assert told.headers["traceparent"].split("-")[1] == trace_id
