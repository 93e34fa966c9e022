"""One desk for all tests of the page that need no desk of their own, and the people at it."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from chromium import browser, installed
from desk import in_review, send, whole
from heaters_local.client import Api
from heaters_media.film import FilmKind, draw_number, render_film
from playwright.sync_api import Browser, BrowserContext
from visitor import Person, Seen, new_key


@pytest.fixture(scope="module")
def any_chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A whole desk that makes a film in many short segments."""
    installed()
    short = {"first_segment_s": "1", "segment_growth": "1", "longest_segment_s": "2"}
    with whole(
        tmp_path_factory.mktemp("desk"), master="false", lease_s="8", upload_part_bytes=str(5 * 1024**2), **short
    ) as (api, _):
        yield api


@pytest.fixture
def person(desk: Api, any_chromium: Browser) -> Iterator[Callable[..., Person]]:
    """People, each with a browser of their own: `person(viewport=...)`. They are signed in by the one token."""
    contexts: list[BrowserContext] = []

    def come(**how: Any) -> Person:
        context = any_chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **how})
        contexts.append(context)
        assert context.request.get(desk.page).ok
        return Person(desk, context)

    desk._http.put("/api/me/settings", json={"settings": {}}).raise_for_status()
    desk._http.post("/api/queue/release", json={"clips": None}, headers=new_key()).raise_for_status()
    yield come
    for context in contexts:
        context.close()


@pytest.fixture
def film(desk: Api, tmp_path: Path) -> Callable[..., str]:
    """Films in review, divided by hand: `film(clips, each_frames)`; numbered, or of one picture that stays the `same`."""

    def make(clips: int, each_frames: int, same: bool = False) -> str:
        path = tmp_path / f"film-{uuid.uuid4().hex[:6]}.mp4"
        if same:
            still(path, clips * each_frames)
        else:
            render_film(path, FilmKind(frames=clips * each_frames, width_px=160, height_px=90))
        video_id = send(desk, path)
        found = {cut["frame"] for cut in in_review(desk, video_id)["cuts"]}
        wanted = {n * each_frames for n in range(1, clips)}
        for operation, frames in (("remove", found - wanted), ("add", wanted - found)):
            for frame in sorted(frames):
                change_cut(desk, video_id, operation, frame)
        return video_id

    return make


def still(path: Path, frames: int) -> None:
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 90, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw_number(12345, 160, 90), format="rgb24")
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))


def change_cut(api: Api, video_id: str, operation: str, frame: int) -> None:
    answer = api._http.post(
        f"/api/videos/{video_id}/cuts", json={"operation": operation, "frame": frame}, headers=new_key()
    )
    assert answer.is_success, answer.text


@pytest.fixture
def seen(desk: Api) -> Seen:
    return Seen(desk)
