"""The review desk in a real browser: every frame, every key that decides, and everything that can go wrong meanwhile."""

import os
import re
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import browser
from desk import in_review, send, wait_for, whole
from heaters_local.client import Api
from heaters_local.state import Home
from heaters_media.film import FilmKind, read_numbers, render_film
from playwright.sync_api import Browser, BrowserContext, Page, expect
from visitor import RENDERED, Seen, cut_off

pytestmark = pytest.mark.browser

CLIPS, EACH_FRAMES = 60, 8
DASH = "\N{EN DASH}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Api]:
    with whole(tmp_path_factory.mktemp("home"), master="false", lease_s="8") as (api, state):
        api.home = Home(Path(state.home))  # type: ignore[attr-defined]  # one test kills a service of it
        yield api


@pytest.fixture(scope="module")
def video_id(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A numbered film, divided by hand into sixty clips of eight frames."""
    film = render_film(
        tmp_path_factory.mktemp("film") / "numbers.mp4",
        FilmKind(frames=CLIPS * EACH_FRAMES, width_px=320, height_px=180),
    )
    video_id = send(api, film)
    in_review(api, video_id)
    known = {cut["frame"] for cut in api.video(video_id)["cuts"]}
    for frame in sorted(known):
        ask(api, f"/api/videos/{video_id}/cuts", {"operation": "remove", "frame": frame})
    for n in range(1, CLIPS):
        ask(api, f"/api/videos/{video_id}/cuts", {"operation": "add", "frame": n * EACH_FRAMES})
    return video_id


def ask(api: Api, path: str, body: object) -> None:
    answer = api._http.post(path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex})
    assert answer.is_success, answer.text


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, api: Api, video_id: str) -> Page:
    page = context.new_page()
    page.goto(api.page)
    page.goto(f"{api.url}/review/{video_id}")
    expect(page.locator("video.on")).to_have_count(1, timeout=20_000)
    wait_for(lambda: page.evaluate("document.querySelector('video.on')?.readyState >= 2"), "a decoded frame")
    return page


def states(api: Api, video_id: str) -> dict[int, str]:
    live = [clip for clip in api.video(video_id)["clips_list"] if clip["state"] != "superseded"]
    return {clip["start"]: clip["state"] for clip in live}


def start_of(page: Page) -> int:
    """The first frame of the clip that is shown, as the page names it."""
    said = page.locator("[data-frames]").inner_text()
    return int(said.split("(")[1].split(DASH)[0])


def settled(page: Page) -> None:
    page.evaluate(RENDERED)
    expect(page.locator("[data-saving]")).to_have_count(0, timeout=30_000)


def test_each_step_shows_exactly_the_frame_that_is_named(page: Page, api: Api) -> None:
    first, seen = start_of(page), Seen(api)
    page.keyboard.press("Home")
    wait_for(lambda: seen.frame(page) == first, "the first frame")

    for key, n in ((".", 1), (".", 2), (".", 3), (",", 2), ("Shift+ArrowRight", 7), ("ArrowLeft", 6), ("Home", 0)):
        page.keyboard.press(key)
        expect(page.locator("[data-frame]")).to_have_text(f"frame {first + n}")
        wait_for(lambda n=n: seen.frame(page) == first + n, f"frame {n}, after {key}")
    page.keyboard.press("End")
    wait_for(lambda: seen.frame(page) == first + 7, "the last frame")
    page.wait_for_timeout(350)  # it stays there: nothing loops

    assert page.locator("[data-frame]").inner_text() == f"frame {first + 7}"
    assert seen.frame(page) == first + 7


def test_keys_play_loop_and_find(page: Page, api: Api) -> None:
    pause = page.get_by_role("button", name="Pause", exact=True)
    play = page.get_by_role("button", name="Play", exact=True)

    expect(pause).to_be_visible()
    page.keyboard.press("Space")
    expect(play).to_be_visible()
    page.keyboard.press("l")
    page.keyboard.press("l")
    wait_for(lambda: page.evaluate("document.querySelector('video.on').playbackRate") == 2, "double speed")
    page.keyboard.press("k")
    expect(play).to_be_visible()
    page.keyboard.press("r")
    assert page.evaluate("document.querySelector('video.on').loop") is False
    page.keyboard.press("r")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("failed")
    expect(page.get_by_role("combobox", name="Find anything")).to_have_value("failed")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{api.url}/failed")


@pytest.fixture
def usual_keys(api: Api) -> Iterator[None]:
    """Whatever a test does with the keys, the others press the usual ones."""
    yield
    api._http.put("/api/me/settings", json={"settings": {}}).raise_for_status()


@pytest.mark.usefixtures("usual_keys")
def test_a_key_of_ones_own_is_kept_by_the_server(page: Page, api: Api, chromium: Browser) -> None:
    page.keyboard.press("?")
    page.get_by_role("button", name="Key for: Skip", exact=True).click()
    page.keyboard.press("q")
    wait_for(lambda: "skip" in api._http.get("/api/me/settings").json()["settings"].get("keys", {}), "the kept key")

    other = chromium.new_context()
    elsewhere = other.new_page()
    elsewhere.goto(api.page)
    expect(elsewhere.get_by_role("navigation", name="Pages")).to_be_visible()
    elsewhere.keyboard.press("?")
    expect(elsewhere.get_by_role("button", name="Key for: Skip", exact=True)).to_have_text("Q")
    elsewhere.get_by_role("button", name="All as usual").click()
    wait_for(lambda: api._http.get("/api/me/settings").json()["settings"]["keys"] == {}, "the usual keys")
    other.close()


def test_many_clips_with_undo_redo_cuts_a_group_and_a_restart(page: Page, api: Api, video_id: str) -> None:
    verdicts: dict[int, str] = {}
    words = {"a": "embedded", "s": "review_skipped", "x": "review_archived"}

    def decide(key: str) -> int:
        start = start_of(page)
        page.keyboard.press(key)
        expect(page.locator("[data-frames]")).not_to_contain_text(f"({start}{DASH}")
        verdicts[start] = words[key]
        return start

    for n in range(20):
        decide("sxs"[n % 3])
    last = decide("x")
    page.keyboard.press("u")
    expect(page.locator("[data-frames]")).to_contain_text(f"({last}{DASH}")
    page.keyboard.press("Control+Shift+Z")
    expect(page.locator("[data-frames]")).not_to_contain_text(f"({last}{DASH}")
    settled(page)

    page.keyboard.press("Home")
    start = start_of(page)
    page.keyboard.press("]")
    page.keyboard.press("Alt+ArrowLeft")
    page.keyboard.press("Alt+ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("[data-frames]")).to_contain_text(f"6 ({start}{DASH}{start + 5})")
    page.keyboard.press("u")
    expect(page.locator("[data-frames]")).to_contain_text(f"8 ({start}{DASH}{start + 7})", timeout=20_000)
    settled(page)

    pid = next(p.pid for p in api.home.running().parts if p.name == "review-api-1")  # type: ignore[attr-defined]  # see the fixture
    os.kill(pid, signal.SIGKILL)
    for key in "sxsxs":
        decide(key)
    expect(page.locator("[data-saving]")).to_have_count(0, timeout=90_000)
    for n in range(10):
        decide("sx"[n % 2])
    first = start_of(page)
    page.keyboard.press("g")
    expect(page.locator("[data-frames]")).not_to_contain_text(f"({first}{DASH}")
    settled(page)

    found = states(api, video_id)
    assert {start: found[start] for start in verdicts} == verdicts
    assert len(verdicts) == 36
    grouped = [clip for clip in api.video(video_id)["clips_list"] if clip["group"]]
    assert [clip["start"] for clip in grouped] == [first, first + EACH_FRAMES]


def test_a_lost_connection_loses_no_verdict(page: Page, context: BrowserContext, api: Api, video_id: str) -> None:
    before = sum(state == "pending_review" for state in states(api, video_id).values())

    cut_off(context)
    for _ in range(3):
        page.keyboard.press("s")
        page.wait_for_timeout(60)
    expect(page.locator("[data-saving]")).to_have_text("3 saving")
    assert sum(state == "pending_review" for state in states(api, video_id).values()) == before
    context.set_offline(False)
    settled(page)

    assert sum(state == "pending_review" for state in states(api, video_id).values()) == before - 3


def test_two_pages_never_show_the_same_clip(page: Page, context: BrowserContext, api: Api, video_id: str) -> None:
    other = context.new_page()
    other.goto(f"{api.url}/review/{video_id}")
    expect(other.locator("video.on")).to_have_count(1)

    here = page.locator("video.on").get_attribute("data-clip")
    there = other.locator("video.on").get_attribute("data-clip")
    other.close()

    assert here is not None
    assert there is not None
    assert here != there


def test_many_clips_are_decided_by_one_key_and_taken_back_by_one(page: Page, api: Api, video_id: str) -> None:
    for clip in [one for one in api.video(video_id)["clips_list"] if one["state"] == "pending_review"][:2]:
        ask(api, f"/api/clips/{clip['id']}/verdict", {"verdict": "skip"})
    page.goto(f"{api.url}/grid?state=review_skipped&video={video_id}")
    tiles = page.get_by_role("gridcell")
    expect(tiles.first).to_be_visible(timeout=20_000)
    before = states(api, video_id)
    skipped = [start for start, state in before.items() if state == "review_skipped"]

    page.keyboard.press("Control+a")
    expect(page.locator(".chosen-bar")).to_contain_text(f"{len(skipped)} selected")
    page.keyboard.press("x")
    wait_for(lambda: all(states(api, video_id)[s] == "review_archived" for s in skipped), "the verdict on all")
    page.keyboard.press("u")
    wait_for(lambda: states(api, video_id) == before, "all of it taken back")


def test_a_file_is_dropped_in_and_the_saved_clip_plays(page: Page, api: Api, tmp_path: Path) -> None:
    film = render_film(tmp_path / "dropped.mp4", FilmKind(frames=50, width_px=320, height_px=180))
    page.goto(f"{api.url}/pipeline")
    page.set_input_files("input[type=file]", film)
    row = page.get_by_role("row").filter(has_text="dropped")
    waiting = row.get_by_role("link", name=re.compile(r"of \d+ left"))
    expect(waiting).to_be_visible(timeout=90_000)

    waiting.click()
    expect(page.locator("video.on")).to_have_count(1, timeout=20_000)
    clip = page.locator("video.on").get_attribute("data-clip")
    page.keyboard.press("a")
    wait_for(lambda: api._http.get(f"/api/clips/{clip}").json()["object"], "the export", within_s=90)
    saved = tmp_path / "saved.mp4"
    saved.write_bytes(api._http.get(f"/api/clips/{clip}/download", follow_redirects=True).content)
    player = page.context.new_page()
    player.goto(saved.as_uri())
    wait_for(lambda: player.evaluate("document.querySelector('video')?.readyState >= 2"), "a decoded frame")

    span = api._http.get(f"/api/clips/{clip}").json()
    assert read_numbers(saved) == list(range(span["start"], span["end"]))
    assert span["start"] == 0
