"""What people do about stages: give messages again, whether they failed or not."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from heaters_contracts.fact import decode


async def requests(desk: Any, video_id: Any) -> list[Any]:
    told = [decode(m.subject, m.headers, m.data) for m in await desk.application.bus.history(video_id)]
    return [one for one in told if one.fact.TYPE == "stage.requested"]


async def ask(desk: Any, video_id: Any, stage: str, *, key: str = "k", force: bool = False) -> Any:
    return await desk.client.post(
        f"/api/videos/{video_id}/replay", json={"from": stage, "force": force}, headers={"Idempotency-Key": key}
    )


async def test_a_replay_gives_the_newest_messages_of_the_video_to_the_stage_again(desk: Any, story: Any) -> None:
    film = story().ready([30, 120])
    await desk.publish(film)
    history = [decode(m.subject, m.headers, m.data) for m in await desk.application.bus.history(film.video_id)]
    preprocessed = [told.id for told in history if told.fact.TYPE == "segment.preprocessed"]

    answer = await ask(desk, film.video_id, "scenes", force=True)
    again = await ask(desk, film.video_id, "scenes", force=True)

    assert (answer.status_code, answer.json()["messages"]) == (202, 3)
    assert again.json() == answer.json()
    told = await requests(desk, film.video_id)
    assert [one.cause for one in told] == preprocessed
    assert all(one.fact.replay and one.fact.force and one.fact.stage == "scenes" for one in told)


async def test_every_stage_can_be_replayed_once_it_has_worked(desk: Any, story: Any) -> None:
    film = story().ready([30])
    film.embedded(film.keyframed(film.exported(film.verdict("approve", 0, 30))))
    await desk.publish(film)

    counts = {
        stage: (await ask(desk, film.video_id, stage, key=stage)).json()["messages"]
        for stage in ("download", "plan", "preprocess", "scenes", "store_master", "export", "keyframe", "embed")
    }

    assert counts == {
        "download": 1,
        "plan": 1,
        "preprocess": 3,
        "scenes": 3,
        "store_master": 1,
        "export": 1,
        "keyframe": 1,
        "embed": 1,
    }


async def test_what_cannot_be_replayed_says_why(desk: Any, story: Any) -> None:
    film = story()
    film.requested()
    await desk.publish(film)

    answers = [
        await ask(desk, uuid4(), "scenes"),
        await ask(desk, film.video_id, "dreams"),
        await ask(desk, film.video_id, "scenes"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 409]
    assert [answer.json()["title"] for answer in answers] == [
        "No such video",
        "No such stage",
        "There is nothing to replay",
    ]


async def test_scenes_are_found_again_with_the_detector_that_is_named(desk: Any, story: Any) -> None:
    film = story().ready([30, 120])
    await desk.publish(film)
    at = f"/api/videos/{film.video_id}/replay"

    answer = await desk.client.post(
        at, json={"from": "scenes", "detector": "cascade@1.50"}, headers={"Idempotency-Key": "k"}
    )
    unknown = await desk.client.post(
        at, json={"from": "scenes", "detector": "dreams"}, headers={"Idempotency-Key": "k"}
    )
    elsewhere = await desk.client.post(
        at, json={"from": "plan", "detector": "adaptive"}, headers={"Idempotency-Key": "k"}
    )

    assert (answer.status_code, answer.json()["messages"]) == (202, 3)
    assert {one.fact.options.detector for one in await requests(desk, film.video_id)} == {"cascade@1.5"}
    assert (unknown.status_code, elsewhere.status_code) == (400, 400)
    assert "adaptive, transnetv2, cascade" in unknown.json()["detail"]


async def test_a_failure_is_settled_once_under_one_key_and_answered_in_the_same_way(desk: Any, story: Any) -> None:
    film = story()
    failed = film.failed("download", film.requested())
    message = f"heaters.video.requested.v1.bulk.{film.video_id}"
    film.told[-1] = replace(failed, fact=failed.fact.model_copy(update={"message_subject": message}))
    await desk.publish(film)
    path = f"/api/failures/{failed.id}/discard"

    first = await desk.client.post(path, headers={"Idempotency-Key": "one"})
    again = await desk.client.post(path, headers={"Idempotency-Key": "one"})
    other = await desk.client.post(path, headers={"Idempotency-Key": "two"})

    assert first.status_code == again.status_code == 200
    assert again.json() == first.json()
    assert (other.status_code, other.json()["detail"]) == (409, "this failure was discarded already")


async def test_a_message_that_failed_is_shown_whatever_it_holds(desk: Any, story: Any) -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    for data in (deep, b'{"a": "\\ud800"}', b"\xff"):
        film = story()
        requested = film.requested()
        await desk.publish(film)
        ack = await desk.application.bus.publish_raw(f"heaters.video.dreamt.v1.bulk.{film.video_id}", {}, data)
        film.told.clear()
        failed = film.failed("download", requested)
        film.told[-1] = replace(failed, fact=failed.fact.model_copy(update={"message_sequence": ack.sequence}))
        await desk.publish(film)

        answer = await desk.client.get(f"/api/failures/{failed.id}")

        assert answer.status_code == 200
        assert answer.json()["message"] == data[:65536].decode("utf-8", "replace")
