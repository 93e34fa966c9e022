"""Somebody at the desk, with a browser: what they open, what they see, and what the server says of it."""

import base64
import io
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from desk import wait_for
from heaters_local.client import Api
from heaters_media.film import read_number
from PIL import Image
from playwright.sync_api import APIResponse, BrowserContext, Error, Locator, Page, Route, expect

_PICTURE = """(picture) => {
  const canvas = document.createElement('canvas');
  canvas.width = picture.videoWidth || picture.naturalWidth; canvas.height = picture.videoHeight || picture.naturalHeight;
  canvas.getContext('2d').drawImage(picture, 0, 0);
  return canvas.width && canvas.height ? canvas.toDataURL('image/png').split(',')[1] : '';
}"""

FILMS = """[...document.querySelectorAll('video')].map((v) => `${v.className || 'hidden'} ${v.dataset.clip}: ready ${v.readyState}, `
  + `network ${v.networkState}, ${v.paused ? 'paused' : 'playing'} at ${v.currentTime} of ${v.duration} ${v.error?.message ?? ''}`).join('\\n')"""
"""How each film of a page fares, a line each."""

RENDERED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Until the page is rendered after a verdict: it shows the next film first, and everything else a frame later."""


@dataclass
class Person:
    """Somebody with a browser of their own."""

    api: Api
    context: BrowserContext
    wrong: list[str] = field(default_factory=list)

    def look(self, path: str = "/") -> Page:
        """A page of theirs, opened at a path."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        page.goto(f"{self.api.url}{path}")
        return page

    def review(self, video_id: str) -> Page:
        """The review page of one video, with a clip on the screen."""
        page = self.look(f"/review/{video_id}")
        wait_for(lambda: _has_a_film(page), "a decoded frame", within_s=30)
        return page


TAKE = "[...document.querySelectorAll('.over button')].find((one) => one.innerText.includes('Take mine here'))?.click()"
"""Have what this person's other pages held; nothing where that is not offered, or not any more."""


def _has_a_film(page: Page) -> bool:
    page.evaluate(TAKE)
    return bool(page.evaluate("document.querySelector('video.on')?.readyState >= 2"))


@dataclass
class Seen:
    """What the server says, and what a page shows."""

    api: Api

    def clips(self, video_id: str) -> dict[int, dict[str, Any]]:
        """The clips of a video that stand, by their first frame."""
        return {clip["start"]: clip for clip in self.api.video(video_id)["clips_list"] if clip["state"] != "superseded"}

    def states(self, video_id: str) -> dict[int, str]:
        return {start: str(clip["state"]) for start, clip in self.clips(video_id).items()}

    def cuts(self, video_id: str) -> list[int]:
        return [cut["frame"] for cut in self.api.video(video_id)["cuts"]]

    def span(self, page: Page) -> tuple[int, int]:
        """First and last frame of the clip that is shown, as the page names it."""
        said = page.locator("[data-frames]").inner_text().split("(")[1].rstrip(")").split("\N{EN DASH}")
        return int(said[0]), int(said[-1])

    def frame(self, page: Page) -> int:
        """The number in the frame that is on the screen; -1 while there is none."""
        return self.number(page.locator("video.on"))

    def number(self, picture: Locator) -> int:
        """The number in a picture of the page."""
        data = base64.b64decode(picture.evaluate(_PICTURE))
        if not data:
            return -1
        return read_number(np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.uint8))

    def saved(self, page: Page) -> None:
        """Wait until everything that was decided is confirmed."""
        page.evaluate(RENDERED)
        expect(page.locator("[data-saving]")).to_have_count(0, timeout=30_000)


def shown(page: Page) -> str:
    """Where a page is, what it says, and how its films fare: for the report of a test that failed."""
    try:
        said = page.locator("body").inner_text(timeout=3000)
        return f"{page.url}\n{said}\n{page.evaluate(FILMS)}"
    except Error as error:
        return f"{page.url} says nothing: {error}"


def intercept(where: Page | BrowserContext, pattern: str | re.Pattern[str], handler: Callable[[Route], Any]) -> None:
    """Have requests of pages that are open already answered here, from this moment on.

    A route alone may begin later on a page that is busy: Chromium tells its renderer by the way, and hands it keys first.
    """
    where.route(pattern, handler)
    where.route(_PROBE, lambda route: route.fulfill(status=204))
    for page in [where] if isinstance(where, Page) else where.pages:
        wait_for(lambda page=page: page.evaluate(_PROBED) == 204, "the interception of requests")
    where.unroute(_PROBE)


def cut_off(context: BrowserContext) -> None:
    """Take the network away from somebody's pages; returns when it is gone, which Chromium does not wait for either."""
    context.set_offline(True)
    for page in context.pages:
        wait_for(lambda page=page: page.evaluate(_PROBED) == 0, "the loss of the network")


_PROBE = "**/healthz?probe"
_PROBED = "fetch('/healthz?probe', {cache: 'no-store'}).then((answer) => answer.status, () => 0)"


class Held:
    """Requests of a page that stay on their way until a test lets them go: as new ones, or with the answer they would have had at once."""

    def __init__(self, page: Page, pattern: str | re.Pattern[str], *, answered: bool = False) -> None:
        self._page, self._pattern, self._answered = page, pattern, answered
        self._routes: list[tuple[Route, APIResponse | None]] = []
        self._holds = True
        intercept(page, pattern, self._hold)

    def _hold(self, route: Route) -> None:
        if self._holds:
            self._routes.append((route, route.fetch() if self._answered else None))
        else:
            route.continue_()

    def wait(self, count: int = 1) -> None:
        """Wait until so many are on their way."""
        wait_for(
            lambda: len(self._routes) >= count or self._page.wait_for_timeout(20), f"{count} requests {self._pattern}"
        )

    def let_go(self) -> None:
        """Have all of them answered, and hold no more; returns when the page has taken the answers in."""
        self._holds = False
        for route, answer in self._routes:
            with self._page.expect_event("requestfinished", lambda done, asked=route.request: done == asked):
                if answer is None:
                    route.continue_()
                else:
                    route.fulfill(response=answer)
        self._page.unroute(self._pattern, self._hold)
        self._page.evaluate(RENDERED)

    def pass_on(self) -> None:
        """As `let_go`, without waiting: for what a page may ask for and not want any more."""
        self._holds = False
        for route, _ in self._routes:
            route.continue_()
        self._page.unroute(self._pattern, self._hold)


def new_key() -> dict[str, str]:
    """The header that makes a request one of its own."""
    return {"Idempotency-Key": uuid.uuid4().hex}


def press(page: Page, *keys: str) -> None:
    """Press keys, one after another."""
    for key in keys:
        page.keyboard.press(key)
