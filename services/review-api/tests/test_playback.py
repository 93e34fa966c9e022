"""Playback of real packets through the API."""

from pathlib import Path
from typing import Any

import pytest
from heaters_media.film import read_numbers
from heaters_media.probe import probe


@pytest.fixture(scope="session")
async def told(desk: Any, film: Any) -> Any:
    story = film.story()
    tick = probe(film.path).tick
    story.time_base = (tick.numerator, tick.denominator)
    story.ready([7, 33, 41])
    await desk.publish(story)
    return story


@pytest.mark.parametrize(("start", "end"), [(0, 7), (7, 33), (33, 41), (41, 60)])
async def test_a_clip_plays_exactly_its_frames(desk: Any, told: Any, tmp_path: Path, start: int, end: int) -> None:
    answer = await desk.client.get(f"/api/clips/{told.clip_id(start, end)}/play.mp4")

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "video/mp4"
    (tmp_path / "clip.mp4").write_bytes(answer.content)
    assert read_numbers(tmp_path / "clip.mp4") == list(range(start, end))


async def test_a_clip_has_exact_times(desk: Any, told: Any) -> None:
    clip = (await desk.client.get(f"/api/clips/{told.clip_id(7, 33)}")).json()

    num, den = clip["time_base"]
    assert clip["start_ticks"] * num * 25 == 7 * den
    assert clip["end_ticks"] * num * 25 == 33 * den
    assert clip["frames"] == 26


async def test_sound_comes_only_where_it_is_asked_for(desk: Any, told: Any, tmp_path: Path) -> None:
    address = f"/api/clips/{told.clip_id(7, 33)}/play.mp4"

    silent, sounding = await desk.client.get(address), await desk.client.get(address, params={"audio": "1"})

    (tmp_path / "silent.mp4").write_bytes(silent.content)
    (tmp_path / "sounding.mp4").write_bytes(sounding.content)
    assert probe(tmp_path / "silent.mp4").audio is None
    assert probe(tmp_path / "sounding.mp4").audio is not None
    assert silent.headers["etag"] != sounding.headers["etag"]


async def test_ranges_are_parts_of_the_whole(desk: Any, told: Any) -> None:
    address = f"/api/clips/{told.clip_id(0, 7)}/play.mp4"
    whole = await desk.client.get(address)
    size = len(whole.content)

    first = await desk.client.get(address, headers={"Range": "bytes=0-99"})
    rest = await desk.client.get(address, headers={"Range": "bytes=100-"})
    last = await desk.client.get(address, headers={"Range": "bytes=-50"})

    assert [a.status_code for a in (first, rest, last)] == [206, 206, 206]
    assert first.content + rest.content == whole.content
    assert last.content == whole.content[-50:]
    assert first.headers["content-range"] == f"bytes 0-99/{size}"
    assert last.headers["content-range"] == f"bytes {size - 50}-{size - 1}/{size}"


async def test_a_range_outside_is_refused_with_the_size(desk: Any, told: Any) -> None:
    address = f"/api/clips/{told.clip_id(0, 7)}/play.mp4"
    size = len((await desk.client.get(address)).content)

    answer = await desk.client.get(address, headers={"Range": f"bytes={size}-"})

    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"


async def test_a_known_clip_is_not_sent_again(desk: Any, told: Any) -> None:
    address = f"/api/clips/{told.clip_id(0, 7)}/play.mp4"
    etag = (await desk.client.get(address)).headers["etag"]

    answer = await desk.client.get(address, headers={"If-None-Match": etag})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


async def test_head_tells_the_size_without_the_bytes(desk: Any, told: Any) -> None:
    address = f"/api/clips/{told.clip_id(0, 7)}/play.mp4"
    size = len((await desk.client.get(address)).content)

    answer = await desk.client.head(address)

    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-length"] == str(size)
    assert answer.headers["accept-ranges"] == "bytes"


async def test_each_touched_segment_is_read_once(desk: Any, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    playback = desk.application.desk.playback
    objects = desk.application.desk.objects
    reads: list[str] = []
    real = objects.read_range

    async def counted(ref: Any, offset: int, length: int) -> bytes:
        reads.append(ref.key)
        return await real(ref, offset, length)

    monkeypatch.setattr(objects, "read_range", counted)
    clip = (await desk.application.desk.queries.clip(told.clip_id(7, 33))).clip
    for kept in playback.cache._folder.iterdir():
        kept.unlink()
    await playback.open(await playback.find(clip, audio=True))
    await playback.open(await playback.find(clip, audio=True))

    assert sorted(reads) == sorted(s.proxy.key for s in (await playback.find(clip, audio=True)).segments)
    assert len(reads) == len(set(reads)) == 2


async def test_a_long_clip_is_sent_piece_by_piece_and_is_the_same(
    desk: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    playback, objects = desk.application.desk.playback, desk.application.desk.objects
    address = f"/api/clips/{told.clip_id(7, 33)}/play.mp4?audio=1"
    whole = (await desk.client.get(address)).content
    lengths: list[int] = []
    real = objects.read_range

    async def counted(ref: Any, offset: int, length: int) -> bytes:
        lengths.append(length)
        return await real(ref, offset, length)

    monkeypatch.setattr(objects, "read_range", counted)
    monkeypatch.setattr(playback, "_whole_bytes", len(whole) // 4)
    monkeypatch.setattr("heaters_review_api.playback._PIECE_BYTES", len(whole) // 8)
    for kept in playback.cache._folder.iterdir():
        kept.unlink()
    answer = await desk.client.get(address)
    middle = await desk.client.get(address, headers={"Range": f"bytes=100-{len(whole) - 200}"})
    asked = await desk.client.head(address)
    beyond = await desk.client.get(address, headers={"Range": f"bytes={len(whole)}-"})
    monkeypatch.undo()
    playback._laid.clear()

    assert (answer.status_code, answer.content) == (200, whole)
    assert (middle.status_code, middle.content) == (206, whole[100:-199])
    assert middle.headers["content-range"] == f"bytes 100-{len(whole) - 200}/{len(whole)}"
    assert (asked.headers["content-length"], asked.content) == (str(len(whole)), b"")
    assert beyond.status_code == 416
    assert len(lengths) > 6
    assert sum(lengths) < 4 * len(whole)  # asked for twice; pieces of less than a second read picture and sound twice
    assert list(playback.cache._folder.iterdir()) == []


async def test_no_such_clip_is_said(desk: Any) -> None:
    answer = await desk.client.get("/api/clips/00000000-0000-4000-8000-000000000000/play.mp4")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["title"] == "No such clip"


async def test_frames_around_a_cut_are_pictures_of_their_own(desk: Any, film: Any) -> None:
    told = film.story().ready([7, 33])
    await desk.publish(told)
    at = f"/api/videos/{told.video_id}/frames"

    pictures = [await desk.client.get(f"{at}/{frame}.jpg") for frame in (30, 31, 32, 33, 34, 59)]
    known = await desk.client.get(f"{at}/30.jpg", headers={"If-None-Match": pictures[0].headers["etag"]})
    outside = [await desk.client.get(f"{at}/{name}") for name in ("60.jpg", "999999999.jpg", "x.jpg", "-1.jpg")]

    assert [p.status_code for p in pictures] == [200] * 6
    assert {p.headers["content-type"] for p in pictures} == {"image/jpeg"}
    assert all(p.content.startswith(b"\xff\xd8") for p in pictures)
    assert len({p.content for p in pictures}) == 6
    assert known.status_code == 304
    assert [p.status_code for p in outside] == [404] * 4
