"""Playlists become requests, and duplicates lead to their twin."""

import asyncio
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from heaters_contracts import ids
from heaters_contracts.fact import tell
from heaters_contracts.facts import VideoDownloaded, VideoExpanded, VideoLinked
from heaters_contracts.facts.video import Entry
from heaters_contracts.ingest import Options
from heaters_contracts.objects import ObjectRef


async def shown(desk: Any, video_id: UUID | str) -> Any:
    for _ in range(1200):
        answer = await desk.client.get(f"/api/videos/{video_id}")
        if answer.status_code == 200:
            return answer.json()
        await asyncio.sleep(0.05)
    raise AssertionError(f"{video_id} is not known")


async def test_each_video_of_a_playlist_becomes_a_request_of_its_requester(desk: Any, story: Any) -> None:
    one = story()
    requested = one.requested()
    request_id = f"channel-{uuid4()}"
    one.say(
        VideoExpanded(
            title="All reels",
            entries=(
                Entry(id="dawn", url="https://films.example/dawn", title="Dawn"),
                Entry(id="dusk", url="https://films.example/dusk"),
            ),
            requester="films",
            request_id=request_id,
            options=Options(tags=("sea",)),
        ),
        requested,
    )

    await desk.publish(one)
    first = await shown(desk, ids.video_id("films", f"{request_id}/dawn"))
    second = await shown(desk, ids.video_id("films", f"{request_id}/dusk"))
    whole = await shown(desk, one.video_id)

    assert (first["state"], first["requester"], first["tags"]) == ("downloading", "films", ["sea"])
    assert second["state"] == "downloading"
    assert (whole["state"], whole["title"], whole["entries"]) == ("expanded", "All reels", 2)


async def test_lists_with_long_names_share_no_videos_and_say_how_deep_those_lie(desk: Any, story: Any) -> None:
    name = f"{uuid4()}{'-' * 60}"
    names, long_entry = [f"{name}a", f"{name}b"], "d" * 128
    for request_id in names:
        one = story()
        entries = (
            Entry(id="dawn", url=f"https://films.example/{request_id[-1]}"),
            Entry(id=long_entry, url="https://films.example/dusk"),
        )
        fact = VideoExpanded(title="Reels", entries=entries, requester="films", request_id=request_id, lists=1)
        one.say(fact, one.requested())
        await desk.publish(one)

    whole = [f"{request_id}/{long_entry}" for request_id in names]
    asked = [*(f"{request_id}/dawn" for request_id in names), *(sha256(each.encode()).hexdigest() for each in whole)]
    found = [ids.video_id("films", request_id) for request_id in asked]
    states = [(await shown(desk, video))["state"] for video in found]
    stored = [(await desk.application.bus.history(video))[0] for video in found]
    told = [json.loads(one.data) for one in stored]

    assert states == ["downloading"] * 4
    assert [fact["source"]["url"][-2:] for fact in told[:2]] == ["/a", "/b"]
    assert [fact["lists"] for fact in told] == [2] * 4


async def test_a_duplicate_names_its_twin_and_is_worked_on_when_that_is_asked_for(desk: Any, story: Any) -> None:
    twin, one = uuid4(), story()
    requested = one.requested()
    one.say(VideoLinked(twin=twin, sha256="0" * 64, bytes=5, title="Harbour again"), requested)
    await desk.publish(one)

    linked = await shown(desk, one.video_id)
    source = ObjectRef(key=f"videos/{one.video_id}/source-0.mp4", bytes=5, sha256="0" * 64)
    fact = VideoDownloaded(source=source, title="Harbour again")
    again = tell(fact, video_id=one.video_id, lane="bulk", cause=requested.id, time=datetime.now(UTC))
    ack = await desk.application.bus.publish(again)
    await desk.application.passed.wait_for(ack.sequence, timeout_s=60)
    worked_on = await shown(desk, one.video_id)

    assert (linked["state"], linked["twin"], linked["title"]) == ("linked", str(twin), "Harbour again")
    assert (worked_on["state"], worked_on["twin"]) == ("preprocessing", None)
