"""The breaker: when a stage that fails is let rest, and for how long."""

from uuid import uuid4

from heaters_edges.pauses import Breaker


def test_as_many_videos_in_a_row_as_are_set_make_a_burst() -> None:
    breaker = Breaker(most=3, cooldown_s=60)

    rests = [breaker.failed(uuid4()) for _ in range(3)]

    assert rests == [None, None, 60.0]


def test_one_broken_film_makes_no_burst_however_many_segments_it_has() -> None:
    breaker = Breaker(most=3, cooldown_s=60)
    film = uuid4()

    assert [breaker.failed(film) for _ in range(10)] == [None] * 10


def test_a_success_between_failures_makes_a_burst_begin_anew() -> None:
    breaker = Breaker(most=2, cooldown_s=60)
    breaker.failed(uuid4())

    breaker.succeeded()

    assert breaker.failed(uuid4()) is None
    assert not breaker.is_probing


def test_a_rest_doubles_while_nothing_succeeds_up_to_half_an_hour() -> None:
    breaker = Breaker(most=1, cooldown_s=600)

    rests = [breaker.failed(uuid4()) for _ in range(4)]
    breaker.succeeded()

    assert rests == [600.0, 1200.0, 1800.0, 1800.0]
    assert breaker.failed(uuid4()) == 600.0


def test_a_breaker_of_zero_never_lets_rest() -> None:
    breaker = Breaker(most=0, cooldown_s=60)

    assert [breaker.failed(uuid4()) for _ in range(100)] == [None] * 100
