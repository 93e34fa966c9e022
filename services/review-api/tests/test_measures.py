"""What Prometheus reads of the API."""

import asyncio
import logging
import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from heaters_contracts.pipeline import CONSUMERS
from sqlalchemy import text


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
    async with asyncio.timeout(60):
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


async def test_statements_are_timed_and_slow_ones_told_by_their_text_alone(
    migrated: Any, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="heaters_review_api.db.engine"):
        async with start(migrated.model_copy(update={"slow_query_s": 0.2})) as desk:
            async with desk.application.engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(0.25), :word"), {"word": "not-for-the-log"})
            said = (await desk.client.get("/metrics")).text
    slow = [record for record in caplog.records if record.message == "a query was slow"]
    ours = [one.__dict__ for one in slow if one.__dict__["statement"].startswith("SELECT pg_sleep")]

    assert "heaters_query_seconds_count" in said
    assert re.search(r"^heaters_slow_queries_total [1-9]", said, re.M)
    assert "not-for-the-log" not in str([one.__dict__ for one in slow])
    assert [one["seconds"] >= 0.25 for one in ours] == [True]


async def test_a_measurement_points_to_its_trace(desk: Any) -> None:
    trace_id = "5bf92f3577b34da6a3ce929d0e0e4736"
    await desk.client.get("/api/queue", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})

    async with httpx.AsyncClient(base_url=desk.client.base_url, trust_env=False) as prometheus:
        said = (await prometheus.get("/metrics", headers={"accept": "application/openmetrics-text"})).text
    exemplars = [
        line.split(" # ")[1] for line in said.splitlines() if "heaters_http_seconds_bucket" in line and " # " in line
    ]

    assert [one for one in exemplars if trace_id in one]
