"""What a person at the desk does, for tests: send a video in, wait, look."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from heaters_local.client import Api
from heaters_local.launch import Launched
from heaters_local.ports import free_port
from heaters_local.state import Home, State

FOOTAGE = Path(__file__).parents[3] / "shared" / "footage"
"""Real films beside the checkout, where somebody has put them; tests do more then, and none needs them."""


def footage(name: str) -> Path:
    """A real film; skips the test where it is not there."""
    path = FOOTAGE / name
    if not path.is_file():
        pytest.skip(f"no footage beside the checkout: {name}")
    return path


@contextmanager
def whole(folder: Path, *, table: Path | None = None, **settings: str) -> Iterator[tuple[Api, State]]:
    """Everything, running: servers and six services; those of the product's table, or of another one."""
    # Wholes that start side by side would all choose the page's usual port, and only one of them would get it.
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "ports.json").exists():
        (folder / "ports.json").write_text(json.dumps({"review-api-1": free_port()}))
    with pytest.MonkeyPatch.context() as patch:
        # Tests send one film many times, each to be worked on for itself.
        for name, value in {"link_duplicates": "false", **settings}.items():
            patch.setenv(f"HEATERS_{name.upper()}", value)
        launched = Launched(
            Home(folder), table=table
        )  # it keeps them; whatever else runs in this process must not have them
    try:
        state = launched.until_ready()
        with Api(state.urls["review"], state.token) as api:
            yield api, state
    finally:
        launched.stop()


def wait_for(look: Callable[[], Any], what: str, *, within_s: float = 60) -> Any:
    """Look again and again until there is something; fail, saying what was awaited, when the time is up."""
    deadline = time.monotonic() + within_s
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"{what} did not come within {within_s} s"
        time.sleep(0.1)


def send(api: Api, film: Path, request_id: str | None = None) -> str:
    """Upload a film and ask for it; returns the video's id."""
    stored = api.upload(film)
    asked = api.ingest(
        {"kind": "upload", "key": stored["key"], "name": film.name},
        lane="interactive",
        request_id=request_id,
        options={},
    )
    return str(asked["video_id"])


def in_review(api: Api, video_id: str, *, within_s: float = 90) -> Any:
    """The video, once all of it is open for review."""

    def look() -> Any:
        try:
            video = api.video(video_id)
        except Exception as problem:  # noqa: BLE001 - the API may be down for a moment: that is what some tests do to it
            return None if getattr(problem, "status", 0) in (0, 404, 502, 503) else pytest.fail(str(problem))
        assert not video["failures"], video["failures_list"]
        return (
            video
            if video["state"] in ("in_review", "done") and video["segments_done"] == video["segments_total"]
            else None
        )

    return wait_for(look, f"the review of {video_id}", within_s=within_s)


def embedded(api: Api, video_id: str, *, within_s: float = 120) -> Any:
    """The video, once all of it is made and every clip of it is embedded."""

    def look() -> Any:
        try:
            video = api.video(video_id)
        except Exception as problem:  # noqa: BLE001 - the API may be down for a moment: that is what some tests do to it
            return None if getattr(problem, "status", 0) in (0, 404, 502, 503) else pytest.fail(str(problem))
        live = [clip for clip in video["clips_list"] if clip["state"] != "superseded"]
        made = video["segments_total"] and video["segments_done"] == video["segments_total"]
        return video if made and live and all(clip["state"] == "embedded" for clip in live) else None

    return wait_for(look, f"the last embedding of {video_id}", within_s=within_s)


def failure(api: Api, video_id: str, *, within_s: float = 60) -> Any:
    """The failure of a video."""

    def look() -> Any:
        return next((f for f in api.failures() if f["video_id"] == video_id), None)

    return wait_for(look, f"a failure of {video_id}", within_s=within_s)
