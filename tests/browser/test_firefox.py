"""The desk in the machine's Firefox: a clip plays, frame by frame, and one key is one verdict."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import wait_for
from firefox import Firefox, firefox
from heaters_local.client import Api
from visitor import Seen

pytestmark = pytest.mark.browser


@pytest.fixture
def fox(tmp_path: Path) -> Iterator[Firefox]:
    with firefox(tmp_path / "profile") as found:
        if not found.look("""document.createElement('video').canPlayType('video/mp4; codecs="avc1.640028"')"""):
            pytest.skip("NO H.264 IN FIREFOX: install libavcodec to test the pages in it")
        yield found


def test_firefox_plays_and_decides(fox: Firefox, film: Callable[..., str], seen: Seen, desk: Api) -> None:
    video_id = film(3, 25)
    desk._http.put("/api/me/settings", json={"settings": {}}).raise_for_status()
    playing = "(document.querySelector('video.on')?.currentTime ?? 0) > 0.2"

    for _ in range(3):  # each time away from a page whose films are on their way
        fox.go(desk.page)
        fox.go(f"{desk.url}/review/{video_id}")
        wait_for(lambda: fox.look(playing), "a playing clip")
    fox.press("s")
    wait_for(lambda: "(25" in fox.look("document.querySelector('[data-frames]').innerText"), "the next clip")
    wait_for(lambda: fox.look(playing), "the next clip, playing")
    fox.click(".verdicts button[data-tone=archive]")
    wait_for(lambda: "(50" in fox.look("document.querySelector('[data-frames]').innerText"), "the last clip")
    fox.press("\ue011")  # Home
    fox.press(".")
    wait_for(lambda: fox.look("document.querySelector('[data-frame]').innerText") == "frame 51", "one frame on")
    wait_for(lambda: fox.look("document.querySelector('[data-saving]')") is None, "the confirmations")

    assert seen.states(video_id) == {0: "review_skipped", 25: "review_archived", 50: "pending_review"}
    assert fox.look("document.querySelector('.live').dataset.state") == "live"
