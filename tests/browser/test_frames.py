"""Clips in Chromium: the frame on the screen is the frame that the ledger names, for playback and for exports."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from heaters_media.export import export
from heaters_media.film import FilmKind, render_film
from heaters_media.ledger import Packets
from heaters_media.plan import Plan, PlannedSegment, plan
from heaters_media.playback import mux_playback, plan_playback
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW
from playwright.sync_api import Page

from benchmarks._chromium import chromium_path, screen, shown_numbers

pytestmark = pytest.mark.browser

UNEVEN = [0]
for step in (33, 34, 41, 17, 66) * 12:
    UNEVEN.append(UNEVEN[-1] + step)
KINDS = {
    "plain": FilmKind(),
    "b_frames": FilmKind(b_frames=3, gop_frames=24),
    "uneven": FilmKind(frames=60, pts=UNEVEN[:60], time_base=Fraction(1, 1000), b_frames=2),
    "begins_late": FilmKind(first_tick=37, b_frames=2),
    "trimmed": FilmKind(hidden_frames=7, b_frames=2),
}
CASES = [
    ("plain", False),
    ("b_frames", True),
    ("uneven", False),
    ("uneven", True),
    ("begins_late", True),
    ("trimmed", False),
]
Parts = list[tuple[Packets, Path]]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if chromium_path() is None:
        pytest.skip("NO BROWSER: install chromium to test the pages")
    with screen() as found:
        yield found


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{'reused' if case[1] else 'encoded'}")
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Parts, list[int], Fraction]:
    """A numbered film in segments: its parts, when each frame begins and the last one ends, and its time base."""
    (name, reused), folder = request.param, tmp_path_factory.mktemp("film")
    source = render_film(folder / "film.mp4", KINDS[name])
    *pieces, whole = plan(source, first_s=1, longest_s=1, only_at_keys=reused)
    assert isinstance(whole, Plan)
    parts: Parts = []
    for piece in pieces:
        assert isinstance(piece, PlannedSegment)
        (out := folder / str(piece.index)).mkdir()
        made = preprocess(source, piece, total_frames=whole.frames, out_dir=out, profile=REVIEW, source_is_proxy=reused)
        parts.append((Packets.load(made.packets), made.proxy or source))
    return parts, [*whole.table.pts.tolist(), whole.table.end_ticks], whole.table.time_base


def played(parts: Parts, start: int, end: int, out: Path) -> Path:
    wanted = plan_playback([packets for packets, _ in parts], start, end)
    blobs = []
    for read in wanted.reads:
        with parts[read.part][1].open("rb") as file:
            file.seek(read.offset_bytes)
            blobs.append(file.read(read.length_bytes))
    out.write_bytes(mux_playback(wanted, blobs))
    return out


def check(page: Page, clip: Path, ticks: Sequence[int], time_base: Fraction, start: int, end: int) -> None:
    assert shown_numbers(page, clip, ticks[start : end + 1], time_base) == [*range(start, end), end - 1]


@pytest.mark.parametrize(("start", "end"), [(7, 31), (40, 41)])
def test_playback_shows_exactly_the_clips_frames(
    page: Page, film: tuple[Parts, list[int], Fraction], tmp_path: Path, start: int, end: int
) -> None:
    parts, ticks, time_base = film

    clip = played(parts, start, end, tmp_path / "clip.mp4")

    check(page, clip, ticks, time_base, start, end)


@pytest.mark.parametrize(("start", "end"), [(7, 31), (40, 42)])
def test_an_export_shows_exactly_the_clips_frames(
    page: Page, film: tuple[Parts, list[int], Fraction], tmp_path: Path, start: int, end: int
) -> None:
    parts, ticks, time_base = film

    done = export(parts, start, end, tmp_path / "clip.mp4", REVIEW)

    check(page, done.path, ticks, time_base, start, end)
