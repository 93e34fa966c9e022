"""What ops look at and do."""

from typing import Any

import pytest


async def test_chores_are_shown_with_their_last_run_and_can_be_run_now(desk: Any) -> None:
    ran = (await desk.client.post("/api/maintenance/uploads")).json()
    shown = (await desk.client.get("/api/maintenance")).json()["items"]
    missing = await desk.client.post("/api/maintenance/dust")

    assert (ran["ok"], ran["result"]) == (True, "0 abandoned uploads dropped")
    assert {chore["name"] for chore in shown} >= {"node cache", "uploads"}
    assert all(chore["ok"] for chore in shown if chore["began"])
    assert missing.status_code == 404


async def test_a_doctor_finds_a_whole_installation_well(desk: Any) -> None:
    found = (await desk.client.get("/api/doctor")).json()["items"]

    assert [one["part"] for one in found] == ["nats", "streams", "projection", "database", "clock", "s3", "disk"]
    assert [one for one in found if not one["ok"]] == []


async def test_too_little_room_is_told_by_readiness_and_doctor(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.application.desk.objects, "_free_space_bytes", 1 << 62)

    ready = await desk.client.get("/readyz")
    (disk,) = [one for one in (await desk.client.get("/api/doctor")).json()["items"] if one["part"] == "disk"]

    short = f"MiB free at the cache, {1 << 42} MiB are kept in reserve"
    assert ready.status_code == 503
    assert ready.json()["space"].endswith(short)
    assert not disk["ok"]
    assert disk["what"].endswith(short)


async def test_a_doctor_says_what_is_missing_and_what_to_do(desk: Any) -> None:
    js = desk.application.bus.jetstream
    kept = await js.consumer_info("HEATERS", "embed-bulk")
    await js.delete_consumer("HEATERS", "embed-bulk")

    found = (await desk.client.get("/api/doctor")).json()["items"]
    await js.add_consumer("HEATERS", kept.config)

    (streams,) = [one for one in found if one["part"] == "streams"]
    assert not streams["ok"]
    assert streams["what"] == "missing: embed-bulk"
    assert "heaters migrate" in streams["advice"]
