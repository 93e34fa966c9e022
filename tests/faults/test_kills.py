"""Killing any one service in mid-work, its children included, and starting it again finishes the video."""

import http.server
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from desk import embedded, in_review, wait_for, whole
from heaters_local.client import Api
from heaters_local.state import Home
from heaters_media.sample import render_sample


@pytest.fixture(scope="module")
def slow_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An address at which the sample film takes some seconds to come, and a part of it can be asked for."""
    film = tmp_path_factory.mktemp("slow") / "sample.mp4"
    render_sample(film)
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
    yield f"http://127.0.0.1:{server.server_port}/sample.mp4"
    server.shutdown()
    server.server_close()


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
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        pid = pid_of(home, name)
        if pid and (child := working_child(pid)):
            os.kill(pid, signal.SIGKILL)
            return child
        time.sleep(0.002)
    raise AssertionError(f"{name} was never seen at work within {within_s} s")


def test_killing_each_service_in_mid_work_finishes_the_video(tmp_path: Path, slow_site: str, outcome: Any) -> None:
    allowed = slow_site.split("/")[2]
    with whole(tmp_path, allow_hosts=allowed, retry_base_s="0.2", master="false", ack_wait_s="3", grace_s="1") as (
        api,
        _,
    ):
        home = Home(tmp_path)
        orphans = []

        def killing(name: str) -> Callable[[], None]:
            return lambda: orphans.append(kill_in_mid_work(home, name))

        asked = api.ingest({"kind": "url", "url": slow_site}, lane="interactive", request_id=None, options={})
        video_id = str(asked["video_id"])
        killing("downloader-1")()
        killing("preprocessor-1")()
        killing("scenes-1")()
        video = in_review(api, video_id)
        for clip in video["clips_list"]:
            api.approve(clip["id"])
        killing("exporter-1")()
        killing("embedder-1")()
        kill_review_api(home, api)
        killed = time.monotonic()
        done = embedded(api, video_id)
        recovered_s = time.monotonic() - killed
        gone = wait_for(
            lambda: not any(p.is_running() for p in orphans) or None, "the end of the killed services' children"
        )

    told = [(e["type"], e["segment"], e["clip_id"]) for e in done["events"] if e["stage"]]
    doubled = len(told) - len(set(told))
    outcome(
        "kill -9 of each service in mid-work, children included",
        tried=6,
        lost=0,
        doubled=doubled,
        recovered_s=recovered_s,
    )
    assert gone
    assert doubled == 0
    assert len(orphans) == 5
    assert done["segments_done"] == done["segments_total"]
    assert all(clip["frames_decoded"] == clip["frames"] for clip in done["clips_list"])
    assert done["failures"] == 0
    assert [e["type"] for e in done["events"]].count("video.planned") == 1
    assert [e["type"] for e in done["events"]].count("clip.embedded") == len(done["clips_list"])


def kill_review_api(home: Home, api: Api) -> None:
    pid = pid_of(home, "review-api-1")
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid_of(home, "review-api-1") not in (None, pid), "the new review-api")
