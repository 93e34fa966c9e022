"""The review page, in a real browser, on real services."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import browser
from desk import in_review, send, wait_for, whole
from heaters_local.client import Api
from heaters_media.sample import render_sample
from playwright.sync_api import Browser, Page
from visitor import TAKE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Api]:
    with whole(tmp_path_factory.mktemp("home"), master="false") as (api, _):
        yield api


@pytest.fixture(scope="module")
def video_id(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    film = tmp_path_factory.mktemp("film") / "harbour.mp4"
    render_sample(film)
    video_id = send(api, film)
    in_review(api, video_id)
    return video_id


@pytest.fixture
def page(api: Api, video_id: str, chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(api.page)
    yield page
    page.close()
    assert not wrong, wrong


def look(page: Page) -> None:
    """Have what this person's other pages held, and wait until a clip plays."""
    wait_for(lambda: page.evaluate(TAKE) or playing(page), "a playing clip")


def playing(page: Page) -> bool:
    return bool(
        page.evaluate(
            "() => [...document.querySelectorAll('video')].some(v => !v.paused && v.readyState >= 2 && v.currentTime > 0"
            " && getComputedStyle(v).visibility === 'visible')"
        )
    )


def states(api: Api, video_id: str) -> list[str]:
    return [clip["state"] for clip in api.video(video_id)["clips_list"]]


def test_the_token_leaves_the_address_and_the_first_clip_plays(page: Page, api: Api) -> None:
    look(page)

    assert "token" not in page.url
    assert "harbour" in page.inner_text("body")


def test_one_key_is_one_verdict(page: Page, api: Api, video_id: str) -> None:
    look(page)
    before = states(api, video_id)

    page.keyboard.press("a")
    wait_for(lambda: states(api, video_id)[0] != "pending_review", "the approval")
    page.keyboard.press("s")
    wait_for(lambda: states(api, video_id)[1] != "pending_review", "the skip")
    page.keyboard.press("x")
    wait_for(lambda: states(api, video_id)[2] != "pending_review", "the archiving")

    assert set(before) == {"pending_review"}
    assert states(api, video_id)[1:3] == ["review_skipped", "review_archived"]
    assert states(api, video_id)[3:] == before[3:]
    wait_for(lambda: states(api, video_id)[0] == "embedded", "the embedding of what was approved")


def test_the_mouse_can_do_it_too(page: Page, api: Api, video_id: str) -> None:
    look(page)
    before = states(api, video_id)

    page.get_by_role("button", name="Skip").click()
    wait_for(lambda: states(api, video_id).count("pending_review") < before.count("pending_review"), "the verdict")

    after = states(api, video_id)
    assert [(one, other) for one, other in zip(before, after, strict=True) if one != other] == [
        ("pending_review", "review_skipped")
    ]


def test_without_live_updates_the_page_says_so_and_verdicts_are_given_all_the_same(
    chromium: Browser, api: Api, video_id: str
) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script("delete window.SharedWorker")  # the connection is the page's own then, and can be cut here
    page.route("**/api/events*", lambda route: route.abort())
    page.goto(api.page)
    look(page)
    skipped = states(api, video_id).count("review_skipped")

    said = wait_for(lambda: (text := page.locator("button.live").inner_text()) != "connecting" and text, "a word")
    page.keyboard.press("s")
    wait_for(lambda: states(api, video_id).count("review_skipped") == skipped + 1, "the verdict")
    wait_for(lambda: page.locator("[data-saving]").count() == 0, "the page's knowing that it was taken")
    page.close()

    assert said.startswith("reconnecting")


def test_without_a_storyboard_the_timeline_says_so_and_shows_frames(page: Page, api: Api, video_id: str) -> None:
    page.route("**/storyboard", lambda route: route.fulfill(json={"items": []}))

    page.goto(f"{api.url}/timeline/{video_id}")
    wait_for(lambda: "no storyboard: look at frames one at a time" in page.inner_text("main"), "a word")
    shown = wait_for(
        lambda: page.evaluate(
            "() => [...document.querySelectorAll('main img')].filter(i => i.naturalWidth > 0).length"
        ),
        "a frame",
    )

    assert shown


def test_without_a_token_there_is_no_picture(chromium: Browser, api: Api, video_id: str) -> None:
    clip = api.video(video_id)["clips_list"][0]
    page = chromium.new_page()

    answer = page.request.get(f"{api.url}/api/clips/{clip['id']}/play.mp4")
    page.close()

    assert answer.status == 401
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_a_broken_video_says_why_on_the_page(page: Page, api: Api, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a film\n" * 50)

    send(api, tmp_path / "notes.mp4")
    page.get_by_role("link", name="Pipeline").or_(page.get_by_role("button", name="Pipeline")).first.click()

    wait_for(lambda: "not a video" in page.inner_text("body").lower(), "the reason on the page", within_s=30)
