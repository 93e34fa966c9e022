"""The laws of a claim and of a run."""

import json
from collections.abc import Callable, Iterable
from typing import Literal

import pytest

from benchmarks.harness import Claim, main, percentile, run, table, topics


@pytest.mark.parametrize(
    ("better", "ours", "peer", "limit", "ratio", "ok"),
    [
        ("lower", 30, 10, 3.0, 3.0, True),
        ("lower", 31, 10, 3.0, 3.1, False),
        ("higher", 50, 10, 5.0, 5.0, True),
        ("higher", 49, 10, 5.0, 4.9, False),
    ],
)
def test_a_claim_holds_up_to_and_including_its_limit(
    better: Literal["lower", "higher"], ours: float, peer: float, limit: float, ratio: float, ok: bool
) -> None:
    claim = Claim("c", ours, peer, "ms", better, limit)

    assert (claim.ratio, claim.ok) == (ratio, ok)


def test_a_claim_without_a_peer_is_measured_against_its_limit() -> None:
    claim = Claim.absolute("c", 12.0, limit=16.0, unit="ms", better="lower")

    assert claim.as_json() == {
        "name": "c",
        "ours": 12.0,
        "peer": 16.0,
        "unit": "ms",
        "ratio": 0.75,
        "better": "lower",
        "limit": 1.0,
        "ok": True,
    }


@pytest.mark.parametrize(("ours", "peer"), [(1.0, 0.0), (1.0, -1.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_what_makes_no_ratio_is_no_claim(ours: float, peer: float) -> None:
    with pytest.raises(ValueError, match="make no ratio"):
        Claim("c", ours, peer, "ms", "lower", 3.0)


def test_rounding_for_the_reader_decides_nothing() -> None:
    claim = Claim("c", 3.00001, 1.0, "ms", "lower", 3.0)

    assert (claim.as_json()["ratio"], claim.ok) == (3.0, False)


def test_a_percentile_lies_between_its_neighbours() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]

    assert percentile(values, 50) == 3.0
    assert percentile(values, 99) == pytest.approx(4.96)


def test_the_other_topics_run_when_one_crashes_and_what_it_claimed_before_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def good() -> Iterable[Claim]:
        yield Claim("a", 1, 1, "ms", "lower", 3.0)

    def bad() -> Iterable[Claim]:
        yield Claim("b", 1, 1, "ms", "lower", 3.0)
        raise RuntimeError("the server went away")

    def silent() -> Iterable[Claim]:
        return ()

    known: dict[str, Callable[[], Iterable[Claim]]] = {"bad": bad, "silent": silent, "good": good}

    claims, crashed = run(known, known.__getitem__)

    assert [claim.name for claim in claims] == ["b", "a"]
    assert crashed == ["bad", "silent"]
    said = capsys.readouterr()
    assert [json.loads(line)["name"] for line in said.out.splitlines()] == ["b", "a"]
    assert "the server went away" in said.err


def test_the_table_says_which_claims_are_broken_and_which_topics_crashed() -> None:
    claims = [Claim("hop_p50", 2.0, 1.0, "ms", "lower", 3.0), Claim("seek", 4.0, 1.0, "ms", "higher", 5.0)]

    assert table(claims, ["pipeline"]).splitlines() == [
        "claim    ours  peer  unit  ratio  limit",
        "hop_p50     2     1  ms     2.00    ≤ 3  holds",
        "seek        4     1  ms     4.00    ≥ 5  BROKEN",
        "pipeline CRASHED",
    ]


def test_a_topic_is_a_module_that_is_no_helper() -> None:
    names = topics()

    assert {"hop", "pipeline"} <= set(names)
    assert not {"harness", "_servers", "__main__", "__init__", "tests"} & set(names)


def test_an_unknown_topic_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "nothing"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert "hop" in capsys.readouterr().err
