"""Byte ranges."""

import pytest
from heaters_review_api.web.ranges import NotSatisfiable, Part, part_of


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", Part(0, 1, 100)),
        ("bytes=10-19", Part(10, 20, 100)),
        ("bytes=90-1000", Part(90, 100, 100)),
        ("bytes=90-", Part(90, 100, 100)),
        ("bytes=-10", Part(90, 100, 100)),
        ("bytes=-1000", Part(0, 100, 100)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("frames=0-1", None),
        ("nonsense", None),
        (f"bytes=0-{'9' * 5000}", None),
        (f"bytes=-{'9' * 5000}", None),
    ],
)
def test_a_range_is_the_part_it_names(header: str | None, part: Part | None) -> None:
    assert part_of(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_is_not_satisfiable(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        part_of(header, 100)
