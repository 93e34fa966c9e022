"""One desk for all tests of the page that need no desk of their own, and the people at it."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import browser, installed
from desk import whole
from divided import divided_film
from firefox import Firefox
from heaters_local.client import Api
from playwright.sync_api import Browser, BrowserContext, expect
from visitor import Person, Seen, new_key, shown


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a test that failed, tell what was on its pages: on a machine without a screen nobody has seen it."""
    report = yield
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Browser):
                for page in [page for context in value.contexts for page in context.pages]:
                    report.sections.append(("a page", shown(page)))
            if isinstance(value, Firefox):
                report.sections.append(("the page in Firefox", value.shown()))
    return report


# What is waited for comes late on a loaded machine; where it must not come late, a test says how it would be seen.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def any_chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A whole desk that makes a film in many short segments. It has no loop of its own, so it may outlive a module; a browser may not."""
    installed()
    short = {"first_segment_s": "1", "segment_growth": "1", "longest_segment_s": "2"}
    with whole(
        tmp_path_factory.mktemp("desk"), master="false", lease_s="20", upload_part_bytes=str(5 * 1024**2), **short
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
        return divided_film(desk, tmp_path, clips, each_frames, same=same)

    return make


@pytest.fixture
def seen(desk: Api) -> Seen:
    return Seen(desk)
