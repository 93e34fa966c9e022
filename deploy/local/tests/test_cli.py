import json
import os
import re
import signal
import stat
import sys

import httpx
import pytest
from click.testing import CliRunner
from heaters_contracts import fact as contracts
from heaters_local.cli import heaters
from heaters_local.commands.ingest import LANES
from heaters_local.process import Child
from heaters_local.state import Phase

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture
def film(tmp_path):
    def make(name="film.mp4"):
        file = tmp_path / name
        file.write_bytes(b"x" * 3_000_000)
        return str(file)

    return make


@pytest.fixture
def up(run, table):
    code, output = run("up", "--detach", "--table", str(table("review-api")))
    assert code == 0, output
    return output


@pytest.mark.parametrize("command", ["", *heaters.commands])
def test_every_command_explains_itself(command):
    ended = CliRunner().invoke(heaters, [*filter(None, [command]), "-h"])

    assert ended.exit_code == 0
    assert ended.output.startswith("Usage:")


def test_the_lanes_are_those_of_the_contracts():
    assert set(LANES) == set(contracts.LANES)


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["ingest", "https://a.test/v"],
        ["approve", "--all"],
        ["search", "--like", "abcd"],
        ["migrate"],
        ["down"],
    ],
)
def test_a_command_says_that_nothing_runs_and_fails(run, words):
    code, output = run(*words)

    assert code == 1
    assert "nothing is running in" in output
    assert "Traceback" not in output


def test_up_says_where_it_is_and_a_second_up_says_what_runs(run, up, home, table):
    address = re.search(r"review page: (http://127\.0\.0\.1:\d+)/\?token=(\w+)", up)
    assert address
    assert httpx.get(f"{address[1]}/api/videos", headers={"authorization": f"Bearer {address[2]}"}).status_code == 200

    code, output = run("up", "--table", str(table("review-api")))

    assert code == 1
    assert f"already running in {home.path} (process {home.running().pid}, ready)" in output
    assert address[0] in output


def test_down_stops_everything_and_then_there_is_nothing(run, up, home):
    first = run("down")
    second = run("down")

    assert first == (0, f"stopped 1 processes; all data is kept in {home.path}\n")
    assert second[0] == 1
    assert not home.is_held()


def test_up_in_the_foreground_stops_on_ctrl_c(home, table, tmp_path):
    argv = [
        sys.executable,
        "-m",
        "heaters_local.cli",
        "up",
        "--home",
        str(home.path),
        "--table",
        str(table("review-api")),
    ]
    child = Child(argv, log=tmp_path / "up.log", env=os.environ, stop_signal=signal.SIGINT)
    while not (home.is_held() and home.last() and home.last().phase == Phase.READY):
        assert child.wait(0.05) is None
    assert child.wait(0.5) is None

    child.ask_to_stop()

    assert child.wait(60) == 0
    assert not home.is_held()
    assert "stopped; all data is kept" in (tmp_path / "up.log").read_text()


def test_up_fails_with_the_reason(run, table):
    code, output = run("up", "--table", str(table("broken")))

    assert code == 1
    assert "HEATERS_SOMETHING is not set" in output
    assert "Traceback" not in output


def test_the_whole_way_of_a_video(run, up, film):
    code, asked = run("ingest", film(), "--tag", "a", "--wait")
    assert code == 0
    assert "in review, 2 of 2 segments; clips: 3 pending review" in asked
    video_id = UUID.search(asked)[0]

    code, again = run("ingest", film(), "--tag", "a")
    assert (code, "(was asked for before)" in again) == (0, True)

    code, overview = run("status")
    assert (code, video_id[:8] in overview, "in review" in overview) == (0, True, True)

    code, approved = run("approve", video_id[:8])
    assert (code, approved.count("review_approved")) == (0, 3)

    code, one = run("status", video_id[:8])
    assert (code, "0:01.200" in one, "waiting between stages: 0.12 s" in one) == (0, True, True)

    code, like = run("search", "--like", UUID.search(approved)[0])
    assert (code, like.count("0.750")) == (0, 2)

    code, document = run("status", "--json")
    assert [video["state"] for video in json.loads(document)["videos"]] == ["in_review"]

    code, nothing = run("approve", "--all")
    assert (code, nothing) == (0, "nothing is pending\n")


def test_a_failure_is_shown_with_its_reason(run, up, film):
    code, output = run("ingest", film("broken.mp4"), "--wait")
    assert code == 1
    assert "preprocess: the file has no picture (permanent, tried 4 times)" in output

    code, output = run("status")
    assert code == 0
    assert "failed: broken.mp4: preprocess: the file has no picture" in output


def test_all_failures_are_listed_however_many_pages_they_are(run, up, film):
    run("ingest", film("broken one.mp4"), film("broken two.mp4"), "--wait")

    code, output = run("failed")

    assert (code, output.count("the file has no picture")) == (0, 2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ingest", "/no/such/film.mp4"], "there is no file /no/such/film.mp4"),
        (["ingest", "https://forbidden.test/v"], "the quota is used up"),
        (["approve", "ffffffff"], "there is no clip whose id begins with ffffffff"),
        (["approve", "00000000-0000-4000-8000-000000000000"], "Not found"),
        (["search", "--like", "ab"], "too short"),
        (["status", "ffffffff"], "there is no video whose id begins with ffffffff"),
        (["logs", "nobody"], "there is no log of nobody; there are: review-api-1, supervisor"),
        (["approve"], "name clips or videos, or give --all"),
    ],
)
def test_an_error_is_told_in_a_line(run, up, words, says):
    code, output = run(*words)

    assert code != 0
    assert says in output
    assert "Traceback" not in output


def test_logs_are_printed(run, up):
    code, output = run("logs", "supervisor")

    assert code == 0
    assert "everything is ready" in output


def test_a_wrong_token_is_explained(run, up, home, monkeypatch):
    monkeypatch.setenv("HEATERS_URL", home.running().urls["review"])
    monkeypatch.setenv("HEATERS_TOKEN", "wrong")

    code, output = run("status")

    assert code == 1
    assert "HEATERS_TOKEN is wrong" in output


def test_the_demo_goes_to_the_end_by_itself(run, home, film, table):
    code, output = run("demo", "--once", "--video", film(), "--table", str(table("review-api")))

    assert code == 0, output
    assert not home.is_held()
    result = json.loads((home.path / "demo.json").read_text())
    assert result["video"]["frames"] == 100
    assert result["cuts"] == [30, 76]
    assert [(clip["start"], clip["end"], clip["state"], clip["frames_decoded"]) for clip in result["clips"]] == [
        (0, 30, "embedded", 30),
        (30, 76, "embedded", 46),
        (76, 100, "embedded", 24),
    ]
    assert result["clips"][0]["nearest"] == {"id": result["clips"][1]["id"], "similarity": 0.75}
    assert result["clips"][0]["object"]["key"].startswith("clips/")
    assert result["stages"] == {"download": 0.25, "preprocess": 1.5}
    assert result["waiting_s"] == 0.125
    assert "0.750" in output


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken.mp4", "preprocess: the file has no picture"),
        ("unexported.mp4", "export: the disk is full"),
        ("stuck.mp4", "nothing has changed for 1 s: new"),
    ],
)
def test_a_demo_that_fails_says_why_and_stops_everything(run, home, film, table, name, says):
    code, output = run("demo", "--once", "--patience", "1", "--video", film(name), "--table", str(table("review-api")))

    assert code == 1
    assert says in output
    assert not home.is_held()


def test_the_demo_uses_what_runs_and_leaves_it_running(run, up, home, film):
    code, output = run("demo", "--once", "--video", film())

    assert code == 0, output
    assert "using what runs already" in output
    assert home.is_held()


def test_the_state_folder_shows_its_secrets_to_nobody_else(up, home):
    open_to_others = [
        file.name
        for file in home.path.iterdir()
        if file.is_file() and home.token() in file.read_text() and stat.S_IMODE(file.stat().st_mode) != 0o600
    ]

    assert open_to_others == []
