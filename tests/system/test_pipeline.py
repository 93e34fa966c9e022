"""The main job, on six real services and three real servers."""

import asyncio
import re
import time
import wave
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import httpx
import nats
import psutil
import pytest
from collector import Collector, Span, collecting
from desk import embedded, failure, footage, in_review, send, wait_for, whole
from heaters_contracts.fact import subject_of
from heaters_contracts.pipeline import CONSUMERS, FACTS_STREAM, PIPELINE, SERVICES
from heaters_edges.delivery import PULL_S
from heaters_local.client import Api, ApiError
from heaters_local.state import Home, State
from heaters_local.views import Failure
from heaters_media.film import FilmKind, render_film
from heaters_media.keyframes import count_frames
from heaters_media.sample import SampleFilm, render_sample


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, site: tuple[str, Path], collector: Collector
) -> Iterator[tuple[Api, State]]:
    wishes = {"allow_hosts": site[0].removeprefix("http://"), "otlp_endpoint": collector.endpoint}
    with whole(tmp_path_factory.mktemp("home"), retry_base_s="0.2", master="false", **wishes) as both:
        yield both


@pytest.fixture(scope="module")
def api(running: tuple[Api, State]) -> Api:
    return running[0]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SampleFilm]:
    path = tmp_path_factory.mktemp("sample") / "sample.mp4"
    return path, render_sample(path)


@pytest.fixture(scope="module")
def reviewed(api: Api, sample: tuple[Path, SampleFilm]) -> str:
    """The sample film, through the whole pipeline once."""
    video_id = send(api, sample[0])
    video = in_review(api, video_id)
    for clip in video["clips_list"]:
        api.approve(clip["id"])
    embedded(api, video_id)
    return video_id


def test_a_request_that_carries_a_rule_needs_nobody(api: Api, sample: tuple[Path, SampleFilm]) -> None:
    stored = api.upload(sample[0])
    source = {"kind": "upload", "key": stored["key"], "name": "sample.mp4"}
    asked = api.ingest(
        source, lane="interactive", request_id=str(uuid4()), options={"auto_rule": "frames >= 1 and certainty >= 0"}
    )

    video = embedded(api, str(asked["video_id"]))

    live = [clip for clip in video["clips_list"] if clip["state"] != "superseded"]
    assert {clip["decided_by"] for clip in live} == {"system:auto-approve"}
    assert video["state"] == "done"


def test_the_sample_films_cuts_are_found_and_its_clips_tile_it(
    api: Api, reviewed: str, sample: tuple[Path, SampleFilm]
) -> None:
    video, truth = api.video(reviewed), sample[1]

    hard = [cut["frame"] for cut in video["cuts"] if cut["kind"] == "hard"]
    fades = [cut["frame"] for cut in video["cuts"] if cut["kind"] == "fade"]
    clips = video["clips_list"]

    assert video["segments_total"] > 1, "the test is about a film of several segments"
    assert set(truth.cuts) <= set(hard)
    assert all(truth.dissolve[0] <= frame < truth.dissolve[1] for frame in set(hard) - set(truth.cuts))
    assert [truth.fade[0] <= frame < truth.fade[1] for frame in fades] == [True]
    assert clips[0]["start"] == 0
    assert clips[-1]["end"] == truth.frames
    assert all(a["end"] == b["start"] for a, b in pairwise(clips))


def test_every_exported_file_decodes_to_exactly_its_clips_frames(api: Api, reviewed: str, tmp_path: Path) -> None:
    for clip in api.video(reviewed)["clips_list"]:
        file = tmp_path / f"{clip['id']}.mp4"
        answer = httpx.get(
            f"{api.url}/api/clips/{clip['id']}/download",
            headers={"authorization": f"Bearer {api.token}"},
            follow_redirects=True,
            trust_env=False,
        )
        file.write_bytes(answer.raise_for_status().content)

        assert count_frames(file) == clip["end"] - clip["start"] == clip["frames_counted"]
        assert file.stat().st_size == clip["object"]["bytes"]


def test_every_clip_is_found_again_by_what_it_looks_like(api: Api, reviewed: str) -> None:
    clips = api.video(reviewed)["clips_list"]

    for clip in clips:
        near = api.similar(clip["id"], limit=3)

        assert clip["id"] not in [n["clip"]["id"] for n in near]
        assert near
        assert all(-1 <= n["similarity"] <= 1 for n in near)
        assert [n["similarity"] for n in near] == sorted((n["similarity"] for n in near), reverse=True)


def test_a_clip_plays_exactly_and_by_ranges(api: Api, reviewed: str, tmp_path: Path) -> None:
    clip = api.video(reviewed)["clips_list"][2]
    url, signed_in = f"{api.url}/api/clips/{clip['id']}/play.mp4", {"authorization": f"Bearer {api.token}"}

    with httpx.Client(headers=signed_in, trust_env=False) as http:
        film = http.get(url)
        part = http.get(url, headers={"range": "bytes=10-29"})
        beyond = http.get(url, headers={"range": f"bytes={len(film.content)}-"})
        unchanged = http.get(url, headers={"if-none-match": film.headers["etag"]})
    (tmp_path / "clip.mp4").write_bytes(film.content)

    assert count_frames(tmp_path / "clip.mp4") == clip["frames"]
    assert (film.status_code, part.status_code, beyond.status_code, unchanged.status_code) == (200, 206, 416, 304)
    assert part.content == film.content[10:30]


def test_asking_twice_is_asking_once(api: Api, sample: tuple[Path, SampleFilm]) -> None:
    before = sum(1 for _ in api.videos())

    first = send(api, sample[0], "the same request")
    second = send(api, sample[0], "the same request")
    in_review(api, first)

    assert first == second
    assert sum(1 for _ in api.videos()) == before + 1
    assert api.video(first)["stages"]["download"]["jobs"] == 1


def projected(api: Api) -> float:
    """The sequence of the last fact that the tables know."""
    found = re.search(r"^heaters_projection_sequence (\S+)$", api._http.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


async def test_every_fact_redelivered_changes_nothing_and_does_no_work_twice(
    running: tuple[Api, State], reviewed: str
) -> None:
    api, state = running
    before = api.video(reviewed)
    manifests_before = {c["id"]: c["object"] for c in before["clips_list"]}
    client = await nats.connect(state.urls["nats"])
    js = client.jetstream()
    history, sequence = [], 1
    while True:
        try:
            found = await js.get_msg(
                FACTS_STREAM, seq=sequence, subject=f"heaters.*.*.*.*.{reviewed}", next=True, direct=True
            )
        except nats.js.errors.NotFoundError:
            break
        history.append(found)
        sequence = found.seq + 1

    for message in history:  # without its id, as after the duplicate window: the server takes it again
        headers = {k: v for k, v in (message.headers or {}).items() if not k.startswith("Nats-")}
        again = await js.publish(message.subject, message.data, headers=headers)
    for work, lane in CONSUMERS:
        for _ in range(600):
            info = await js.consumer_info(FACTS_STREAM, work.consumer(lane))
            if not info.num_pending and not info.num_ack_pending:
                break
            await asyncio.sleep(0.1)
    await client.close()
    wait_for(lambda: projected(api) >= again.seq, "the projection of all of it")
    after = api.video(reviewed)

    assert len(history) > 20
    for name in ("state", "frames", "cuts", "clips", "stages", "failures"):
        assert after[name] == before[name], name
    assert {c["id"]: c["object"] for c in after["clips_list"]} == manifests_before
    assert [(c["id"], c["state"]) for c in after["clips_list"]] == [(c["id"], c["state"]) for c in before["clips_list"]]


def test_a_page_on_the_web_is_brought_in(api: Api, site: tuple[str, Path]) -> None:
    address, folder = site
    render_film(folder / "film.mp4", FilmKind(frames=50))
    (folder / "page.html").write_text("<html><title>A film</title><video src='film.mp4'></video></html>")

    video_id = str(
        api.ingest({"kind": "url", "url": f"{address}/page.html"}, lane="interactive", request_id=None, options={})[
            "video_id"
        ]
    )
    video = in_review(api, video_id)

    assert video["frames"] == 50
    assert sum(c["frames"] for c in video["clips_list"]) == 50


# --- bad input: each ends as stage.failed with a reason that a person understands, and the service goes on ---------------


@pytest.mark.parametrize(
    ("path", "stage", "words"),
    [
        ("nothing-here.mp4", "download", "404"),
        ("text.mp4", "plan", "not a video"),
    ],
)
def test_a_bad_address_is_told(api: Api, site: tuple[str, Path], path: str, stage: str, words: str) -> None:
    address, folder = site
    (folder / "text.mp4").write_text("this is no film\n" * 100)

    asked = api.ingest({"kind": "url", "url": f"{address}/{path}"}, lane="interactive", request_id=None, options={})
    told = failure(api, str(asked["video_id"]))

    assert told["stage"] == stage
    assert words in told["reason"].lower()
    assert told["failure_class"] == "bad_input"
    assert api.video(str(asked["video_id"]))["state"] == f"{stage}_failed"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/film.mp4", "http://169.254.169.254/latest", "http://localhost:9/x.mp4"]
)
def test_a_private_address_is_refused(api: Api, url: str) -> None:
    asked = api.ingest({"kind": "url", "url": url}, lane="interactive", request_id=None, options={})
    told = failure(api, str(asked["video_id"]))

    assert told["stage"] == "download"
    assert told["attempts"] == 1


def test_hostile_files_end_with_a_reason_and_nothing_beside_them_is_read(api: Api, tmp_path: Path) -> None:
    other = render_film(tmp_path / "other.mp4", FilmKind(frames=40))
    whole_film = other.read_bytes()
    hostile = {
        "list.mp4": f"ffconcat version 1.0\nfile {other}\n".encode(),
        "list-with-protocol.mp4": f"ffconcat version 1.0\nfile 'file:{other}'\n".encode(),
        "playlist.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{other}\n#EXT-X-ENDLIST\n".encode(),
        "passwords.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "page.mp4": b"<html><script>alert(1)</script></html>",
        "picture.mp4": b"\x89PNG\r\n\x1a\n" + b"\0" * 500,
        "archive.mp4": b"PK\x03\x04" + b"\0" * 500,
        "noise.mp4": bytes(range(256)) * 64,
        "headless.mp4": whole_film[len(whole_film) // 2 :],
        "beginning.mp4": whole_film[:200],
    }
    sent = {}
    for name, content in hostile.items():
        (tmp_path / name).write_bytes(content)
        sent[name] = send(api, tmp_path / name)

    told = {name: failure(api, video_id) for name, video_id in sent.items()}

    assert {name: one["stage"] for name, one in told.items()} == dict.fromkeys(hostile, "plan")
    assert {name: one["failure_class"] for name, one in told.items()} == dict.fromkeys(hostile, "bad_input")
    assert all(one["reason"] and "root:" not in one["reason"] for one in told.values())
    assert all(str(tmp_path) not in one["reason"] for one in told.values())


def test_a_sound_without_a_picture_is_refused_by_the_plan(api: Api, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 8000)
    (tmp_path / "sound.wav").rename(tmp_path / "sound.mp4")

    told = failure(api, send(api, tmp_path / "sound.mp4"))

    assert told["stage"] == "plan"
    assert told["reason"]


async def test_an_unknown_version_and_an_invalid_body_are_told_by_each_stage(running: tuple[Api, State]) -> None:
    api, state = running
    client = await nats.connect(state.urls["nats"])
    js = client.jetstream()

    def both(stage: str, *videos: str) -> list[Failure]:
        told = [f for f in api.failures() if f["stage"] == stage and f["video_id"] in videos]
        return told if len(told) == 2 else []

    asked = {}
    for work, lane in CONSUMERS:
        if lane == "bulk":
            continue
        future, broken = uuid4(), uuid4()
        await js.publish(subject_of(work.consumes.TYPE, 9, lane, future), b'{"from": "the future"}')
        await js.publish(subject_of(work.consumes.TYPE, 1, lane, broken), b"{}")
        asked[work.name] = (str(future), str(broken))
    await client.close()

    for stage, (future, broken) in asked.items():
        told = wait_for(lambda about=(stage, future, broken): both(*about), f"the failures of {stage}")
        reasons = " ".join(f["reason"] for f in told)
        assert "v9 is not known here" in reasons, stage
        assert "not valid" in reasons, stage


def test_after_all_that_the_services_still_work(api: Api, tmp_path: Path) -> None:
    film = render_film(tmp_path / "late.mp4", FilmKind(frames=30, rate=Fraction(24000, 1001)))

    video = in_review(api, send(api, film))

    assert video["frames"] == 30


def test_a_real_film_has_its_known_cuts(api: Api) -> None:
    video = in_review(api, send(api, footage("bikes.mp4")))

    assert [cut["frame"] for cut in video["cuts"]] == [30, 76, 137, 187, 242]
    assert len(video["clips_list"]) == 6


def test_an_idle_service_needs_little_memory(running: tuple[Api, State], reviewed: str) -> None:
    _, state = running
    home = Home(Path(state.home))
    now = home.running()
    assert now is not None

    # Shares of shared pages are counted once (PSS): the tree's processes have most of theirs in common.
    used = {part.name: tree_bytes(part.pid) >> 20 for part in now.parts if part.kind == "service" and part.pid}

    assert len(used) >= 6
    assert {name: mib for name, mib in used.items() if mib >= 200 and not name.startswith("embedder")} == {}
    assert used["embedder-1"] < 600  # torch is resident, for its children to be forked from


def tree_bytes(pid: int) -> int:
    root = psutil.Process(pid)
    return sum(process.memory_full_info().pss for process in (root, *root.children(recursive=True)))


# --- one trace, from the request to the embedding ------------------------------------------------------------------------


def test_one_trace_leads_from_the_request_across_a_persons_approval_to_the_embedding(
    api: Api, reviewed: str, collector: Collector
) -> None:
    clips = api.video(reviewed)["clips_list"]
    stages = {work.name for work in PIPELINE} - {"store_master", "reembed"}

    def traced() -> dict[str, Span] | None:
        """The spans of the trace that this film's request began, by id, once the last stage's have come."""
        for asked in [one for one in collector.spans if one.name == "download"]:
            trace = {one.id: one for one in collector.spans if one.trace == asked.trace}
            strays = [one for one in trace.values() if one.parent and one.parent not in trace]
            ours = any(one.video == reviewed for one in trace.values())
            if ours and {one.name for one in trace.values()} >= stages and not strays:
                return trace
        return None

    trace = wait_for(traced, "a whole trace", within_s=30)
    # What is told again, for the video had moved on meanwhile, is linked to the same request; by the sweep, to none.
    approvals = {link for one in trace.values() if one.name == "clip.approved" for link in one.links}
    roots = [one for one in trace.values() if not one.parent]

    def ancestors(one: Span) -> list[str]:
        here = [one.name] if one.name in {*stages, "clip.approved", "POST"} else []
        return [*here, *(ancestors(trace[one.parent]) if one.parent in trace else [])]

    embedded_after = [ancestors(one) for one in trace.values() if one.name == "embed"]
    assert [(root.service, root.name) for root in roots] == [("heaters-review-api", "POST")]
    assert {one.service for one in trace.values()} == {f"heaters-{service}" for service in SERVICES}
    assert embedded_after
    assert all(names == ["embed", "keyframe", "export", "clip.approved", "POST"] for names in embedded_after)
    assert len(approvals) == len(clips), "each is linked to the person's own request"
    assert approvals.isdisjoint(one.trace for one in trace.values())
    assert collector.refused == []


# --- failures are replayable, stages can rest ----------------------------------------------------------------------------


def test_a_failure_that_was_mended_is_tried_again_and_goes_on(api: Api, site: tuple[str, Path]) -> None:
    address, folder = site
    asked = api.ingest({"kind": "url", "url": f"{address}/later.mp4"}, lane="interactive", request_id=None, options={})
    video_id = str(asked["video_id"])
    failed = failure(api, video_id)
    whole_story = api.failure(failed["id"])

    render_film(folder / "later.mp4", FilmKind(frames=40))
    api.retry(failed["id"])
    video = in_review(api, video_id)

    assert whole_story["message_subject"] == f"heaters.video.requested.v1.interactive.{video_id}"
    assert whole_story["message"]["source"]["url"].endswith("/later.mp4")
    assert video["frames"] == 40
    assert failed["id"] not in [f["id"] for f in api.failures()]
    with pytest.raises(ApiError, match="retried already"):
        api.retry(failed["id"])


def test_a_discarded_failure_leaves_the_list_and_stays_undone(api: Api, site: tuple[str, Path]) -> None:
    asked = api.ingest({"kind": "url", "url": f"{site[0]}/never.mp4"}, lane="interactive", request_id=None, options={})
    failed = failure(api, str(asked["video_id"]))

    api.discard(failed["id"])

    assert failed["id"] not in [f["id"] for f in api.failures()]
    assert api.video(str(asked["video_id"]))["state"] == "download_failed"


def test_a_paused_stage_waits_and_a_resumed_one_goes_on(api: Api, tmp_path: Path) -> None:
    film = render_film(tmp_path / "patient.mp4", FilmKind(frames=35))

    api.pause("plan", "a test")
    # A pull that was open when the stage was paused may still take one message; the next look finds the pause.
    time.sleep(PULL_S + 1)
    video_id = send(api, film)
    wait_for(lambda: "download" in api.video(video_id)["stages"], "the download")
    time.sleep(1)
    waiting = api.video(video_id)
    paused = {stage["stage"]: stage["paused"] for stage in api.stages()}
    api.resume("plan")
    video = in_review(api, video_id)

    assert "plan" not in waiting["stages"]
    assert paused == {stage: stage == "plan" for stage in paused}
    assert video["frames"] == 35


async def test_no_secret_is_in_any_log_fact_or_answer_of_all_that(running: tuple[Api, State], reviewed: str) -> None:
    api, state = running
    async with httpx.AsyncClient(headers={"authorization": "Bearer not-this-one"}, trust_env=False) as stranger:
        wrong = await stranger.get(f"{api.url}/api/videos")
    passwords = [httpx.URL(state.urls[name].replace("+psycopg", "")).password for name in ("nats", "postgres")]
    secrets = [
        state.token,
        state.s3["secret_key"],
        *passwords,
    ]  # the access key is a name, which the store's own log may say
    logs = {path.name: path.read_text(errors="replace") for path in (Path(state.home) / "logs").glob("*.log*")}

    client = await nats.connect(state.urls["nats"])
    js = client.jetstream()
    last = (await js.stream_info(FACTS_STREAM)).state.last_seq
    told = [await js.get_msg(FACTS_STREAM, seq=sequence) for sequence in range(1, last + 1)]
    await client.close()
    facts = "\n".join(f"{one.subject} {one.headers} {(one.data or b'').decode(errors='replace')}" for one in told)
    answers = wrong.text + "".join(str(api.failure(one["id"])) for one in api.failures() if one["id"])
    places = {**logs, "facts": facts, "answers": answers}

    assert len(logs) >= 6
    assert all(len(secret) >= 8 for secret in secrets)
    assert {name for name, text in places.items() for secret in secrets if secret in text} == set()
