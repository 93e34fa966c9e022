"""Decisions through the API, on real servers."""

from typing import Any


async def test_a_verdict_is_answered_once_the_tables_show_it(desk: Any, story: Any) -> None:
    film = story().ready([30, 120, 250])
    await desk.publish(film)
    clip = film.clip_id(30, 120)

    answer = await desk.client.post(
        f"/api/clips/{clip}/verdict", json={"verdict": "approve"}, headers={"Idempotency-Key": "one"}
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["clip"]["state"] == "exporting"
    shown = (await desk.client.get(f"/api/clips/{clip}")).json()
    assert shown["state"] == "exporting"
    assert shown["decided_by"] == "local"
