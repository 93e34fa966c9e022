"""The machine's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


def installed() -> str:
    """Where the browser is; skips the test where the machine has none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        pytest.skip("NO BROWSER: install chromium to test the pages")
    return path


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own; skips the test where the machine has none.

    Not for a whole session: while it is there a loop runs in this thread, and tests that run one of their own cannot.
    """
    path = installed()
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield found
        finally:
            found.close()
