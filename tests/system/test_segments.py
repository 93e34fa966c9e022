"""Cuts and clips are the same whatever the segments' length."""

from fractions import Fraction
from pathlib import Path

import pytest
from desk import footage
from heaters_contracts.detectors import Wish
from heaters_media.plan import Plan, PlannedSegment, plan
from heaters_media.preprocess import preprocess
from heaters_media.profiles import REVIEW
from heaters_media.sample import render_sample
from heaters_preprocessor.core import with_frames_known
from heaters_scenes.core import CONTEXT_FRAMES, FoundCut
from heaters_scenes.detect import detect_file


def cuts_in(film: Path, folder: Path, **division: object) -> tuple[int, list[FoundCut]]:
    """How many segments a division gives, and all cuts found in them, as the services find them."""
    items = list(plan(film, **division))  # type: ignore[arg-type]  # what plan takes
    pieces = [item for item in items if isinstance(item, PlannedSegment)]
    assert isinstance(items[-1], Plan)
    found: list[FoundCut] = []
    for piece, known in with_frames_known(pieces, context_frames=CONTEXT_FRAMES):
        out = folder / f"{len(pieces)}-{piece.index}"
        out.mkdir()
        made = preprocess(film, piece, total_frames=known, out_dir=out, profile=REVIEW)
        found += detect_file(made.tiny, out / "scores.npy", Wish("adaptive"), threads=1).cuts
    return len(pieces), found


@pytest.fixture(scope="module", params=["sample", pytest.param("testvideo.mp4", marks=pytest.mark.long)])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param != "sample":
        return footage(request.param)
    path = tmp_path_factory.mktemp("sample") / "sample.mp4"
    render_sample(path)
    return path


def test_one_segment_and_five_give_equal_cuts(film: Path, tmp_path: Path) -> None:
    one, whole = cuts_in(film, tmp_path, lengths_s=[Fraction(10**9)])
    five, divided = cuts_in(film, tmp_path, parts=5)

    assert (one, five) == (1, 5)
    assert whole == divided
    assert len(whole) >= 3
