"""`heaters export` on a real API and a real store, with connections that are cut."""

import asyncio
import csv
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from heaters_local.cli import heaters
from heaters_local.client import Api
from heaters_local.exporting import AnotherExport, Spoilt, export
from weather import Weather, link

SPANS = [(0, 50), (50, 200), (200, 300)]


TOKEN = "a-token-for-tests"


@pytest.fixture
def address(desk: Any) -> str:
    return str(desk.client.base_url).rstrip("/")


def fetch(address: str, folder: Path, kind: str, one: Any, *, files: bool = False, **more: Any) -> Any:
    told = more.pop("told", lambda _: None)
    with Api(address, TOKEN) as api:
        wish = {"video": str(one.video_id), **more}
        return export(api, folder, kind, wish, with_files=files, told=told, pause_s=0.05)


async def test_a_shard_comes_whole_through_a_line_that_is_cut_again_and_again(
    desk: Any, exported: Any, tmp_path: Path
) -> None:
    one = await exported(SPANS)
    at = desk.client.base_url

    async with link(at.host, at.port) as line:
        line.turn(Weather.CUTTING)
        fetching = asyncio.create_task(
            asyncio.to_thread(fetch, f"http://127.0.0.1:{line.port}", tmp_path, "webdataset", one)
        )
        while line.met < 4 and not fetching.done():  # noqa: ASYNC110 - the proxy counts, and tells nobody
            await asyncio.sleep(0.02)
        line.turn(Weather.FINE)
        made = await fetching

    assert line.met >= 4
    assert (made.clips, [file.name for file in made.files]) == (3, ["clips-00000.tar"])
    with tarfile.open(made.files[0]) as tar:
        sizes = {entry.name: entry.size for entry in tar if entry.name.endswith(".mp4")}
        last = tar.extractfile(f"{one.clip_id(200, 300)}.mp4")
        assert last is not None
        assert last.read() == bytes([200]) * 70_200
    assert sorted(sizes.values()) == [70_000, 70_050, 70_200]


async def test_a_command_that_was_broken_off_goes_on_with_the_next_part(
    address: str, exported: Any, tmp_path: Path
) -> None:
    one = await exported(SPANS)

    class Stopped(Exception):
        """As Ctrl-C does, which no thread can hear."""

    def stop(_: str) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        await asyncio.to_thread(fetch, address, tmp_path, "csv", one, limit=1, told=stop)
    first = tmp_path / "clips-00000.csv"
    fetched_at = first.stat().st_mtime_ns
    arrived: list[str] = []
    at_first: list[int] = []

    def look(name: str) -> None:
        arrived.append(name)
        at_first.append(first.stat().st_mtime_ns)

    made = await asyncio.to_thread(fetch, address, tmp_path, "csv", one, limit=1, told=look)

    assert (arrived, set(at_first)) == (["clips-00001.csv", "clips-00002.csv"], {fetched_at})
    assert [file.name for file in made.files] == ["clips.csv"]
    with made.files[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["start_frame"]) for row in rows] == [0, 50, 200]
    assert not first.exists()


async def test_a_command_that_was_broken_off_right_after_a_parts_last_byte_goes_on(
    desk: Any, address: str, exported: Any, tmp_path: Path
) -> None:
    one = await exported(SPANS)
    wish = {"video": str(one.video_id), "limit": 2}
    part = await desk.client.get("/api/exports/clips.csv", params=wish)
    (tmp_path / "clips-00000.csv.part").write_bytes(part.content)
    state = {
        "wish": {"format": "csv", "files": False, **wish},
        "cursor": part.headers["x-heaters-this"],
        "etag": part.headers["etag"],
        "as_of": part.headers["x-heaters-as-of"],
    }
    (tmp_path / ".heaters-export.json").write_text(json.dumps(state))

    made = await asyncio.to_thread(fetch, address, tmp_path, "csv", one, limit=2)

    assert made.clips == 3
    with made.files[0].open(newline="") as file:
        assert [int(row["start_frame"]) for row in csv.DictReader(file)] == [0, 50, 200]


async def test_a_command_that_was_broken_off_while_it_took_the_parts_away_finds_the_whole(
    address: str, exported: Any, tmp_path: Path
) -> None:
    one = await exported(SPANS)
    made = await asyncio.to_thread(fetch, address, tmp_path, "csv", one, limit=2)
    whole = made.files[0].read_bytes()
    state = json.loads((tmp_path / ".heaters-export.json").read_text())
    parts = {"parts": ["clips-00000.csv", "clips-00001.csv"]}
    (tmp_path / "clips-00001.csv").write_text("the last part, not yet taken away")
    (tmp_path / ".heaters-export.json").write_text(json.dumps({**state, **parts}))

    again = await asyncio.to_thread(fetch, address, tmp_path, "csv", one, limit=2)

    assert again.files == made.files
    assert again.files[0].read_bytes() == whole


async def test_what_leaves_a_selection_while_it_is_fetched_is_named_in_the_manifest(
    desk: Any, address: str, exported: Any, tmp_path: Path
) -> None:
    one = await exported(SPANS)
    for start, end in SPANS:
        await tag(desk, one.clip_id(start, end), "sea")
    gone = one.clip_id(200, 300)
    loop = asyncio.get_running_loop()

    def leave(name: str) -> None:
        if name == "clips-00000.csv":
            asyncio.run_coroutine_threadsafe(tag(desk, gone, "land"), loop).result(10)

    made = await asyncio.to_thread(fetch, address, tmp_path, "csv", one, tag="sea", limit=1, told=leave)
    again = await asyncio.to_thread(fetch, address, tmp_path, "csv", one, tag="sea", limit=1)

    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (made.clips, made.gone, again.gone) == (2, [str(gone)], [str(gone)])
    assert (manifest["clips"], manifest["files"], manifest["gone"]) == (2, ["clips.csv"], [str(gone)])
    assert (manifest["of"]["format"], manifest["of"]["video"]) == ("csv", str(one.video_id))
    assert str(gone) not in (tmp_path / "clips.csv").read_text()
    assert not (tmp_path / ".heaters-export.ids").exists()


async def tag(desk: Any, clip_id: Any, name: str) -> None:
    key = {"Idempotency-Key": f"{name} {clip_id}"}
    answer = await desk.client.post(f"/api/clips/{clip_id}/annotation", json={"tags": [name]}, headers=key)
    assert answer.status_code == 200, answer.text


async def test_parquet_comes_with_the_clips_files_each_checked(address: str, exported: Any, tmp_path: Path) -> None:
    one = await exported(SPANS[:2])

    made = await asyncio.to_thread(fetch, address, tmp_path, "parquet", one, files=True)

    rows = pyarrow.parquet.read_table(made.files[0]).to_pylist()
    assert [hashlib.sha256((tmp_path / row["file_name"]).read_bytes()).hexdigest() for row in rows] == [
        row["sha256"] for row in rows
    ]
    assert len(rows) == 2


async def test_a_file_that_is_half_there_is_completed_and_a_spoilt_one_is_told(
    address: str, exported: Any, tmp_path: Path
) -> None:
    one = await exported(SPANS[:2])
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / f"{one.clip_id(0, 50)}.mp4.part").write_bytes(bytes(30_000))
    (clips / f"{one.clip_id(50, 200)}.mp4.part").write_bytes(b"another film" + bytes(70_038))

    with pytest.raises(Spoilt, match="is not what was told of it"):
        await asyncio.to_thread(fetch, address, tmp_path, "edl", one, files=True)
    made = await asyncio.to_thread(fetch, address, tmp_path, "edl", one, files=True)

    assert (clips / f"{one.clip_id(0, 50)}.mp4").read_bytes() == bytes(70_000)
    assert (clips / f"{one.clip_id(50, 200)}.mp4").read_bytes() == bytes([50]) * 70_050
    assert "002 " in made.files[0].read_text()


async def test_a_folder_holds_one_export(address: str, exported: Any, tmp_path: Path) -> None:
    one = await exported()
    await asyncio.to_thread(fetch, address, tmp_path, "jsonl", one)

    again = await asyncio.to_thread(fetch, address, tmp_path, "jsonl", one)

    assert again.clips == 2
    with pytest.raises(AnotherExport, match="choose another folder"):
        await asyncio.to_thread(fetch, address, tmp_path, "otio", one)


async def test_the_command_says_what_it_fetched(
    address: str, exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await exported()
    monkeypatch.setenv("HEATERS_URL", address)
    monkeypatch.setenv("HEATERS_TOKEN", TOKEN)
    words = ["export", str(tmp_path / "out"), "--format", "jsonl", "--clip", str(one.clip_id(0, 50))]

    ended = await asyncio.to_thread(CliRunner().invoke, heaters, words)
    wrong = await asyncio.to_thread(CliRunner().invoke, heaters, [*words[:3], "otio", *words[4:]])

    assert (ended.exit_code, "1 clips in clips.jsonl" in ended.output) == (0, True), ended.output
    assert [json.loads(line)["end_frame"] for line in (tmp_path / "out/clips.jsonl").read_text().splitlines()] == [50]
    assert (wrong.exit_code, "holds another export" in wrong.output) == (1, True)
