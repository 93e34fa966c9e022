"""Every message ever published must still parse: golden/ holds some of each kind, and is only ever added to."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from heaters_contracts import facts
from heaters_contracts.fact import REGISTRY, Told, decode, encode, parse_subject, tell
from heaters_contracts.schemas import schemas
from jsonschema import Draft202012Validator, FormatChecker

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True, slots=True)
class Golden:
    """A message as it lies on the stream."""

    subject: str
    headers: dict[str, str]
    data: dict[str, Any]

    def decoded(self) -> Told[Any]:
        return decode(self.subject, self.headers, json.dumps(self.data).encode())


def read(name: str) -> Golden:
    return Golden(**json.loads((GOLDEN / f"{name}.json").read_text()))


NAMES = sorted(str(path.relative_to(GOLDEN).with_suffix("")) for path in GOLDEN.rglob("*.json"))


def still_says(was: Any, now: Any) -> bool:
    """Whether everything that was said is said again, the same; a later release may add fields that have a default."""
    if isinstance(was, dict) and isinstance(now, dict):
        return all(name in now and still_says(value, now[name]) for name, value in was.items())
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(map(still_says, was, now))
    return type(was) is type(now) and bool(was == now)


def test_every_fact_has_a_golden_message() -> None:
    have = {name.split("/")[0] for name in NAMES}

    missing = {f"{type_}.v{version}" for type_, version in REGISTRY} - have

    assert not missing, (
        f"write one message for each of {sorted(missing)} into {GOLDEN}/<type>.v<N>/<what it shows>.json"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_message_is_what_its_folder_says(name: str) -> None:
    golden = read(name)

    told = golden.decoded()

    assert f"{told.fact.TYPE}.v{told.fact.VERSION}" == name.split("/")[0]
    assert type(told.fact) is REGISTRY[golden.data["type"], parse_subject(golden.subject).version]


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_message_written_again_says_the_same(name: str) -> None:
    golden = read(name)

    again = encode(golden.decoded(), source=golden.headers["ce-source"].removeprefix("heaters/"))

    assert still_says(golden.data, json.loads(again.data))
    assert (again.subject, again.headers) == (golden.subject, golden.headers)


@pytest.mark.parametrize("name", NAMES)
def test_the_id_of_a_golden_message_still_follows_from_cause_and_key(name: str) -> None:
    golden = read(name)
    told = golden.decoded()

    again = tell(told.fact, video_id=told.video_id, lane=told.lane, cause=told.cause, time=told.time)

    assert str(again.id) == golden.data["id"] == golden.headers["Nats-Msg-Id"] == golden.headers["ce-id"]


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_message_follows_its_schema(name: str) -> None:
    golden = read(name)
    schema = schemas()[f"{name.split('/')[0]}.json"]

    Draft202012Validator(schema, format_checker=FormatChecker()).validate(golden.data)


def test_golden_values_arrive_in_the_right_fields() -> None:
    planned = read("video.planned.v1/one_segment_upright_and_silent").decoded()
    scenes = read("segment.scenes_detected.v1/a_hard_cut_a_dissolve_and_a_fade").decoded()
    approved = read("clip.approved.v1/across_two_segments_in_a_group").decoded()
    paused = read("stage.paused.v1/for_a_while").decoded()

    assert isinstance(planned.fact, facts.VideoPlanned)
    assert (planned.fact.technical.audio, planned.fact.technical.rotation_deg, planned.fact.time_base) == (
        None,
        90,
        (1, 90000),
    )
    assert planned.fact.segments[0].start_ticks == -1024
    assert planned.fact.options.tags == ("bicycles", "Zürich")
    assert planned.lane == "interactive"
    assert isinstance(scenes.fact, facts.SegmentScenesDetected)
    assert [(cut.frame, cut.kind, cut.start, cut.end) for cut in scenes.fact.cuts] == [
        (125, "hard", 125, 126),
        (412, "dissolve", 400, 424),
        (1499, "fade", 1480, 1500),
    ]
    assert scenes.work is not None
    assert scenes.work.finished - scenes.work.started == timedelta(milliseconds=480)
    assert isinstance(approved.fact, facts.ClipApproved)
    assert [(part.segment.index, part.segment.span.start, part.segment.span.end) for part in approved.fact.parts] == [
        (0, 0, 125),
        (1, 125, 1500),
    ]
    assert approved.fact.note == 'the "good" one\nkeep both parts'
    assert isinstance(paused.fact, facts.StagePaused)
    assert paused.video_id == UUID(int=0)
    assert paused.time == datetime(2026, 11, 20, 9, 58, 0, 100, tzinfo=UTC)
    assert read("video.planned.v1/two_segments_with_sound").decoded().traceparent == (
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    )


def git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(GOLDEN), *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("commit", ["HEAD", "HEAD~1"])
def test_a_committed_golden_message_never_changes(commit: str) -> None:
    """HEAD guards the tree in hand; HEAD~1 a commit that has just been made, where a checkout knows its parent."""
    if shutil.which("git") is None or git("rev-parse", "--verify", "--quiet", commit).returncode:
        pytest.skip(f"NOT CHECKED that golden messages are append-only: there is no git, or it knows no {commit} here")
    committed = git("ls-tree", "-r", "--name-only", commit, ".").stdout.split()

    changed = [
        name
        for name in committed
        if not (GOLDEN / name).exists() or git("show", f"{commit}:./{name}").stdout != (GOLDEN / name).read_text()
    ]

    assert not changed, (
        f"published messages do not change: restore {changed}, and add a new file (or a new version) beside"
    )
