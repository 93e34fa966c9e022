from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from heaters_media.profiles import PROFILES, REVIEW, ProxyProfile


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_every_profile_keeps_the_laws_of_a_proxy(profile: ProxyProfile) -> None:
    assert profile.breaches() == ()


@pytest.mark.parametrize(
    "change",
    [
        {"b_frames": 2}, {"open_gop": True}, {"stitchable": False}, {"faststart": False}, {"gop_s": Fraction(10)},
        {"longest_px": 3840}, {"shortest_px": 1082}, {"crf": 0}, {"crf": 45}, {"threads": 0},
    ],
    ids=str,
)  # fmt: skip
def test_a_profile_that_breaks_a_law_is_found(change: dict[str, Any]) -> None:
    assert len(replace(REVIEW, **change).breaches()) == 1


def test_a_changed_profile_has_another_tag() -> None:
    tags = {REVIEW.tag, replace(REVIEW, crf=21).tag, replace(REVIEW, preset="fast").tag, replace(REVIEW, name="x").tag}

    assert len(tags) == 4
    assert REVIEW.tag == replace(REVIEW).tag
    assert REVIEW.tag.startswith("review-")


@pytest.mark.parametrize(
    ("width_px", "height_px", "size"),
    [
        (640, 360, (640, 360)),
        (1920, 1080, (1920, 1080)),
        (3840, 2160, (1920, 1080)),
        (2160, 3840, (1080, 1920)),
        (1080, 1920, (1080, 1920)),
        (4096, 1716, (1920, 804)),
        (2000, 2000, (1080, 1080)),
        (131, 77, (131, 77)),
        (8192, 16, (1920, 4)),
    ],
)
def test_a_proxy_is_at_most_1080p_and_never_larger(width_px: int, height_px: int, size: tuple[int, int]) -> None:
    assert REVIEW.size_px(width_px, height_px) == size
