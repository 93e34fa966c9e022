"""Which clips a request approves by itself: what a rule may say, and what fits it."""

from fractions import Fraction

import pytest
from heaters_contracts.auto_rule import NAMES, BadRule, Condition, read_rule
from heaters_contracts.ingest import IngestRequest, Options
from pydantic import ValidationError

CLIP = {
    **dict.fromkeys(NAMES),
    "frames": Fraction(75),
    "seconds": Fraction(3),
    "certainty": 0.9,
    "motion": 4.25,
    "black_share": 0.0,
}


def test_a_rule_is_read_condition_by_condition():
    rule = read_rule(" seconds >= 2  AND certainty>0.8 and loudness_db > -30.5 ")

    assert rule.conditions == (
        Condition("seconds", ">=", Fraction(2)),
        Condition("certainty", ">", Fraction(4, 5)),
        Condition("loudness_db", ">", Fraction(-61, 2)),
    )


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ("seconds >= 3", True),
        ("seconds > 3", False),
        ("seconds < 3.000000001", True),
        ("frames >= 75 and frames <= 75", True),
        ("certainty >= 0.9", True),
        ("certainty > 0.9", False),
        ("motion >= 4.25 and black_share <= 0.1", True),
        ("motion >= 4.25 and black_share > 0.1", False),
        ("loudness_db <= 0", False),  # nobody knows how loud it is
    ],
)
def test_all_conditions_must_hold_and_what_is_not_known_fits_none(rule, fits):
    assert read_rule(rule).holds(CLIP) is fits


def test_a_decimal_is_compared_as_it_is_written():
    """The number 0.9 of the clip is the double below 0.9, and fits a bound of just that decimal all the same."""
    assert read_rule("certainty >= 0.9").holds({"certainty": 0.9})
    assert not read_rule("certainty >= 0.9").holds({"certainty": 0.8999999999999999})


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "'' is no condition"),
        ("approve if shorter than 4 s", "is no condition"),
        ("certainty >= 0.8 or motion > 1", "is no condition"),
        ("certainty >= 0.8 and", "is no condition"),
        ("certainty == 0.8", "is no condition"),
        ("certainty >= 1e3", "is no condition"),
        ("certainty >= nan", "is no condition"),
        ("__class__ >= 1", "a clip has no '__class__'"),
        ("duration >= 2", "a clip has no 'duration'; it has frames, seconds, certainty"),
        ("certainty >= 80", "no clip fits `certainty >= 80`: it lies between 0 and 1"),
        ("certainty > 1", "no clip fits"),
        ("seconds >= 5 and seconds <= 4", "no clip fits `seconds >= 5 and seconds <= 4`"),
        ("seconds > 5 and seconds <= 5", "no clip fits"),
        ("frames < 1", "it is at least 1"),
    ],
)
def test_what_is_no_rule_or_fits_no_clip_is_told(rule, says):
    with pytest.raises(BadRule) as problem:
        read_rule(rule)

    assert says in str(problem.value)


def test_a_request_with_a_bad_rule_is_none_and_an_old_fact_with_one_is_still_read():
    body = {"source": {"kind": "url", "url": "https://films.example/a"}, "options": {"auto_rule": "shorter than 4 s"}}

    with pytest.raises(ValidationError, match="is no condition"):
        IngestRequest.model_validate(body)

    assert Options.model_validate(body["options"]).auto_rule == "shorter than 4 s"
