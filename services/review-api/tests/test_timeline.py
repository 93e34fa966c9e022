"""The waveform and the storyboard of a whole video, joined from its segments, through the API."""

import io
from typing import Any

import numpy as np
import pytest
from heaters_media.film import read_number
from PIL import Image


@pytest.fixture(scope="session")
async def drawn(desk: Any, film: Any) -> Any:
    """The numbered film, wholly made: 60 frames of 40 ms, with a sound that is as loud everywhere."""
    told = film.story().ready([7, 33])
    await desk.publish(told)
    return told


async def test_the_waveform_of_a_video_is_told_by_frames_across_its_segments(desk: Any, drawn: Any) -> None:
    at = f"/api/videos/{drawn.video_id}/waveform"

    each = (await desk.client.get(at)).json()
    eighths = (await desk.client.get(at, params={"most": 8})).json()
    part = (await desk.client.get(at, params={"start": 15, "end": 30, "most": 15})).json()

    assert (each["start"], each["end"], each["frames_per_peak"], each["complete"]) == (0, 60, 1, True)
    assert len(each["peaks"]) == 60
    # The sound is a sine of 0.3 of full scale, which is 38 of 127.
    assert all(30 <= peak <= 46 for peak in each["peaks"])
    assert (eighths["frames_per_peak"], len(eighths["peaks"])) == (8, 8)
    assert eighths["peaks"][0] == max(each["peaks"][:8])
    assert part["peaks"] == each["peaks"][15:30]


async def test_a_waveform_that_is_known_is_not_sent_again(desk: Any, drawn: Any) -> None:
    at = f"/api/videos/{drawn.video_id}/waveform"
    etag = (await desk.client.get(at)).headers["etag"]

    known = await desk.client.get(at, headers={"If-None-Match": etag})
    other = await desk.client.get(at, params={"most": 3}, headers={"If-None-Match": etag})

    assert (known.status_code, known.content) == (304, b"")
    assert other.status_code == 200


async def test_what_is_not_made_yet_has_no_peaks(desk: Any, film: Any) -> None:
    told = film.story()
    downloaded = told.downloaded(told.requested())
    plans = [told.planned_segment(segment, downloaded) for segment in told.segments()]
    told.preprocessed(told.segments()[1], plans[1])
    await desk.publish(told)
    first, second, _ = told.segments()

    answer = (await desk.client.get(f"/api/videos/{told.video_id}/waveform")).json()

    known = [n for n, peak in enumerate(answer["peaks"]) if peak is not None]
    assert answer["complete"] is False
    assert len(answer["peaks"]) == 60
    assert known == list(range(first.frames, first.frames + second.frames))


@pytest.mark.parametrize("wanted", [{"start": 60}, {"start": 9, "end": 9}, {"end": 61}])
async def test_frames_that_the_video_does_not_have_have_no_waveform(desk: Any, drawn: Any, wanted: Any) -> None:
    answer = await desk.client.get(f"/api/videos/{drawn.video_id}/waveform", params=wanted)

    assert answer.status_code == 404
    assert "60" in answer.json()["detail"]


async def test_each_tile_of_the_storyboard_lies_where_its_index_says(desk: Any, drawn: Any) -> None:
    sheets = (await desk.client.get(f"/api/videos/{drawn.video_id}/storyboard")).json()["items"]

    assert [(sheet["start"], sheet["end"]) for sheet in sheets] == [
        (s.first_frame, s.first_frame + s.frames) for s in drawn.segments()
    ]
    for sheet in sheets:
        answer = await desk.client.get(sheet["address"])
        picture = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        for n, frame in enumerate(sheet["frames"]):
            left = n % sheet["columns"] * sheet["tile_width_px"]
            top = n // sheet["columns"] * sheet["tile_height_px"]
            tile = picture[top : top + sheet["tile_height_px"], left : left + sheet["tile_width_px"]]
            assert read_number(tile) == frame


async def test_a_sheet_that_is_known_is_not_sent_again(desk: Any, drawn: Any) -> None:
    at = f"/api/videos/{drawn.video_id}/storyboard/1"
    plain = await desk.client.get(at)

    known = await desk.client.get(at, headers={"If-None-Match": plain.headers["etag"]})
    none = await desk.client.get(f"/api/videos/{drawn.video_id}/storyboard/3")

    assert plain.headers["cache-control"] == "private, no-cache"
    assert (known.status_code, known.content) == (304, b"")
    assert none.status_code == 404


async def test_a_video_without_storyboards_has_an_empty_list(desk: Any, story: Any) -> None:
    told = story().ready([])
    await desk.publish(told)

    listed = await desk.client.get(f"/api/videos/{told.video_id}/storyboard")
    absent = await desk.client.get("/api/videos/00000000-0000-4000-8000-000000000000/storyboard")

    assert listed.json() == {"items": []}
    assert absent.status_code == 404
