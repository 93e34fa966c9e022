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
from heaters_local.client import ApiError, Unreachable
from heaters_local.state import Home
from heaters_media.sample import render_sample

KILLS = int(os.environ.get("HEATERS_KILLS", "20"))
SEED = int(os.environ.get("HEATERS_SEED", "1"))
SERVICES = ("downloader", "preprocessor", "scenes", "exporter", "embedder", "review-api")


@pytest.mark.long
def test_services_killed_at_random_lose_nothing_and_double_nothing(tmp_path: Path, outcome: Any) -> None:
    film = tmp_path / "film.mp4"
    render_sample(film)
    dice = random.Random(SEED)
    home = Home(tmp_path / "home")
    kills = videos = 0
    recovered: list[float] = []
    done: list[Any] = []
    with whole(tmp_path / "home", retry_base_s="0.2", master="false", ack_wait_s="3", grace_s="1") as (api, _):
        while kills < KILLS:
            videos += 1
            video_id = send(api, film, f"random-{SEED}-{videos}")
            for _ in range(min(10, KILLS - kills)):
                time.sleep(dice.uniform(0.1, 2.0))
                kills += kill_one(home, dice)
                approve_all(api, video_id)
            last = time.monotonic()
            wait_for(lambda id_=video_id: approve_all(api, id_), "the last verdict", within_s=300)
            done.append(embedded(api, video_id, within_s=300))
            recovered.append(time.monotonic() - last)

    doubled = sum(len(keys) - len(set(keys)) for video in done if (keys := facts_of(video)))
    lost = sum(clip["state"] != "embedded" for video in done for clip in video["clips_list"])
    outcome(
        f"kill -9 of any process at random moments (seed {SEED})",
        tried=kills,
        lost=lost,
        doubled=doubled,
        recovered_s=sorted(recovered)[len(recovered) // 2],
    )
    assert (lost, doubled) == (0, 0)
    assert all(video["failures"] == 0 for video in done)
    assert len({tuple((c["start"], c["end"]) for c in video["clips_list"]) for video in done}) == 1
    assert left_over(home) == []


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


def facts_of(video: Any) -> list[tuple[Any, ...]]:
    """What tells two results of one video apart."""
    results = ("downloaded", "planned", "preprocessed", "detected", "exported", "keyframed", "embedded")
    return [
        (e["type"], e["segment"], e["clip_id"])
        for e in video["events"]
        if e["type"].rpartition(".")[2].rpartition("_")[2] in results
    ]


def left_over(home: Home) -> list[str]:
    """Processes that still use the folder of an installation that was stopped."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            words = process.info["cmdline"] or []  # one that has ended and is not waited for has none
            if any(str(home.path) in word for word in [*words, *process.environ().values()]):
                found.append(" ".join(words))
        except psutil.Error:
            pass  # it has ended, or is not ours
    return found
