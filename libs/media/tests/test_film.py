"""Numbered films: rendering one leaves the process as it was."""

import os
from pathlib import Path

import pytest
from heaters_media.film import FilmKind, render_film


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no scheduling policies to look at")
def test_an_av1_film_leaves_no_real_time_thread_behind(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)

    render_film(tmp_path / "film.mkv", FilmKind(codec="libsvtav1", options={"preset": "12"}, frames=3))

    assert os.sched_getscheduler(0) == before
