"""What operators type, against the real thing: failures, replays, stories, the doctor, fsck, back-up, restore, erasing."""

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner
from desk import failure, in_review, wait_for, whole
from heaters_edges.bus import Bus
from heaters_edges.store import S3Store
from heaters_local.cli import heaters as command
from heaters_local.client import Api
from heaters_local.launch import Launched
from heaters_local.state import Home, State
from heaters_media.film import FilmKind, render_film
from whole_video import settings_of

NOBODY = "00000000-0000-4000-8000-000000000000"
Heaters = Callable[..., tuple[int, str]]


def heaters_at(home: Path, *words: str, answers: str = "") -> tuple[int, str]:
    """Run the `heaters` command as a person does; gives its exit code and all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "heaters_local.cli", *words, "--home", str(home)],
        input=answers,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "200"},
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, site: tuple[str, Path]) -> Iterator[tuple[Api, State]]:
    allowed = site[0].removeprefix("http://")
    folder = tmp_path_factory.mktemp("home")
    with whole(folder, allow_hosts=allowed, retry_base_s="0.1", master="false", reuse="false") as both:
        yield both


@pytest.fixture(scope="module")
def api(running: tuple[Api, State]) -> Api:
    return running[0]


@pytest.fixture(scope="module")
def heaters(running: tuple[Api, State]) -> Heaters:
    return partial(heaters_at, Path(running[1].home))


@pytest.fixture(scope="module")
def video(api: Api, site: tuple[str, Path]) -> str:
    """A film in review."""
    render_film(site[1] / "film.mp4", FilmKind(frames=60))
    return ask(api, site, "film.mp4", in_review_=True)


def ask(api: Api, site: tuple[str, Path], name: str, *, in_review_: bool = False) -> str:
    source = {"kind": "url", "url": f"{site[0]}/{name}"}
    video_id = str(api.ingest(source, lane="interactive", request_id=None, options={})["video_id"])
    if in_review_:
        in_review(api, video_id)
    return video_id


# --- failures -------------------------------------------------------------------------------------------------------


def test_failures_are_listed_shown_and_tried_again(heaters: Heaters, api: Api, site: tuple[str, Path]) -> None:
    before = heaters("failed")
    video_id = ask(api, site, "later.mp4")
    failed = failure(api, video_id)

    listed = heaters("failed", "list")
    code, shown = heaters("failed", "show", failed["id"][:8])
    render_film(site[1] / "later.mp4", FilmKind(frames=40))
    retried = heaters("failed", "retry", failed["id"][:8])
    in_review(api, video_id)
    after = heaters("failed")
    again = heaters("failed", "retry", failed["id"])

    assert before == (0, "nothing has failed\n")
    assert listed[0] == 0
    assert failed["id"][:8] in listed[1]
    assert video_id[:8] in listed[1]
    assert failed["reason"] in listed[1]
    assert code == 0
    document = json.loads(shown)
    assert document["failure"]["stage"] == "download"
    assert document["message"]["source"]["url"] == f"{site[0]}/later.mp4"
    assert retried == (0, f"asked for again: {failed['id']}\n")
    assert after == (0, "nothing has failed\n")
    assert again[0] == 1
    assert "retried already" in again[1]


def test_failures_of_a_stage_are_discarded_and_stay_undone(heaters: Heaters, api: Api, site: tuple[str, Path]) -> None:
    videos = [ask(api, site, f"never-{n}.mp4") for n in range(2)]
    failures = [failure(api, video_id)["id"] for video_id in videos]

    of_another_stage = heaters("failed", "discard", "--stage", "export")
    left = heaters("failed")
    code, said = heaters("failed", "discard", "--stage", "download")

    assert of_another_stage == (0, "")
    assert all(one[:8] in left[1] for one in failures)
    assert code == 0
    assert sorted(said.splitlines()) == sorted(f"discarded: {one}" for one in failures)
    assert heaters("failed") == (0, "nothing has failed\n")
    assert {api.video(video_id)["state"] for video_id in videos} == {"download_failed"}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["failed", "retry"], 2, "name failures, or give --all, or --stage STAGE"),
        (["failed", "discard", "abcd", "--all"], 2, "name failures, or give --all, or --stage STAGE"),
        (["failed", "show", "ab"], 1, "'ab' is too short: give at least 4 characters of the failure's id"),
        (["failed", "show", "ffffffff"], 1, "there is no failure whose id begins with ffffffff"),
        (["failed", "retry", NOBODY], 1, NOBODY),
        (["replay", NOBODY], 2, "Missing option '--from'"),
        (["replay", NOBODY, "--from", "scenes"], 1, NOBODY),
        (["replay", "ffffffff", "--from", "scenes"], 1, "there is no video whose id begins with ffffffff"),
        (["story", NOBODY], 1, NOBODY),
        (["story", "ab"], 1, "too short"),
        (["erase", NOBODY, "--yes"], 1, NOBODY),
        (["erase", "ffffffff"], 1, "there is no video whose id begins with ffffffff"),
        (["restore"], 2, "give the FOLDER of a back-up, or --stream"),
        (["restore", "/", "--stream"], 2, "give the FOLDER of a back-up, or --stream"),
        (["restore", "/no/such/folder"], 2, "does not exist"),
        (["restore", "/"], 1, "is no whole back-up"),
        (["restore", "--stream"], 1, "holds"),
        (["backup"], 2, "Missing argument 'FOLDER'"),
        (["backup", "/usr"], 1, "/usr is not empty: give a new folder"),
        (["fsck", "--everything"], 2, "No such option"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_cannot_be_done_is_told_in_words(
    running: tuple[Api, State], video: str, capfd: pytest.CaptureFixture[str], words: list[str], code: int, says: str
) -> None:
    ended = CliRunner().invoke(command, [*words, "--home", running[1].home])

    said = ended.output + "".join(capfd.readouterr())
    assert ended.exit_code == code, said
    assert says in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "words",
    [
        ["failed"],
        ["failed", "list"],
        ["failed", "show", "abcd"],
        ["failed", "retry", "--all"],
        ["failed", "discard", "--all"],
        ["replay", "abcd", "--from", "scenes"],
        ["story", "abcd"],
        ["fsck"],
        ["backup", "backup"],
        ["restore", "--stream"],
        ["erase", "abcd"],
    ],
    ids=" ".join,
)
def test_where_nothing_runs_that_is_told(tmp_path: Path, words: list[str]) -> None:
    ended = CliRunner().invoke(command, [*words, "--home", str(tmp_path / "nothing")])

    assert ended.exit_code == 1
    assert "nothing is running in" in ended.output
    assert "Traceback" not in ended.output


# --- one video ------------------------------------------------------------------------------------------------------


def test_a_story_tells_everything_in_order(heaters: Heaters, video: str) -> None:
    code, table = heaters("story", video[:8])
    _, document = heaters("story", video, "--json")

    events = json.loads(document)
    kinds = [event["type"] for event in events]
    assert code == 0
    assert kinds[:2] == ["video.requested", "video.downloaded"]
    assert {"segment.planned", "video.planned", "segment.preprocessed", "segment.scenes_detected"} <= set(kinds)
    assert [event["sequence"] for event in events] == sorted(event["sequence"] for event in events)
    assert all(kind in table for kind in kinds)
    assert all(event["attempt"] == 1 for event in events if event["seconds"] is not None)


def test_a_replay_tells_again_what_the_manifests_know_and_works_again_only_when_forced(
    heaters: Heaters, api: Api, video: str
) -> None:
    def found() -> list[bool]:
        events = api.video(video)["events"]
        return [event["reused"] for event in events if event["type"] == "segment.scenes_detected"]

    segments = api.video(video)["segments_total"]
    code, said = heaters("replay", video[:8], "--from", "scenes")
    wait_for(lambda: len(found()) == 2 * segments, "the results told again")
    forced = heaters("replay", video, "--from", "scenes", "--force")
    wait_for(lambda: len(found()) == 3 * segments, "the results made again")
    unknown = heaters("replay", video, "--from", "dreams")

    assert code == 0
    assert said == f"{segments} message{'s' * (segments > 1)} given to scenes again\n"
    assert forced[0] == 0
    assert found() == [False] * segments + [True] * segments + [False] * segments
    assert unknown[0] == 1
    assert "dreams" in unknown[1]


# --- the whole ------------------------------------------------------------------------------------------------------


def test_a_doctor_finds_what_is_wrong_and_says_what_to_do(
    heaters: Heaters, running: tuple[Api, State], video: str
) -> None:
    well = heaters("doctor")
    heaters("pause", "embed", "--reason", "the model is being changed")
    asyncio.run(without_a_consumer(running[1], "keyframe-bulk"))
    ill = heaters("doctor")
    heaters("resume", "embed")
    migrated = heaters("migrate")
    again = heaters("doctor")
    nobody = heaters_at(Path(running[1].home) / "elsewhere", "doctor")

    assert well[0] == 0, well[1]
    assert "WRONG" not in well[1]
    assert ill[0] == 1
    assert "WRONG  stage embed: rests: the model is being changed" in ill[1]
    assert "-> mend what is named, then `heaters resume embed`" in ill[1]
    assert "WRONG  streams: missing: keyframe-bulk" in ill[1]
    assert "heaters migrate" in ill[1]
    assert migrated[0] == 0
    assert again[0] == 0, again[1]
    assert nobody[0] == 1
    assert "start it: `heaters up`" in nobody[1]


async def without_a_consumer(state: State, name: str) -> None:
    bus = Bus(settings_of(state), source="tests")
    await bus.connect()
    await bus.jetstream.delete_consumer("HEATERS", name)
    await bus.close()


def test_fsck_names_what_is_lost_or_changed_and_mends_it(
    heaters: Heaters, api: Api, running: tuple[Api, State], site: tuple[str, Path], tmp_path: Path
) -> None:
    render_film(site[1] / "damaged.mp4", FilmKind(frames=50))
    video_id = ask(api, site, "damaged.mp4", in_review_=True)
    store = S3Store(settings_of(running[1]))
    well = heaters("fsck", "--deep")
    keys = [one.key for one in store.listed(f"videos/{video_id}/")]
    (tiny,) = [key for key in keys if "/tiny/" in key]
    (proxy,) = [key for key in keys if "/proxy/" in key]
    store.delete(tiny)
    changed = tmp_path / "changed"
    store.get(proxy, changed)
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 0xFF
    changed.write_bytes(data)
    size, digest = store.head(proxy) or (0, "")
    store.put(changed, proxy, content_type="video/mp4", sha256=digest or "")

    shallow = heaters("fsck")
    mended = heaters("fsck", "--deep", "--repair")
    wait_for(lambda: store.head(tiny), "the object made again")
    # To look by fsck until it agrees takes seconds for each look.
    wait_for(lambda: content_of(store, proxy, changed) != data, "the content made again")
    wait_for(lambda: not api.failures(), "no failure")
    after = wait_for(lambda: (found := heaters("fsck", "--deep"))[0] == 0 and found, "all agreeing")

    assert well == (0, "all agrees\n")
    assert size == len(data)
    assert shallow[0] == 1
    assert tiny in shallow[1]
    assert proxy not in shallow[1]
    assert tiny in mended[1]
    assert proxy in mended[1]
    assert "was asked to make it again" in mended[1]
    assert after == (0, "all agrees\n")


def content_of(store: S3Store, key: str, into: Path) -> bytes:
    store.get(key, into)
    return into.read_bytes()


@pytest.mark.long
def test_a_backup_is_restored_by_another_installation_and_refused_by_this_one(
    heaters: Heaters, api: Api, video: str, tmp_path: Path
) -> None:
    folder, elsewhere = tmp_path / "backup", tmp_path / "elsewhere"
    kept = heaters("backup", str(folder))
    refused = heaters("restore", str(folder))
    launched = Launched(Home(elsewhere), table=servers_only(tmp_path / "servers.toml"))
    try:
        launched.until_ready()
        restored = heaters_at(elsewhere, "restore", str(folder))
        twice = heaters_at(elsewhere, "restore", str(folder))
        checked = heaters_at(elsewhere, "fsck", "--repair")
        (folder / "facts.jsonl.gz").write_bytes(b"changed")
        changed = heaters_at(elsewhere, "restore", str(folder))
    finally:
        launched.stop()

    assert kept[0] == 0, kept[1]
    assert restored[0] == 0, restored[1]
    assert restored[1].splitlines()[-1] == kept[1].strip().replace("kept:", "restored:")
    assert refused[0] == 1
    assert "restore into an empty one" in refused[1]
    assert twice[0] == 1
    assert "holds" in twice[1]
    assert checked[0] == 1  # the store's own copies are its operator's to bring back: fsck names each object that lacks
    assert f"videos/{video}/" in checked[1]
    assert changed[0] == 1
    assert "is not what was written" in changed[1]


def servers_only(path: Path) -> Path:
    """The product's table without its services."""
    text = resources.files("heaters_local").joinpath("table.toml").read_text().partition("[[services]]")[0]
    tomllib.loads(text)
    path.write_text(text)
    return path


def test_erasing_asks_first_and_then_leaves_nothing_but_the_fact(
    heaters: Heaters, api: Api, running: tuple[Api, State], site: tuple[str, Path]
) -> None:
    render_film(site[1] / "private.mp4", FilmKind(frames=45))
    video_id = ask(api, site, "private.mp4", in_review_=True)
    store = S3Store(settings_of(running[1]))

    refused = heaters("erase", video_id[:8], answers="n\n")
    silent = heaters("erase", video_id[:8])
    still = api.video(video_id)["state"]
    code, said = heaters("erase", video_id[:8], "--reason", "they asked for it", answers="y\n")
    told = json.loads(heaters("story", video_id, "--json")[1])

    assert refused[0] == silent[0] == 1
    assert f"({video_id}) for good? Nothing brings it back" in refused[1]
    assert "Aborted" in refused[1]
    assert still == "in_review"
    assert code == 0, said
    assert "erased: " in said
    assert "still there" not in said
    assert [event["type"] for event in told] == ["video.erased"]
    assert list(store.listed(f"videos/{video_id}/")) == []
    assert heaters("fsck")[0] == 0
