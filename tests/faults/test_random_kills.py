"""Kills at random moments: any process, the workers' children included, as often as HEATERS_KILLS says; by a seed, so that it can be repeated."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from desk import embedded, send, wait_for, whole
from fault_outcome import Outcome
from heaters_local.client import ApiError, Unreachable
from heaters_local.state import Home
from heaters_media.sample import render_sample
from left_over import processes_of
from whole_video import came_to

KILLS = int(os.environ.get("HEATERS_KILLS", "20"))
SEED = int(os.environ.get("HEATERS_SEED", "1"))
SERVICES = ("downloader", "preprocessor", "scenes", "exporter", "embedder", "review-api")


@pytest.mark.long
def test_services_killed_at_random_lose_nothing_and_double_nothing(tmp_path: Path, outcome: Outcome) -> None:
    film = tmp_path / "film.mp4"
    render_sample(film)
    dice = random.Random(SEED)
    home = Home(tmp_path / "home")
    kills = 0
    recovered: list[float] = []
    with whole(tmp_path / "home", retry_base_s="0.2", master="false", ack_wait_s="3", grace_s="1") as (api, state):
        calm = send(api, film, f"random-{SEED}-calm")
        wait_for(lambda: approve_all(api, calm), "the last verdict", within_s=300)
        embedded(api, calm, within_s=300)
        videos: list[str] = []
        while kills < KILLS:
            videos.append(send(api, film, f"random-{SEED}-{len(videos)}"))
            for _ in range(min(10, KILLS - kills)):
                time.sleep(dice.uniform(0.1, 2.0))
                kills += kill_one(home, dice)
                approve_all(api, videos[-1])
            last = time.monotonic()
            wait_for(lambda: approve_all(api, videos[-1]), "the last verdict", within_s=300)
            done = embedded(api, videos[-1], within_s=300)
            recovered.append(time.monotonic() - last)
            assert done["failures"] == 0
        wanted = came_to(state, calm)
        found = [thing for video_id in videos for thing in came_to(state, video_id)]

    outcome(
        f"kill -9 of any process at random moments (seed {SEED})",
        tried=kills,
        expected=wanted * len(videos),
        found=found,
        recovered_s=sorted(recovered)[len(recovered) // 2],
    )
    assert processes_of(home.path) == []


def kill_one(home: Home, dice: random.Random) -> int:
    """Kill -9 a service, or a process that works for one; returns how many were killed."""
    state = home.last()
    parts = [p for p in state.parts if p.pid and p.name.rpartition("-")[0] in SERVICES] if state else []
    if not parts:
        return 0
    pid = dice.choice(parts).pid
    assert pid
    try:
        below = psutil.Process(pid).children(recursive=True)
        victim = dice.choice([pid, *(child.pid for child in below)])
        os.kill(victim, signal.SIGKILL)
    except (psutil.Error, ProcessLookupError):
        return 0
    return 1


def approve_all(api: Any, video_id: str) -> bool:
    """Approve what is open; True once all of a reviewed video is decided."""
    try:
        video = api.video(video_id)
        for clip in list(api.clips(video=video_id, state="pending_review")):
            api.approve(clip["id"])
        return video["state"] in ("in_review", "done") and not list(api.clips(video=video_id, state="pending_review"))
    except (ApiError, Unreachable):
        return False  # it was review-api's turn to die
