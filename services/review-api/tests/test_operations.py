"""What ops look at and do."""

from typing import Any


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
