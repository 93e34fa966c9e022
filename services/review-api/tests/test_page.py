"""The review page in a real browser."""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from heaters_media.probe import probe
from playwright.async_api import Page, Route, async_playwright, expect

expect.set_options(timeout=20_000)

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine: the page was not tried"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture
async def page(desk: Any) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        yield page
        await browser.close()
        assert complaints == []


async def saved(page: Page) -> None:
    """Wait until everything that was decided is confirmed; the page shows the next clip first, and that it saves a frame later."""
    await page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )
    await expect(page.locator("[data-saving]")).to_have_count(0)


async def test_one_key_is_one_verdict_and_the_next_clip_is_there(desk: Any, film: Any, page: Page) -> None:
    for clip in (await desk.client.get("/api/queue", params={"limit": 500})).json()["items"]:
        await desk.client.post(
            f"/api/clips/{clip['id']}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": "clear"}
        )
    told = film.story()
    tick = probe(film.path).tick
    told.time_base = (tick.numerator, tick.denominator)
    told.ready([7, 33, 41])
    await desk.publish(told)

    held: list[Route] = []
    # Before the page is there: one that is busy may go on past a new route for a while.
    await page.route("**/verdict", lambda route: held.append(route))
    await page.goto(f"{desk.client.base_url}/?token=a-token-for-tests")
    await expect(page.locator("[data-left]")).to_have_text("4 left")
    assert "token" not in page.url
    shown = page.locator("video.on")
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(0, 7)))
    await expect(page.locator("[data-span]")).to_have_text("00:00:00.000 \N{EN DASH} 00:00:00.280")
    await page.keyboard.press("a")
    # It waits for no answer: there is none yet.
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(7, 33)))
    while not held:
        await page.wait_for_timeout(20)
    await held[0].continue_()
    await page.unroute("**/verdict")
    await expect(page.locator("[data-frames]")).to_have_text("26 (7\N{EN DASH}32)")
    await page.keyboard.press("s")
    await page.get_by_role("button", name="Archive").click()
    await expect(page.locator("[data-left]")).to_have_text("1 left")
    await saved(page)

    states = [
        (await desk.client.get(f"/api/clips/{told.clip_id(*span)}")).json()["state"]
        for span in ((0, 7), (7, 33), (33, 41), (41, 60))
    ]
    assert states == ["exporting", "review_skipped", "review_archived", "pending_review"]


async def test_a_verdict_that_is_refused_says_why(desk: Any, story: Any, page: Page) -> None:
    told = story().ready([30])
    await desk.publish(told)
    # Nothing is heard live: the page still shows what has changed meanwhile.
    await page.add_init_script("delete window.SharedWorker; window.EventSource = class extends EventTarget {}")
    await page.goto(f"{desk.client.base_url}/?token=a-token-for-tests")
    await expect(page.locator("video.on")).to_have_count(1)
    clip = await page.locator("video.on").get_attribute("data-clip")

    await desk.client.post(f"/api/clips/{clip}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": "ben"})
    await page.keyboard.press("a")

    await expect(page.locator(".toast")).to_contain_text("meanwhile it became review_skipped by local")


async def test_the_pipeline_shows_videos_and_what_failed(desk: Any, story: Any, page: Page) -> None:
    told = story()
    told.failed("download", told.requested(), reason="text/html came instead of a picture")
    await desk.publish(told)

    await page.goto(f"{desk.client.base_url}/?token=a-token-for-tests")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    await page.keyboard.press("4")

    row = page.get_by_role("row").filter(has_text="download: text/html came instead of a picture")
    await expect(row).to_have_attribute("data-state", "download_failed")
    await expect(row.get_by_role("button", name="Retry")).to_be_enabled()


async def test_keys_group_cut_and_take_back(desk: Any, film: Any, page: Page) -> None:
    for clip in (await desk.client.get("/api/queue", params={"limit": 500})).json()["items"]:
        await desk.client.post(
            f"/api/clips/{clip['id']}/verdict", json={"verdict": "skip"}, headers={"Idempotency-Key": "clear"}
        )
    told = film.story()
    tick = probe(film.path).tick
    told.time_base = (tick.numerator, tick.denominator)
    told.ready([7, 33, 41])
    await desk.publish(told)
    await page.goto(f"{desk.client.base_url}/?token=a-token-for-tests")
    shown = page.locator("video.on")
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(0, 7)))

    await page.keyboard.press("g")
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(33, 41)))
    await saved(page)
    grouped = [(await desk.client.get(f"/api/clips/{told.clip_id(*s)}")).json() for s in ((0, 7), (7, 33))]
    await page.keyboard.press("u")
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(0, 7)))
    await saved(page)
    undone = [(await desk.client.get(f"/api/clips/{told.clip_id(*s)}")).json() for s in ((0, 7), (7, 33))]
    await page.keyboard.press("a")
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(7, 33)))
    for key in ("Home", "Shift+ArrowRight", ".", ".", ".", "b"):
        await page.keyboard.press(key)
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(7, 20)))
    await page.keyboard.press("Control+z")
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(7, 33)))
    await page.keyboard.press("Control+Shift+Z")
    await expect(shown).to_have_attribute("data-clip", str(told.clip_id(7, 20)))
    await page.keyboard.press("Home")
    await page.keyboard.press("b")

    assert grouped[0]["group"] == grouped[1]["group"] is not None
    assert [(c["group"], c["state"]) for c in undone] == [(None, "pending_review")] * 2
    await expect(page.locator(".toast")).to_contain_text("There is a cut at frame 7 already.")
    await expect(page.locator(".line[data-state=refused] .why").first).to_contain_text(
        "There is a cut at frame 7 already."
    )


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_events_page_asks_nobody_else_and_fits_its_window(desk: Any, page: Page, width: int) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.set_viewport_size({"width": width, "height": 800})
    await page.set_extra_http_headers({"authorization": desk.client.headers["authorization"]})

    await page.goto(f"{desk.client.base_url}/docs/events")
    await page.get_by_role("link", name="downloaded.v1").click()
    wide, shown = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    lost = await page.evaluate(
        "[...document.querySelectorAll('nav a')].filter(a => !document.getElementById(a.hash.slice(1))).map(a => a.hash)"
    )

    base = str(desk.client.base_url).rstrip("/")
    pages = {url.removeprefix(base).partition("#")[0] for url in asked} - {"/static/icon.svg"}
    assert pages == {"/docs/events", "/static/tokens.css", "/static/docs.css"}
    assert wide == shown
    assert lost == []
    await expect(page.locator("section:target h2")).to_have_text("video.downloaded.v1")
    await expect(page.locator("section:target h2")).to_be_in_viewport()
