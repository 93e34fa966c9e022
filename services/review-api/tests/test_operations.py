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
