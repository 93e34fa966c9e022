"""What can go wrong at the desk, and what the page says and does then; and what arrives while somebody looks."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import send, wait_for
from heaters_local.client import Api
from heaters_media.film import FilmKind, render_film
from playwright.sync_api import Page, Route, expect
from visitor import Person, Seen, cut_off, intercept, press

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
Film = Callable[..., str]
_FIVE_MIB = 5 * 1024**2


def test_the_strip_shows_the_frames_beside_the_cut_and_nothing_else(person: Come, film: Film, seen: Seen) -> None:
    page = person().review(film(2, 40))
    strip = page.locator(".strip[data-side=out] .strip-cell img")

    expect(page.locator(".strip[data-side=out] .frame[data-loaded=true]")).to_have_count(12, timeout=20_000)

    assert [seen.number(one) for one in strip.all()] == list(range(34, 46))
    assert page.locator(".strip[data-side=in] .frame[data-broken=true]").count() == 0


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("network", "The network was lost"),
        ("object", "Its bytes could not be had: The store lost it."),
        ("decoding", "This browser cannot decode it"),
    ],
)
def test_a_clip_that_does_not_play_says_why_and_is_reported(
    person: Come, film: Film, desk: Api, cause: str, said: str
) -> None:
    video_id = film(1, 8)
    somebody = person()

    def answer(route: Route) -> None:
        if cause == "network":
            route.abort()
        elif cause == "object":
            route.fulfill(status=500, json={"detail": "The store lost it."})
        else:
            route.fulfill(body=b"no film at all", content_type="video/mp4")

    somebody.context.route("**/play.mp4*", answer)
    page = somebody.look(f"/review/{video_id}")
    expect(page.get_by_role("alert")).to_contain_text(said, timeout=20_000)
    wait_for(lambda: desk._http.get(f"/api/videos/{video_id}/player-errors").json()["items"], "the report")

    page.get_by_role("button", name="Look at the video").click()
    expect(page.locator(f"[data-player-error={cause}]")).to_contain_text(f"player ({cause})")
    (report,) = desk._http.get(f"/api/videos/{video_id}/player-errors").json()["items"]
    assert (report["cause"], report["by"], report["times"]) == (cause, "local", 1)


def test_a_tile_that_does_not_play_says_so_and_is_reported_until_it_does(person: Come, film: Film, desk: Api) -> None:
    video_id = film(1, 8)
    somebody = person()
    somebody.context.route(
        "**/play.mp4*", lambda route: route.fulfill(status=500, json={"detail": "The store lost it."})
    )
    page = somebody.look(f"/grid?video={video_id}")
    tile = page.get_by_role("gridcell")

    tile.hover()
    expect(tile.get_by_text("does not play")).to_have_attribute(
        "title", "Its bytes could not be had: The store lost it."
    )
    expect(page.get_by_role("gridcell", name="does not play")).to_have_count(1)
    wait_for(lambda: desk._http.get(f"/api/videos/{video_id}/player-errors").json()["items"], "the report")
    page.mouse.move(0, 0)
    expect(tile.locator("video")).to_have_count(0)
    somebody.context.unroute("**/play.mp4*")
    tile.hover()

    expect(tile.get_by_text("does not play")).to_have_count(0)
    (report,) = desk._http.get(f"/api/videos/{video_id}/player-errors").json()["items"]
    assert (report["cause"], report["by"], report["times"]) == ("object", "local", 1)


def test_a_video_says_what_it_is_that_goes_through_no_stage(person: Come, film: Film, desk: Api) -> None:
    twin, video_id = film(1, 8), film(1, 8)
    found = desk.video(video_id)
    linked = {"state": "linked", "twin": twin, "segments_total": None, "segments_done": 0, "clips": {}}
    listed = {key: value for key, value in found.items() if key not in ("clips_list", "events", "objects")}
    somebody = person()
    others = [one for one in desk._http.get("/api/videos").json()["items"] if one["id"] != video_id]
    many = {"items": [{**listed, **linked}, *others], "next": None}
    one = {**found, **linked, "clips_list": []}
    somebody.context.route("**/api/videos?*", lambda route: route.fulfill(json=many))
    somebody.context.route(f"**/api/videos/{video_id}", lambda route: route.fulfill(json=one))
    page = somebody.look("/pipeline")
    row = page.locator(f"[data-video='{video_id}']")

    expect(row).to_contain_text(f"same as {desk.video(twin)['title']}")
    expect(row.get_by_role("progressbar")).to_have_count(0)
    row.get_by_role("link").first.click()
    expect(page.locator(".video-head")).to_contain_text("same as")
    page.locator(".video-head").get_by_role("link", name=desk.video(twin)["title"]).click()

    expect(page).to_have_url(f"{desk.url}/videos/{twin}")


def test_verdicts_that_could_not_be_sent_outlive_a_reload(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(4, 8)
    somebody = person()
    page = somebody.review(video_id)

    intercept(somebody.context, "**/verdict", lambda route: route.abort())
    press(page, "s", "x", "s")
    expect(page.locator("[data-saving]")).to_have_text("3 saving")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator("[data-saving]")).to_have_text("3 saving")
    assert set(seen.states(video_id).values()) == {"pending_review"}
    somebody.context.unroute("**/verdict")
    seen.saved(page)

    assert list(seen.states(video_id).values()) == [
        "review_skipped",
        "review_archived",
        "review_skipped",
        "pending_review",
    ]


def test_the_page_says_how_many_verdicts_wait_while_it_is_offline(person: Come, film: Film, seen: Seen) -> None:
    video_id = film(3, 8)
    somebody = person()
    page = somebody.review(video_id)
    mark = page.locator(".live")
    expect(mark).to_have_text("live", timeout=20_000)

    cut_off(somebody.context)
    press(page, "s", "s")
    expect(mark).to_contain_text("offline")
    expect(mark).to_contain_text("2 verdicts wait")
    somebody.context.set_offline(False)
    expect(mark).to_have_text("live", timeout=20_000)
    seen.saved(page)

    assert list(seen.states(video_id).values())[:2] == ["review_skipped", "review_skipped"]


def test_a_page_that_was_left_before_its_clips_came_shows_no_other_videos(person: Come, film: Film, seen: Seen) -> None:
    film(2, 8)
    video_id = film(2, 8)
    page = person().look("/account")
    asked: list[str] = []

    def unanswered(route: Route) -> None:
        route.fetch()
        asked.append(route.request.headers["idempotency-key"])

    page.route("**/api/queue/next", unanswered)
    page.goto(page.url.replace("/account", "/"))
    wait_for(lambda: page.title() and asked, "the first wish for clips")
    page.unroute("**/api/queue/next")
    page.goto(page.url + f"review/{video_id}")
    expect(page.locator("video.on")).to_have_count(1, timeout=20_000)

    assert page.locator("video.on").get_attribute("data-clip") == seen.clips(video_id)[0]["id"]


def long_film(path: Path) -> Path:
    """A film of two parts and a bit: what is no picture lies in a box at its end that every reader passes over."""
    render_film(path, FilmKind(frames=50, width_px=160, height_px=90))
    padding = 2 * _FIVE_MIB + 1000
    with path.open("ab") as file:
        file.write(padding.to_bytes(4, "big") + b"free" + bytes(padding - 8))
    return path


def test_an_upload_goes_on_after_a_reload_where_it_broke_off(person: Come, desk: Api, tmp_path: Path) -> None:
    path = long_film(tmp_path / "parts.mp4")
    somebody = person()
    page = somebody.look("/pipeline")
    sent: list[str] = []
    broken = True

    def put(route: Route) -> None:
        part = route.request.url.partition("partNumber=")[2].partition("&")[0]
        if route.request.method == "PUT" and broken and part != "1":
            route.abort()
        else:
            if route.request.method == "PUT":
                sent.append(part)
            route.continue_()

    intercept(somebody.context, "**/*partNumber=*", put)
    page.set_input_files("input[type=file]", path)
    row = page.get_by_role("list", name="Files on their way").get_by_role("listitem")
    expect(row).to_contain_text("5.24 MB of 10.5 MB", timeout=20_000)
    row.get_by_role("button", name="Stop").click()
    expect(row.get_by_role("button", name="Go on")).to_be_visible(timeout=20_000)
    broken = False
    page.reload()
    page.set_input_files("input[type=file]", path)
    expect(page.get_by_role("row").filter(has_text="parts")).to_be_visible(timeout=30_000)

    assert sorted(sent) == ["1", "2", "3"]


def test_a_file_that_is_dropped_on_the_page_becomes_a_video(person: Come, desk: Api, tmp_path: Path) -> None:
    film = render_film(tmp_path / "let_fall.mp4", FilmKind(frames=25, width_px=160, height_px=90))
    page = person().look("/pipeline")
    dropped = page.evaluate_handle(
        """(data) => {
          const carried = new DataTransfer();
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          carried.items.add(new File([bytes], 'let_fall.mp4', {type: 'video/mp4'}));
          return carried;
        }""",
        base64.b64encode(film.read_bytes()).decode(),
    )

    # Until the page is fetched, something else stands in its place.
    page.locator("main.pipeline").dispatch_event("drop", {"dataTransfer": dropped})
    row = page.get_by_role("row").filter(has_text="let_fall")
    expect(row.get_by_role("link", name="1 of 1 left")).to_be_visible(timeout=60_000)


def test_clips_arrive_on_every_page_while_the_rest_of_the_video_is_being_made(
    person: Come, seen: Seen, desk: Api, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    film = render_film(tmp_path / "growing.mp4", FilmKind(frames=1000, width_px=640, height_px=360, gop_frames=25))
    somebody = person()
    pipeline = somebody.look("/pipeline")
    request.addfinalizer(lambda: desk.resume("preprocess"))
    video_id = send(desk, film)
    expect(pipeline.locator(f"[data-video='{video_id}']")).to_be_visible(timeout=20_000)
    wait_for(lambda: desk.video(video_id)["segments_done"] > 1, "the first parts", within_s=90)
    desk.pause("preprocess", "the rest is to be made while somebody looks, however slow they are")
    review = somebody.look(f"/review/{video_id}")
    grid = somebody.look(f"/grid?video={video_id}")
    timeline = somebody.look(f"/timeline/{video_id}")

    expect(review.locator("video.on")).to_have_count(1, timeout=60_000)
    made = desk.video(video_id)
    assert 0 < made["segments_done"] < made["segments_total"] == 40
    expect(grid.get_by_role("gridcell").first).to_be_visible(timeout=20_000)
    expect(timeline.locator(".clip-span").first).to_be_visible(timeout=20_000)
    expect(pipeline.locator(f"[data-video='{video_id}']")).to_contain_text("/40")
    press(review, "s")
    seen.saved(review)
    desk.resume("preprocess")
    wait_for(lambda: desk.video(video_id)["segments_done"] == 40, "the rest", within_s=90)

    count = len(seen.clips(video_id))
    expect(timeline.locator("main header")).to_contain_text(f"{count} clips", timeout=20_000)
    expect(pipeline.locator(f"[data-video='{video_id}']")).to_contain_text(f"{count - 1} of {count} left")


PRESSED_UNTIL_GONE = "(found) => { found.forEach((one) => one.click()); return !found.length; }"


def error_of(page: Page, api: str, path: str) -> None:
    page.route(api, lambda route: route.fulfill(status=500, json={"detail": "The tables are locked."}))
    page.goto(path)
    expect(page.get_by_role("alert").first).to_contain_text("The tables are locked.", timeout=20_000)
    page.unroute(api)


def test_each_page_says_what_went_wrong_and_tries_again(person: Come, film: Film, desk: Api) -> None:
    video_id = film(2, 8)
    page = person().look()

    for api, path in (
        ("**/api/clips/ids?*", f"/grid?video={video_id}"),
        ("**/api/videos?*", "/pipeline"),
        ("**/api/search", "/search?words=film"),
    ):
        error_of(page, api, f"{desk.url}{path}")
        # At once, for some pages look again by themselves, too.
        again = page.get_by_role("button", name="Try again")
        wait_for(lambda again=again: again.evaluate_all(PRESSED_UNTIL_GONE), "the page without its error")
    error_of(page, "**/api/queue/next", f"{desk.url}/review/{video_id}")
    expect(page.locator("video.on")).to_have_count(1, timeout=20_000)
    for api, path in (("**/api/videos/*", f"/videos/{video_id}"), ("**/api/videos/*", f"/timeline/{video_id}")):
        error_of(page, f"{api}*", f"{desk.url}{path}")
        expect(page.get_by_role("link", name="All videos")).to_be_visible()


def test_pages_without_anything_on_them_say_what_would_be_there(person: Come, desk: Api) -> None:
    page = person().look()

    for path, said in (
        ("/grid?tag=nothing-is-called-so", "No clips are like that"),
        ("/search", "Find clips"),
        ("/search?words=zyzzyva", "Nothing was found"),
        ("/videos/00000000-0000-4000-8000-000000000000", "This video cannot be shown"),
    ):
        page.goto(f"{desk.url}{path}")
        expect(page.get_by_role("heading", name=said)).to_be_visible(timeout=20_000)


def test_while_a_page_waits_its_place_is_kept(person: Come, film: Film, desk: Api) -> None:
    video_id = film(1, 8)
    page = person().look()

    for api, path in (
        ("**/api/queue/next", f"/review/{video_id}"),
        ("**/api/clips/ids?*", f"/grid?video={video_id}"),
        ("**/api/videos?*", "/pipeline"),
        (f"**/api/videos/{video_id}*", f"/videos/{video_id}"),
    ):
        page.route(api, lambda route: None)
        page.goto(f"{desk.url}{path}")
        expect(page.locator("[aria-busy=true]")).to_be_visible()
        page.unroute(api)
