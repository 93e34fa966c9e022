"""Exported clips for other teams: every byte, every frame, and where it comes from, as the readers of each format see it."""

import csv
import hashlib
import io
import json
import tarfile
import tracemalloc
import xml.etree.ElementTree as ET
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import uuid4

import opentimelineio as otio
import pyarrow.parquet
import pytest
from heaters_contracts.objects import ObjectRef
from heaters_review_api.exports.body import Body
from webdataset.tariterators import group_by_keys, tar_file_expander

NTSC = Fraction(30000, 1001)


def content(start: int) -> bytes:
    """What the file of a clip holds that begins at this frame."""
    return bytes([start % 251]) * (70_000 + start)


async def get(desk: Any, name: str, one: Any, **more: Any) -> Any:
    answer = await desk.client.get(f"/api/exports/clips.{name}", params={"video": str(one.video_id), **more})
    assert answer.status_code == 200, answer.text
    return answer


def times(clip: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    span = clip.source_range
    return (span.start_time.value, span.start_time.rate), (span.duration.value, span.duration.rate)


async def test_a_shard_is_read_by_webdataset_every_byte_of_it(desk: Any, exported: Any) -> None:
    one = await exported()

    whole = await get(desk, "tar", one)
    files = tar_file_expander([{"url": "clips-00000.tar", "stream": io.BytesIO(whole.content)}])
    samples = list(group_by_keys(files))

    assert [sample["__key__"] for sample in samples] == [str(one.clip_id(0, 50)), str(one.clip_id(50, 200))]
    assert [sample["mp4"] for sample in samples] == [content(0), content(50)]
    about = json.loads(samples[1]["json"])
    assert (about["start_frame"], about["end_frame"], about["frames"]) == (50, 200, 150)
    assert (about["start_ticks"], about["end_ticks"], about["time_base"]) == (25_600, 102_400, [1, 12800])
    assert (about["frame_rate"], about["variable_frame_rate"]) == ([25, 1], False)
    assert (about["title"], about["source"]) == ("Harbour walk", "https://films.example/harbour.mp4")
    assert about["source_sha256"] == one.source.sha256
    assert (about["requester"], about["decided_by"]) == ("films", "ana")
    assert datetime.fromisoformat(about["decided_at"]).tzinfo is not None
    assert about["sha256"] == hashlib.sha256(content(50)).hexdigest()
    assert (about["frames_copied"], about["frames_encoded"]) == (150, 0)
    assert about["confidence_in"] == 0.9
    assert whole.headers["content-disposition"] == 'attachment; filename="clips-00000.tar"'


@pytest.mark.parametrize("broken_at", [1, 511, 512, 1536, 2000, 71_000, 74_999])
async def test_a_shard_that_broke_off_goes_on_where_it_was(desk: Any, exported: Any, broken_at: int) -> None:
    one = await exported()
    whole = await get(desk, "tar", one)
    has = {"Range": f"bytes={broken_at}-", "If-Range": whole.headers["etag"]}

    rest = await desk.client.get(
        "/api/exports/clips.tar",
        params={"video": str(one.video_id), "cursor": whole.headers["x-heaters-this"]},
        headers=has,
    )

    size = len(whole.content)
    assert rest.status_code == 206
    assert rest.headers["content-range"] == f"bytes {broken_at}-{size - 1}/{size}"
    assert whole.content[:broken_at] + rest.content == whole.content


async def test_a_shard_that_is_another_by_now_is_sent_whole_and_a_range_beyond_it_is_refused(
    desk: Any, exported: Any
) -> None:
    one = await exported()
    address = f"/api/exports/clips.tar?video={one.video_id}"

    other = await desk.client.get(address, headers={"Range": "bytes=100-", "If-Range": '"another"'})
    beyond = await desk.client.get(address, headers={"Range": "bytes=99999999-"})

    assert other.status_code == 200
    with tarfile.open(fileobj=io.BytesIO(other.content)) as tar:
        assert len(tar.getnames()) == 4
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(other.content)}"


async def test_parts_hold_each_clip_once_and_nothing_that_was_exported_since(desk: Any, exported: Any) -> None:
    spans = [(0, 50), (50, 200), (200, 300)]
    one = await exported(spans)

    first = await get(desk, "jsonl", one, limit=2)
    later = await exported(spans[:1])
    second = await get(desk, "jsonl", one, limit=2, cursor=first.headers["x-heaters-next"])
    by_size = await get(desk, "tar", one, bytes_most=80_000)
    everything = {"cursor": first.headers["x-heaters-this"]}
    as_it_was = await desk.client.get("/api/exports/clips.jsonl", params=everything)
    as_it_is = await desk.client.get("/api/exports/clips.jsonl")

    rows = [json.loads(line) for line in (first.text + second.text).splitlines()]
    assert [(row["start_frame"], row["end_frame"]) for row in rows] == spans
    assert "x-heaters-next" not in second.headers
    assert second.headers["content-disposition"].endswith('"clips-00001.jsonl"')
    assert (by_size.headers["x-heaters-clips"], "x-heaters-next" in by_size.headers) == ("1", True)
    assert str(later.clip_id(0, 50)) in as_it_is.text
    assert str(later.clip_id(0, 50)) not in as_it_was.text


async def test_clips_can_be_named(desk: Any, exported: Any) -> None:
    one = await exported()

    named = await desk.client.get(
        "/api/exports/clips.jsonl", params={"clip": [str(one.clip_id(50, 200)), str(uuid4())]}
    )
    none = await desk.client.get("/api/exports/clips.csv", params={"clip": str(uuid4())})
    no_list = await desk.client.get("/api/exports/clips.edl", params={"clip": str(uuid4())})

    assert [json.loads(line)["clip"] for line in named.text.splitlines()] == [str(one.clip_id(50, 200))]
    assert len(none.text.splitlines()) == 1
    assert (no_list.status_code, no_list.json()["title"]) == (404, "No such clips")


async def test_tables_say_the_same_to_every_reader(desk: Any, exported: Any) -> None:
    one = await exported()

    lines = [json.loads(line) for line in (await get(desk, "jsonl", one)).text.splitlines()]
    cells = list(csv.DictReader(io.StringIO((await get(desk, "csv", one)).text)))
    parquet = pyarrow.parquet.read_table(io.BytesIO((await get(desk, "parquet", one)).content))
    columns = parquet.to_pylist()

    assert [row["clip"] for row in lines] == [row["clip"] for row in cells] == [row["clip"] for row in columns]
    assert list(lines[0]) == list(cells[0]) == parquet.column_names
    assert (cells[1]["start_ticks"], cells[1]["time_base"], cells[1]["frame_rate"]) == ("25600", "1/12800", "25/1")
    assert cells[1]["variable_frame_rate"] == "false"
    assert columns[1]["start_ticks"] == 25_600
    assert columns[1]["time_base"] == {"numerator": 1, "denominator": 12_800}
    assert columns[1]["decided_at"].tzinfo is not None
    assert columns[1]["file_name"] == f"clips/{one.clip_id(50, 200)}.mp4"
    types = {field.name: str(field.type) for field in parquet.schema}
    assert (types["start_ticks"], types["decided_at"], types["tags"]) == (
        "int64",
        "timestamp[us, tz=UTC]",
        "list<element: string>",
    )


async def test_an_edit_list_at_29_97_drops_names_and_no_frame(desk: Any, exported: Any) -> None:
    """A film in milliseconds, where every time is rounded."""
    pts = [round(n * 1001 / 30) for n in range(300)]
    one = await exported([(0, 60), (60, 300)], pts, (1, 1000))

    text = (await get(desk, "edl", one)).text
    read = otio.adapters.read_from_string(text, "cmx_3600", rate=float(NTSC))

    reel = str(one.video_id)[:8].upper()
    assert text.splitlines()[1] == "FCM: DROP FRAME"
    assert f"001  {reel} V     C        00:00:00;00 00:00:02;00 01:00:00;00 01:00:02;00" in text
    assert f"002  {reel} V     C        00:00:02;00 00:00:10;00 01:00:02;00 01:00:10;00" in text
    assert "* FROM CLIP NAME: Harbour walk" in text
    assert "* SOURCE FILE: https://films.example/harbour.mp4" in text
    assert f"SHA256 {one.source.sha256}" in text
    assert "VARIABLE" not in text
    (track,) = read.tracks
    assert [(clip.source_range.start_time.to_frames(), clip.source_range.duration.to_frames()) for clip in track] == [
        (0, 60),
        (60, 240),
    ]


async def test_a_list_of_clips_files_names_them(desk: Any, exported: Any) -> None:
    one = await exported()

    text = (await get(desk, "edl", one, media="clips")).text

    clip = str(one.clip_id(50, 200))
    assert f"002  {clip[:8].upper()} V     C        00:00:00:00 00:00:06:00 01:00:02:00 01:00:08:00" in text
    assert f"* FROM CLIP NAME: clips/{clip}.mp4" in text


async def test_a_variable_rate_is_said_and_its_times_stay_exact(desk: Any, exported: Any) -> None:
    """Every third frame lasts twice as long: 22.5 frames a second on the whole, so it is counted at 24."""
    pts, at = [], 0
    for frame in range(300):
        pts.append(at)
        at += 3000 if frame % 3 else 6000
    one = await exported([(0, 50), (50, 200)], pts, (1, 90_000), end=at)

    rows = [json.loads(line) for line in (await get(desk, "jsonl", one)).text.splitlines()]
    edl = (await get(desk, "edl", one)).text
    fcpxml = ET.fromstring((await get(desk, "fcpxml", one)).text)  # noqa: S314 - our own
    read = otio.adapters.read_from_string((await get(desk, "otio", one)).text, "otio_json")

    # Frames 0 to 49 hold 17 long and 33 short ones: 201,000 ticks, or 2.2333 s; frames 0 to 199 67 and 133: 801,000, or 8.9 s.
    assert [(row["start_ticks"], row["end_ticks"]) for row in rows] == [(0, 201_000), (201_000, 801_000)]
    assert [(row["variable_frame_rate"], row["frame_rate"]) for row in rows] == [(True, None)] * 2
    assert "00:00:00:00 00:00:02:06" in edl
    assert "00:00:02:06 00:00:08:22" in edl
    assert "VARIABLE FRAME RATE, COUNTED AT" in edl
    assert "EXACTLY FRAMES 50 TO 199, TICKS 201000 TO 801000 OF 1/90000 S" in edl
    assert "VARIABLE FRAME RATE" in (fcpxml.findtext(".//note") or "")
    assert "frameDuration" not in fcpxml.find(".//format[@id='fa1']").attrib  # type: ignore[union-attr]  # it is there
    assert [times(clip) for clip in read.tracks[0]] == [
        ((0, 90_000), (201_000, 90_000)),
        ((201_000, 90_000), (600_000, 90_000)),
    ]


async def test_final_cut_xml_has_fractions_on_the_frames_of_its_sequence(desk: Any, exported: Any) -> None:
    one = await exported([(0, 60), (60, 300)], [n * 1001 for n in range(300)], (1, 30_000))

    text = (await get(desk, "fcpxml", one)).text

    tree = ET.fromstring(text)  # noqa: S314 - our own
    sequence = tree.find(".//sequence")
    assert sequence is not None
    # One o'clock of drop-frame timecode is frame 107,892.
    assert (sequence.get("tcFormat"), sequence.get("tcStart")) == ("DF", "107999892/30000s")
    clips = tree.findall(".//asset-clip")
    assert [(clip.get("start"), clip.get("duration"), clip.get("offset")) for clip in clips] == [
        ("0s", "60060/30000s", "107999892/30000s"),
        ("60060/30000s", "240240/30000s", "108059952/30000s"),
    ]
    said = {md.get("key"): md.get("value") for md in clips[1].iter("md")}
    assert said["com.heaters.decided_by"] == "ana"
    assert said["com.heaters.source_sha256"] == one.source.sha256


async def test_final_cut_xml_is_read_by_another_program(desk: Any, exported: Any) -> None:
    """At a whole rate: the reader takes 29.97 for 29."""
    one = await exported()

    read = otio.adapters.read_from_string((await get(desk, "fcpxml", one)).text, "fcpx_xml")

    clips = list(read[0].find_clips())
    assert [clip.source_range.start_time.to_frames() for clip in clips] == [0, 50]
    assert [clip.source_range.duration.to_frames() for clip in clips] == [50, 150]
    assert clips[0].media_reference.target_url == "https://films.example/harbour.mp4"


async def test_a_timeline_is_read_back_by_its_own_library(desk: Any, exported: Any) -> None:
    one = await exported([(0, 60), (60, 300)], [n * 1001 for n in range(300)], (1, 30_000))

    text = (await get(desk, "otio", one)).text
    read = otio.adapters.read_from_string(text, "otio_json")

    clips = list(read.find_clips())
    assert [times(clip) for clip in clips] == [
        ((0, 30000 / 1001), (60, 30000 / 1001)),
        ((60, 30000 / 1001), (240, 30000 / 1001)),
    ]
    assert clips[1].media_reference.target_url == "https://films.example/harbour.mp4"
    assert clips[1].media_reference.available_range.duration.value == 300
    other = clips[1].media_references()["other"]
    assert (other.target_url, other.available_range) == (f"clips/{one.clip_id(60, 300)}.mp4", clips[1].source_range)
    assert clips[1].metadata["heaters"]["end_ticks"] == 300_300
    assert (
        json.loads(read.to_json_string())["tracks"]
        == json.loads(otio.adapters.write_to_string(otio.adapters.read_from_string(text, "otio_json"), "otio_json"))[
            "tracks"
        ]
    )


async def test_a_timeline_has_one_rate_and_ends_where_it_changes(desk: Any, exported: Any) -> None:
    one = await exported()
    other = await exported([(0, 60)], [n * 1001 for n in range(300)], (1, 30_000))
    names = {"clip": [str(one.clip_id(0, 50)), str(one.clip_id(50, 200)), str(other.clip_id(0, 60))]}

    first = await desk.client.get("/api/exports/clips.edl", params=names)
    second = await desk.client.get(
        "/api/exports/clips.edl", params={**names, "cursor": first.headers["x-heaters-next"]}
    )

    assert (first.headers["x-heaters-clips"], second.headers["x-heaters-clips"]) == ("2", "1")
    assert ("NON-DROP FRAME" in first.text, "FCM: DROP FRAME" in second.text) == (True, True)
    assert "x-heaters-next" not in second.headers


async def test_a_clip_whose_ledger_is_lost_has_no_place_on_a_timeline_and_keeps_its_bytes(
    desk: Any, story: Any
) -> None:
    one = story()
    one.ready([50])
    one.exported(one.verdict("approve", 0, 50))
    await desk.publish(one)

    list_ = await desk.client.get(f"/api/exports/clips.edl?video={one.video_id}")
    row = json.loads((await get(desk, "jsonl", one)).text)

    assert (list_.status_code, list_.json()["title"]) == (409, "No times")
    assert str(one.clip_id(0, 50)) in list_.json()["detail"]
    assert (row["start_ticks"], row["variable_frame_rate"], row["frames"]) == (None, None, 50)


@pytest.mark.parametrize("cursor", ["", "x", "MX4y", "fn5-", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OX4x"])
async def test_a_wrong_token_is_told(desk: Any, cursor: str) -> None:
    answer = await desk.client.get("/api/exports/clips.csv", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["title"]) == (400, "No such page")


async def test_memory_does_not_grow_with_what_is_sent() -> None:
    class Shelf:
        def get_range(self, key: str, offset: int, length: int) -> bytes:
            return bytes(length)

    pieces = tuple(ObjectRef(key=f"clips/{n}", bytes=16 * 1024**2, sha256="0" * 64) for n in range(20))
    body = Body("application/x-tar", ".tar", pieces, 20)
    sent = 0
    tracemalloc.start()

    async for data in body.read(Shelf(), 5, body.length_bytes):  # type: ignore[arg-type]  # it reads ranges and nothing else
        sent += len(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert sent == 20 * 16 * 1024**2 - 5
    assert peak < 32 * 1024**2
