"""Runs the topics of this folder, side by side with their peers, and says which claims hold.

A topic is a module here with a function `claims()`, that yields each `Claim` as soon as it is measured; modules that begin with an
underscore help them. A claim is one line of JSON on standard output, the run ends with a table, and what a topic has to say beside
its claims goes to standard error. The exit code is 0 only when every topic ran and every claim holds.
"""

import argparse
import importlib
import json
import math
import pkgutil
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

__all__ = ["Claim", "main", "note", "percentile", "run", "table", "topics"]

_NO_TOPICS = ("harness",)


@dataclass(frozen=True, slots=True)
class Claim:
    """A measured number beside its peer's, and how they may relate.

    Attributes:
        name: as the claim is known elsewhere; one topic may have several.
        ours: measured on ours, in `unit`; finite.
        peer: measured on the peer, in the same run and unit; finite and above 0.
        unit: of both.
        better: which way is better.
        limit: of ours over peer: at most this where lower is better, at least this where higher is.
    """

    name: str
    ours: float
    peer: float
    unit: str
    better: Literal["lower", "higher"]
    limit: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ours) and math.isfinite(self.peer) and self.peer > 0):
            raise ValueError(f"{self.name}: {self.ours} beside {self.peer} {self.unit} make no ratio")

    @classmethod
    def absolute(cls, name: str, ours: float, *, limit: float, unit: str, better: Literal["lower", "higher"]) -> Self:
        """A claim without a peer: `limit`, in `unit`, stands in its place, and ours over it may be 1."""
        return cls(name, ours, limit, unit, better, 1.0)

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer

    @property
    def ok(self) -> bool:
        """Whether the claim holds."""
        return self.ratio <= self.limit if self.better == "lower" else self.ratio >= self.limit

    def as_json(self) -> dict[str, Any]:
        """The fields that a line shows. Numbers are rounded for the reader only: `ok` comes from the whole ones."""
        return {
            "name": self.name,
            "ours": _rounded(self.ours),
            "peer": _rounded(self.peer),
            "unit": self.unit,
            "ratio": _rounded(self.ratio),
            "better": self.better,
            "limit": self.limit,
            "ok": self.ok,
        }


def _rounded(value: float, *, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of the values do not exceed, by linear interpolation; at least two values.

    Args:
        values: in any order.
        percent: 1 to 99.
    """
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def note(text: str) -> None:
    """Say something beside the claims, on standard error."""
    print(f"  {text}", file=sys.stderr, flush=True)


def topics() -> list[str]:
    """The topics of this folder, by name, in order."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in names if not name.startswith("_") and name not in _NO_TOPICS)


def run(names: Iterable[str], load: Callable[[str], Callable[[], Iterable[Claim]]]) -> tuple[list[Claim], list[str]]:
    """Run topics one after the other, and go on after one that crashes.

    Args:
        names: which.
        load: gives a topic's `claims`.

    Returns:
        All claims, and the names of the topics that crashed or claimed nothing.
    """
    made: list[Claim] = []
    crashed: list[str] = []
    for name in names:
        began_s, before = time.monotonic(), len(made)
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            for claim in load(name)():
                made.append(claim)
                print(json.dumps(claim.as_json()), flush=True)
        except Exception:  # noqa: BLE001 - a topic that crashes fails the run, and must not take the other topics with it
            traceback.print_exc()
            crashed.append(name)
        else:
            if len(made) == before:
                note("it claimed nothing")
                crashed.append(name)
        note(f"took {time.monotonic() - began_s:.0f} s")
    return made, crashed


def table(claims: Sequence[Claim], crashed: Sequence[str] = ()) -> str:
    """The claims as text for people, and a line for each topic that crashed."""
    head = ("claim", "ours", "peer", "unit", "ratio", "limit", "")
    rows = [
        (
            claim.name,
            f"{claim.ours:.4g}",
            f"{claim.peer:.4g}",
            claim.unit,
            f"{claim.ratio:.2f}",
            f"{'≤' if claim.better == 'lower' else '≥'} {claim.limit:g}",
            "holds" if claim.ok else "BROKEN",
        )
        for claim in claims
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    left = (0, 3, 6)
    lines = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join([*lines, *(f"{name} CRASHED" for name in crashed)])


def _claims_of(topic: str) -> Callable[[], Iterable[Claim]]:
    claims: Callable[[], Iterable[Claim]] = importlib.import_module(f"benchmarks.{topic}").claims
    return claims


def main() -> None:
    """Run all topics, or one; exit code 1 when a claim does not hold or a topic crashed."""
    known = topics()
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure beside the peers.")
    arguments.add_argument("--only", choices=known, metavar="NAME", help=f"one topic: {', '.join(known)}")
    only = arguments.parse_args().only
    claims, crashed = run([only] if only else known, _claims_of)
    print(f"\n{table(claims, crashed)}")
    sys.exit(0 if not crashed and all(claim.ok for claim in claims) else 1)
