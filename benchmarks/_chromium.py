"""What Chromium shows of a clip: each frame's number, read from the picture on its screen."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from heaters_media.film import read_number
from playwright.sync_api import Page, sync_playwright

_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_HOME = "http://clips.test/"
"""No such host is ever asked: every request of the page is answered here."""
_WIDTH, _HEIGHT = 64, 32
_SHOWN = """
async ({ address, times, width, height }) => {
  const video = document.createElement('video');
  video.muted = true;
  video.src = URL.createObjectURL(await (await fetch(address)).blob());
  await new Promise((loaded, failed) => {
    video.onloadeddata = loaded;
    video.onerror = () => failed(new Error(video.error.message));
  });
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  const pictures = [];
  for (const time of [...times, video.duration]) {
    const drawn = new Promise((done) => video.requestVideoFrameCallback(done));
    const sought = new Promise((done) => { video.onseeked = () => setTimeout(done, 200); });
    video.currentTime = time;
    await Promise.race([drawn, sought]);  // a frame that is on the screen already is not drawn again
    canvas.drawImage(video, 0, 0, width, height);
    const { data } = canvas.getImageData(0, 0, width, height);
    pictures.push(Array.from({ length: width * height }, (_, n) => data[4 * n]));
  }
  return pictures;
}
"""


def chromium_path() -> str | None:
    """The machine's Chromium; None where it has none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def screen() -> Iterator[Page]:
    """An empty page of a browser of its own."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium_path(), args=_FLAGS)
        try:
            page = found.new_page()
            page.route(f"{_HOME}**", lambda route: route.fulfill(content_type="text/html", body="<title>clips</title>"))
            page.goto(_HOME)
            yield page
        finally:
            found.close()


def shown_numbers(page: Page, clip: Path, ticks: Sequence[int], time_base: Fraction) -> list[int]:
    """The number on the screen in the middle of each frame's time, and at the very end of what the player takes for the clip.

    With references past its end, which are decoded and never shown, a player may hold the last frame longer; any frame beyond the
    last would be seen there.

    Args:
        page: from `screen`.
        clip: the file.
        ticks: when each frame begins, and when the last one ends, as the ledger says.
        time_base: seconds a tick.
    """
    middles = [Fraction(a + b - 2 * ticks[0], 2) * time_base for a, b in pairwise(ticks)]
    page.route(f"{_HOME}clip.mp4", lambda route: route.fulfill(content_type="video/mp4", path=clip))
    pictures = page.evaluate(
        _SHOWN,
        {"address": f"{_HOME}clip.mp4", "times": [float(at) for at in middles], "width": _WIDTH, "height": _HEIGHT},
    )
    page.unroute(f"{_HOME}clip.mp4")
    return [read_number(np.array(one, np.uint8).reshape(_HEIGHT, _WIDTH)) for one in pictures]
