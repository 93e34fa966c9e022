"""Every page as people come to it: dark and light, wide and narrow, without a pointer, without motion, and with nothing wrong in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from desk import failure, send
from divided import divided_film
from heaters_local.client import Api
from playwright.sync_api import Page, expect
from visitor import Person, press

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
_AXE = Path(__file__).parents[2] / "services" / "review-api" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
# axe's experimental rule takes the key that is drawn in a field, and the length under a tile, for their labels.
_FAULTS = """async () => (await axe.run(document, {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'], rules: {'label-content-name-mismatch': {enabled: false}},
}))
  .violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(' ')}: ${node.failureSummary}`))"""
_WIDE, _NARROW = {"width": 1440, "height": 900}, {"width": 380, "height": 800}


@dataclass(frozen=True)
class Desk:
    """A desk with something on every page."""

    api: Api
    video_id: str
    broken_id: str

    def pages(self) -> Iterator[tuple[str, str]]:
        """Paths of all pages, and what is there once they are ready."""
        yield f"/review/{self.video_id}", "video.on"
        yield f"/grid?video={self.video_id}", ".tile .frame[data-loaded=true]"
        yield f"/timeline/{self.video_id}", ".cut"
        yield "/pipeline", f"[data-video='{self.video_id}']"
        yield "/search?words=film", ".tile"
        yield "/search", ".notice"
        yield "/failed", ".fold"
        yield f"/videos/{self.video_id}", ".story li"
        yield f"/videos/{self.broken_id}", ".failure"
        yield "/account", ".audit li"


@pytest.fixture(scope="module")
def broken_id(desk: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("broken") / "notes.mp4"
    path.write_text("not a film\n" * 50)
    video_id = send(desk, path)
    failure(desk, video_id)
    return video_id


@pytest.fixture(scope="module")
def full(desk: Api, tmp_path_factory: pytest.TempPathFactory, broken_id: str) -> Desk:
    """What these tests look at; none of them changes it."""
    return Desk(desk, divided_film(desk, tmp_path_factory.mktemp("films"), 4, 25), broken_id)


def axe(page: Page) -> list[str]:
    """What a person with a screen reader, or with weak eyes, would stumble over."""
    if not _AXE.is_file():
        pytest.skip("NO AXE: run services/review-api/ui/build.py to install axe-core and check who can use the pages")
    page.evaluate(_AXE.read_text())
    found: list[str] = page.evaluate(_FAULTS)
    return found


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        pytest.param(_WIDE, "dark", id="wide-dark"),
        pytest.param(_WIDE, "light", id="wide-light"),
        pytest.param(_NARROW, "dark", id="narrow-dark"),
        # Its colours are those of the wide page, its layout that of the dark one.
        pytest.param(_NARROW, "light", id="narrow-light", marks=pytest.mark.long),
    ],
)
def test_everybody_can_use_every_page_and_nothing_is_wrong_in_it(
    person: Come, full: Desk, theme: str, size: dict[str, int]
) -> None:
    somebody = person(viewport=size, color_scheme=theme)
    page = somebody.look()
    faults: list[str] = []

    for path, ready in full.pages():
        page.goto(f"{full.api.url}{path}")
        expect(page.locator(ready).first).to_be_visible(timeout=20_000)
        faults += [f"{path}: {fault}" for fault in axe(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{path}: wider than the window")
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    faults += [f"keys: {fault}" for fault in axe(page)]
    press(page, "Escape", "Control+k")
    expect(page.get_by_role("dialog", name="Find anything")).to_be_visible()
    faults += [f"palette: {fault}" for fault in axe(page)]

    assert not faults, "\n".join(faults)
    assert somebody.wrong == []


def test_whoever_has_no_pointer_sees_where_they_are(person: Come, full: Desk) -> None:
    page = person().look()
    unseen: list[str] = []

    for path, ready in full.pages():
        page.goto(f"{full.api.url}{path}")
        expect(page.locator(ready).first).to_be_visible(timeout=20_000)
        page.evaluate("document.activeElement?.blur()")
        for _ in range(12):
            press(page, "Tab")
            name, style = page.evaluate(
                "(() => { const one = document.activeElement; const drawn = getComputedStyle(one);"
                " return [one.outerHTML.slice(0, 120), `${drawn.outlineStyle} ${drawn.outlineWidth}`]; })()"
            )
            if not name.startswith("<body") and style != "solid 2px":
                unseen.append(f"{path}: {name}: {style}")

    assert not unseen, "\n".join(unseen)


def test_nothing_moves_for_whoever_wants_no_motion(person: Come, full: Desk) -> None:
    page = person(reduced_motion="reduce").look(f"/review/{full.video_id}")
    expect(page.locator(".button").first).to_be_visible()

    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter((one) => { const drawn = getComputedStyle(one);"
        " return parseFloat(drawn.transitionDuration) > 0 || parseFloat(drawn.animationDuration) > 0; })"
        ".map((one) => one.className)"
    )

    assert moving == []
