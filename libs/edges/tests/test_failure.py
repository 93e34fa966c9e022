"""How long to wait, and what to say, when work ends badly."""

import pytest
from heaters_edges.failure import MissingObject, Permanent, TryLater, Unavailable, WrongObject, delay_s, reason_of
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("attempt", "base_s", "wait_s"),
    [
        (1, 2, 2.0),
        (2, 2, 4.0),
        (3, 2, 8.0),
        (4, 2, 16.0),
        (8, 2, 256.0),
        (9, 2, 300.0),
        (50, 2, 300.0),
        (1, 0.05, 0.05),
    ],
)
def test_the_delay_doubles_up_to_five_minutes(attempt: int, base_s: float, wait_s: float) -> None:
    assert delay_s(attempt, base_s=base_s) == wait_s


@pytest.mark.parametrize(
    ("asked", "wait_s"), [(90, 90.0), (0.5, 0.5), (7200, 3600.0), (0, 4.0), (-5, 4.0), (None, 4.0)]
)
def test_what_the_other_side_asks_for_wins_up_to_an_hour(asked: float | None, wait_s: float) -> None:
    assert delay_s(2, base_s=2, problem=TryLater("busy", retry_after_s=asked)) == wait_s


@given(st.integers(1, 10_000), st.floats(0.01, 10))
def test_a_delay_is_never_shorter_than_the_one_before(attempt: int, base_s: float) -> None:
    assert 0 < delay_s(attempt, base_s=base_s) <= delay_s(attempt + 1, base_s=base_s) <= 300


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (ValueError("no  such\n page "), "no such page"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("x" * 5000), "x" * 2000),
        (ValueError("half a smile: \ud83d"), "half a smile: ?"),
    ],
)
def test_a_reason_is_one_line_of_words(problem: Exception, words: str) -> None:
    assert reason_of(problem) == words


def test_an_object_that_is_missing_is_so_for_good_and_a_store_that_lies_or_is_out_is_asked_again() -> None:
    assert issubclass(MissingObject, Permanent)
    assert not issubclass(WrongObject, Permanent)
    assert not issubclass(Unavailable, Permanent)
    assert not issubclass(TryLater, Permanent)
