"""What clips look and sound like, from the curves of their segments."""

import io
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from heaters_contracts.curves import pack
from heaters_contracts.facts import SegmentScenesDetected
from heaters_contracts.facts.segment import Cut
from heaters_contracts.objects import segment_key
from heaters_contracts.spans import Span
from heaters_review_api.core.measures import Measures, measured
from heaters_review_api.core.tables import Segment
from heaters_review_api.scores import quantised


def segment(story: Any, first: int, frames: int, curves: list[bytes] | None) -> Segment:
    packed = pack(frames, curves) if curves else None
    return Segment(story().video_id, 0, first, frames, 0, 1, curves=packed)


def test_a_span_across_segments_is_measured_frame_by_frame(story: Any) -> None:
    first = segment(story, 0, 4, [bytes([0, 240, 16, 0]), bytes([0, 0, 15, 16]), bytes([16] * 4), bytes([254] * 4)])
    second = segment(story, 4, 2, [bytes([32, 0]), bytes([200, 200]), bytes([48, 48]), bytes([0, 0])])

    found = measured([first, second], Span(start=1, end=6))

    # Without the first of them, the frames differ by 1, 0, 4 and 0 from those before.
    assert found == Measures(
        motion=1.25, static_share=0.5, black_share=0.4, sharpness=4.2, brightness=86.2, loudness_db=-2.2185
    )


def test_a_clip_of_one_frame_stands_still_and_silence_has_a_floor(story: Any) -> None:
    one = segment(story, 10, 2, [bytes([99, 99]), bytes([40, 50]), bytes([0, 0]), bytes([0, 0])])

    assert measured([one], Span(start=11, end=12)) == Measures(0.0, 1.0, 0.0, 0.0, 50.0, -48.0)


def test_without_sound_there_is_no_loudness_and_without_curves_nothing(story: Any) -> None:
    silent = segment(story, 0, 2, [bytes(2), bytes(2), bytes(2)])
    bare = segment(story, 2, 2, None)

    assert measured([silent, bare], Span(start=0, end=2)).loudness_db is None
    assert measured([silent, bare], Span(start=0, end=2)).black_share == 1.0
    assert measured([silent, bare], Span(start=1, end=3)) == Measures()


def test_a_score_becomes_a_byte_with_the_threshold_in_the_middle() -> None:
    scores = np.array([0.0, -1.0, 1 / 3, 0.999, 1.0, 3.0, 1e9, np.inf, np.nan], np.float32)

    assert quantised(scores).tolist() == [0, 0, 64, 127, 128, 191, 255, 255, 0]


@pytest.fixture(scope="module")
async def scored(desk: Any, story: Any) -> Any:
    """Three segments of 10 frames; the first two are scored and measured, the middle one is dark and loud."""
    told = story(frames=(10, 10, 10))
    downloaded = told.downloaded(told.requested())
    plans = [told.planned_segment(place, downloaded) for place in told.segments()]
    told.planned(downloaded)
    for place, cause, level in zip(told.segments()[:2], plans, (100, 0), strict=False):
        buffer = io.BytesIO()
        np.save(buffer, np.arange(10, dtype=np.float32) / 3)
        key = segment_key(told.video_id, "scores", "test", place.index, "0" * 64, ".npy")
        scores = await desk.application.desk.objects.put_bytes(buffer.getvalue(), key)
        flat = [bytes([32] * 10), bytes([level] * 10), bytes([16] * 10), bytes([254 - level] * 10)]
        made = told.preprocessed(place, cause)
        cuts = (Cut(frame=10, start=10, end=11),) if place.index else ()
        fact = SegmentScenesDetected(
            segment=place, detector="test", cuts=cuts, scores=scores, curves=pack(place.frames, flat)
        )
        told.say(fact, made)
    await desk.publish(told)
    return told


async def test_the_scores_of_a_video_are_one_curve(desk: Any, scored: Any) -> None:
    at = f"/api/videos/{scored.video_id}/scores"

    whole = (await desk.client.get(at)).json()
    part = (await desk.client.get(at, params={"start": 9, "end": 12})).json()

    assert (whole["start"], whole["end"], whole["threshold"], whole["complete"]) == (0, 30, 128, False)
    assert whole["parts"] == [{"start": 0, "end": 10, "detector": "test"}, {"start": 10, "end": 20, "detector": "test"}]
    values = list(b64decode(whole["values"]))
    assert values == [0, 64, 102, 128, 146, 159, 170, 178, 185, 191] * 2 + [0] * 10
    assert list(b64decode(part["values"])) == [191, 0, 64]
    assert part["complete"] is True


async def test_a_curve_that_is_known_is_not_sent_again(desk: Any, scored: Any) -> None:
    at = f"/api/videos/{scored.video_id}/scores"
    etag = (await desk.client.get(at)).headers["etag"]

    known = await desk.client.get(at, headers={"If-None-Match": etag})
    outside = await desk.client.get(at, params={"start": 30})

    assert (known.status_code, known.content) == (304, b"")
    assert outside.status_code == 404


async def test_clips_show_their_measures_and_are_chosen_and_ordered_by_them(desk: Any, scored: Any) -> None:
    at = {"video": str(scored.video_id)}
    clip = scored.clip_id(0, 10)

    shown = (await desk.client.get(f"/api/clips/{clip}")).json()
    bright = (await desk.client.get("/api/clips", params=at | {"measure": ["brightness:50:", "motion::4"]})).json()
    dark = (await desk.client.get("/api/clips", params=at | {"measure": "black_share:0.5:"})).json()
    order = (await desk.client.get("/api/clips/ids", params=at | {"order": "most_brightness", "limit": 1})).json()

    measures = ("motion", "static_share", "black_share", "sharpness", "brightness", "loudness_db")
    assert [shown[name] for name in measures] == [4.0, 0.0, 0.0, 1.0, 100.0, -4.3463]
    assert [item["id"] for item in bright["items"]] == [str(clip)]
    assert dark["items"] == []
    assert order["ids"] == [str(clip)]


@pytest.mark.parametrize("said", ["motion", "motion:a:", "colour:1:2", "motion:nan:", "motion:1:2:3"])
async def test_bounds_that_are_none_are_refused_with_the_names_there_are(desk: Any, said: str) -> None:
    answer = await desk.client.get("/api/clips", params={"measure": said})

    assert answer.status_code == 400
    assert "loudness_db" in answer.json()["detail"]
