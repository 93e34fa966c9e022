"""Everything at once: processes killed, servers killed, and the network between them spoilt, while films are worked on.

What a film comes to is compared with what the very same film came to before any fault: facts, cuts, and every object by its hash.
"""

import http.server
import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from behind_links import Links, behind_links
from desk import embedded, in_review, send, wait_for, whole
from fault_outcome import Outcome
from heaters_local.client import Api, ApiError, Unreachable
from heaters_local.launch import AlreadyRunning, Launched
from heaters_local.state import Home, State
from heaters_media.sample import render_sample
from left_over import processes_of
from weather import Weather
from whole_video import came_to, objects, results, s3_ledger, without_time

TO_REVIEW = ("video.downloaded", "video.planned", "segment.planned", "segment.preprocessed", "segment.scenes_detected")


@dataclass(frozen=True)
class Running:
    """The whole, with proxies to its servers, and what its film comes to when nothing happens to it."""

    home: Home
    api: Api
    state: State
    links: Links
    film: Path
    site: str
    wanted: list[str]
    calm: str
    """The film to which nothing happened."""
    ledger: tuple[Counter[str], Counter[str]]
    """What moved to and from the store for it: requests and bytes, by operation."""

    def finished(self, video_id: str) -> float:
        """Approve every clip of a video and wait for the last embedding; returns when that was."""
        for clip in in_review(self.api, video_id, within_s=180)["clips_list"]:
            wait_for(lambda clip=clip: approved(self.api, clip["id"]), "an approval")
        embedded(self.api, video_id, within_s=180)
        return time.monotonic()

    def came_to(self, video_id: str) -> list[str]:
        """What is to be found of a video."""
        return came_to(self.state, video_id)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "sample.mp4"
    render_sample(path)
    return path


@pytest.fixture(scope="module")
def slow_site(film: Path) -> Iterator[str]:
    """An address at which the sample film takes a second or two to come."""
    data = film.read_bytes()

    class Slow(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            step = len(data) // 30 + 1
            for start in range(0, len(data), step):
                try:
                    self.wfile.write(data[start : start + step])
                except OSError:
                    return  # the other side was killed: that is the test
                time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, film: Path, slow_site: str) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("whole") / "home"
    with behind_links(folder) as (links, table):
        told = {"retry_base_s": "0.2", "master": "false", "ack_wait_s": "3", "grace_s": "1", "allow_hosts": slow_site}
        with whole(folder, table=table, **told) as (api, state):
            calm = Running(Home(folder), api, state, links, film, slow_site, [], "", s3_ledger(state))
            video_id = ingest(calm, "calm")
            calm.finished(video_id)
            yield replace(calm, wanted=came_to(state, video_id), calm=video_id, ledger=s3_ledger(state))
    assert processes_of(folder) == []


def ingest(running: Running, name: str) -> str:
    source = {"kind": "url", "url": f"http://{running.site}/sample.mp4"}
    return str(running.api.ingest(source, lane="interactive", request_id=name, options={})["video_id"])


def pid_of(home: Home, name: str) -> int | None:
    state = home.last()
    return next((p.pid for p in state.parts if p.name == name and p.pid), None) if state else None


def working_child(pid: int) -> psutil.Process | None:
    """A process that does a job for a service: the child of the server that it forks its children from."""
    try:
        for server in psutil.Process(pid).children():
            for child in server.children():
                return child
    except psutil.Error:
        pass
    return None


def kill_in_mid_work(home: Home, name: str, *, within_s: float = 60) -> psutil.Process:
    """Wait until a service has a child at work, and kill -9 the service. Returns the child, which should die with it."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        pid = pid_of(home, name)
        if pid and (child := working_child(pid)):
            os.kill(pid, signal.SIGKILL)
            return child
        time.sleep(0.002)
    raise AssertionError(f"{name} was never seen at work within {within_s} s")


def kill(home: Home, name: str) -> None:
    """Kill -9 a process of the whole, and wait until the supervisor has begun it anew."""
    pid = pid_of(home, name)
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid_of(home, name) not in (None, pid), f"a new {name}")


def approved(api: Api, clip_id: str) -> bool:
    """Approve; the same key says it once, so it is asked again where there was no answer."""
    try:
        api.approve(clip_id)
    except Unreachable:
        return False
    except ApiError as problem:
        if problem.status == 409:
            return True
        if problem.status != 503:
            raise
        return False
    return True


def test_over_a_whole_video_nothing_is_put_twice_and_nothing_is_got_that_the_node_holds(running: Running) -> None:
    requests, moved = running.ledger

    kept = objects(running.state, running.calm)

    assert requests["put"] == len(kept)
    assert (moved["get"], moved["get_range"]) == (0, 0)
    manifests = sum(one.startswith("manifest of ") for one in kept)
    without = 1  # no master is wanted here: work that told nothing leaves no manifest
    assert requests["get"] == manifests + without  # each looked for once, before the work


def fetched(running: Running) -> int:
    """Bytes that the services have got from the store, in whole or in part."""
    moved = s3_ledger(running.state)[1]
    return moved["get"] + moved["get_range"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU, and the embedder uses it")
def test_without_a_gpu_clips_are_embedded_on_the_processor_and_the_log_says_so(running: Running) -> None:
    lines = [json.loads(line) for line in running.home.log("embedder-1").read_text().splitlines() if line[:1] == "{"]

    devices = [line["device"] for line in lines if line["message"] == "a clip was embedded"]
    assert devices
    assert set(devices) == {"cpu"}


def test_a_node_that_has_lost_its_cache_fetches_what_it_needs_and_counts_it(running: Running, outcome: Outcome) -> None:
    before = fetched(running)
    video_id = ingest(running, "no cache")
    in_review(running.api, video_id, within_s=180)
    shutil.rmtree(running.home.cache / "objects" / "videos")
    lost = time.monotonic()
    recovered_s = running.finished(video_id) - lost

    assert fetched(running) > before
    outcome(
        "a node's cache lost in mid-work",
        expected=running.wanted,
        found=running.came_to(video_id),
        recovered_s=recovered_s,
    )


@pytest.mark.long
def test_the_manifests_alone_give_back_what_the_stages_did(running: Running, outcome: Outcome, tmp_path: Path) -> None:
    wanted = results(running.state, running.calm)
    table = resources.files("heaters_local").joinpath("table.toml").read_text()
    reached = {"s3_endpoint": running.state.urls["s3"], **{f"s3_{k}": v for k, v in running.state.s3.items()}}
    for place, value in reached.items():
        table = table.replace(f"{{{place}}}", value)
    (tmp_path / "table.toml").write_text(
        table.replace(', "s3"]', "]")
    )  # its own stream, database and cache; the same store
    told = {"retry_base_s": "0.2", "master": "false", "allow_hosts": running.site}
    began = time.monotonic()
    with whole(tmp_path / "home", table=tmp_path / "table.toml", **told) as (api, state):
        state = replace(state, urls=state.urls | {"s3": running.state.urls["s3"]}, s3=running.state.s3)
        other = replace(running, api=api, state=state)
        video_id = ingest(other, "calm")
        in_review(api, video_id)
        recovered_s = time.monotonic() - began
        given_back = results(state, video_id)
        requests, moved = s3_ledger(state)

    assert video_id == running.calm
    assert all(fact["work"]["reused"] for fact in given_back)
    assert requests["put"] == 0
    outcome(
        "stream, database and cache lost: the manifests of the store alone",
        expected=without_time(wanted, *TO_REVIEW),
        found=without_time(given_back, *TO_REVIEW),
        recovered_s=recovered_s,
    )
    assert moved["get"] < 64 * 1024  # manifests, and nothing else


def test_killing_each_service_in_mid_work_finishes_the_video(running: Running, outcome: Outcome) -> None:
    video_id = ingest(running, "kills")
    orphans = [kill_in_mid_work(running.home, name) for name in ("downloader-1", "preprocessor-1", "scenes-1")]
    for clip in in_review(running.api, video_id, within_s=180)["clips_list"]:
        wait_for(lambda clip=clip: approved(running.api, clip["id"]), "an approval")
    orphans += [kill_in_mid_work(running.home, name) for name in ("exporter-1", "embedder-1")]
    kill(running.home, "review-api-1")
    killed = time.monotonic()
    done = embedded(running.api, video_id, within_s=180)
    recovered_s = time.monotonic() - killed

    assert wait_for(lambda: not any(p.is_running() for p in orphans), "the end of the killed services' children")
    assert done["failures"] == 0
    assert all(clip["frames_counted"] == clip["frames"] for clip in done["clips_list"])
    outcome(
        "kill -9 of each service in mid-work, children included",
        tried=6,
        expected=running.wanted,
        found=running.came_to(video_id),
        recovered_s=recovered_s,
    )


def test_servers_that_are_killed_at_work_lose_nothing(running: Running, outcome: Outcome) -> None:
    video_id = ingest(running, "servers")
    wait_for(lambda: running.api.video(video_id)["segments_total"], "the plan")
    kill(running.home, "nats")
    kill(running.home, "s3")
    clips = in_review(running.api, video_id, within_s=180)["clips_list"]
    kill(running.home, "postgres")
    for clip in clips:
        wait_for(lambda clip=clip: approved(running.api, clip["id"]), "an approval")
    kill(running.home, "s3")
    kill(running.home, "nats")
    killed = time.monotonic()
    done = embedded(running.api, video_id, within_s=180)
    recovered_s = time.monotonic() - killed

    assert done["failures"] == 0
    outcome(
        "kill -9 of NATS, Postgres and S3 under work",
        tried=5,
        expected=running.wanted,
        found=running.came_to(video_id),
        recovered_s=recovered_s,
    )


def test_a_network_cut_between_all_services_and_all_servers_loses_nothing(running: Running, outcome: Outcome) -> None:
    spoil(running, outcome, Weather.REFUSING, lasts_s=4)


@pytest.mark.long
@pytest.mark.parametrize("weather", [Weather.REFUSING, Weather.SILENT, Weather.SLOW], ids=str)
def test_a_network_spoilt_for_a_minute_loses_nothing(running: Running, outcome: Outcome, weather: Weather) -> None:
    spoil(running, outcome, weather, lasts_s=60)


def spoil(running: Running, outcome: Outcome, weather: Weather, *, lasts_s: float) -> None:
    video_id = ingest(running, f"network {weather} {lasts_s}")
    wait_for(lambda: running.api.video(video_id)["segments_total"], "the plan")
    running.links.turn(weather, "nats", "postgres", "s3")
    time.sleep(lasts_s)
    running.links.turn(Weather.FINE, "nats", "postgres", "s3")
    fine = time.monotonic()
    recovered_s = running.finished(video_id) - fine

    assert running.api.video(video_id)["failures"] == 0
    outcome(
        f"the network between all services and all servers {weather}, for {lasts_s:g} s",
        tried=1,
        expected=running.wanted,
        found=running.came_to(video_id),
        recovered_s=recovered_s,
    )


@pytest.mark.long
@pytest.mark.parametrize("weather", [Weather.REFUSING, Weather.CUTTING, Weather.UNAVAILABLE, Weather.LYING], ids=str)
def test_a_store_in_bad_weather_for_a_whole_outage_loses_nothing(
    running: Running, outcome: Outcome, weather: Weather
) -> None:
    video_id = ingest(running, f"outage {weather}")
    wait_for(lambda: running.api.video(video_id)["state"] != "new", "the request")
    running.links.turn(weather, "s3")
    time.sleep(60)
    running.links.turn(Weather.FINE, "s3")
    fine = time.monotonic()
    recovered_s = running.finished(video_id) - fine

    assert running.api.video(video_id)["failures"] == 0
    outcome(
        f"S3 {weather} for every service, for 60 s",
        expected=running.wanted,
        found=running.came_to(video_id),
        recovered_s=recovered_s,
    )


def test_a_second_supervisor_of_one_folder_is_refused_and_the_first_goes_on(running: Running, outcome: Outcome) -> None:
    before: list[Any] = [(part.name, part.pid) for part in running.home.last().parts]  # type: ignore[union-attr]  # it runs

    with pytest.raises(AlreadyRunning, match="something runs already"):
        Launched(running.home)
    after: list[Any] = [(part.name, part.pid) for part in running.home.last().parts]  # type: ignore[union-attr]  # it runs

    outcome(
        "a second supervisor in the same folder",
        expected=[f"{name} {pid}" for name, pid in before],
        found=[f"{name} {pid}" for name, pid in after],
    )
    assert send(running.api, running.film, "after the second supervisor")
