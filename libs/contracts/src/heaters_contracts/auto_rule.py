"""Which clips a request approves by itself, once their cuts are found.

A rule is conditions joined by `and`, each a name, one of `>= > <= <`, and a decimal number:

    seconds >= 2 and seconds <= 20 and certainty >= 0.8 and motion > 1.5

All of them must hold. A clip that a measure is not known of fits no condition on it. Numbers are compared as decimals, exactly.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

NAMES: dict[str, tuple[str, Fraction, Fraction | None]] = {
    "frames": ("how many frames it has", Fraction(1), None),
    "seconds": ("how long it lasts, exactly", Fraction(0), None),
    "certainty": ("the detector's confidence in the less certain of its two cuts", Fraction(0), Fraction(1)),
    "motion": ("mean difference of luma between neighbouring frames", Fraction(0), Fraction(255)),
    "static_share": ("share of its frames that are still", Fraction(0), Fraction(1)),
    "black_share": ("share of its frames that are black", Fraction(0), Fraction(1)),
    "sharpness": ("mean absolute Laplacian of the luma of a small picture", Fraction(0), None),
    "brightness": ("mean luma", Fraction(0), Fraction(255)),
    "loudness_db": ("root mean square of its peaks, dB of full scale", Fraction(-48), Fraction(0)),
}
"""What a condition may be about: what it says of a clip, and its least and greatest value."""

_COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*([A-Za-z_]+)\s*(>=|<=|>|<)\s*(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)\s*")
_AND = re.compile(r"(?i)\s+and\s+")
SYSTEM_ACTOR = "system:auto-approve"
"""Who approves by a rule, in facts, histories and the audit log: nobody's account."""


class BadRule(ValueError):
    """A text that is no rule, or one that no clip can fit; the message says what is wrong with which condition."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A bound of one measure."""

    name: str
    comparison: str
    bound: Fraction

    def holds(self, value: Fraction | float | None) -> bool:
        """Whether a value fits; what is not known does not."""
        if value is None:
            return False
        # A measured double stands for the shortest decimal that it is written as: the 0.9 of a clip is the 0.9 of a rule.
        exact = value if isinstance(value, Fraction) else Fraction(repr(float(value)))
        return _COMPARISONS[self.comparison](exact, self.bound)


@dataclass(frozen=True, slots=True)
class AutoRule:
    """Conditions, all of which must hold."""

    conditions: tuple[Condition, ...]

    def holds(self, values: Mapping[str, Fraction | float | None]) -> bool:
        """Whether a clip fits.

        Args:
            values: of the clip, by NAMES; those that no condition is about may be left out.
        """
        return all(condition.holds(values[condition.name]) for condition in self.conditions)

    @property
    def names(self) -> frozenset[str]:
        """What it is about."""
        return frozenset(condition.name for condition in self.conditions)


def read_rule(text: str) -> AutoRule:
    """Read a rule.

    Raises:
        BadRule: see there.
    """
    rule = AutoRule(tuple(_condition(part) for part in _AND.split(text.strip())))
    for name in sorted(rule.names):
        _refuse_if_empty(name, [condition for condition in rule.conditions if condition.name == name])
    return rule


def _condition(text: str) -> Condition:
    said = _CONDITION.fullmatch(text)
    if said is None:
        raise BadRule(
            f"{text.strip()[:80]!r} is no condition: a name, one of >= > <= <, and a number, such as `certainty >= 0.8`;"
            " conditions are joined by `and`"
        )
    if said[1] not in NAMES:
        raise BadRule(f"a clip has no {said[1][:40]!r}; it has {', '.join(NAMES)}")
    return Condition(said[1], said[2], Fraction(said[3]))


def _refuse_if_empty(name: str, conditions: list[Condition]) -> None:
    """Refuse bounds between which there is nothing."""
    _, least, most = NAMES[name]
    low, low_open, high, high_open = least, False, most, False
    for condition in conditions:
        bound, is_open = condition.bound, condition.comparison in (">", "<")
        if condition.comparison in (">=", ">"):
            if (bound, is_open) > (low, low_open):
                low, low_open = bound, is_open
        elif high is None or (bound, not is_open) < (high, not high_open):
            high, high_open = bound, is_open
    if high is not None and (low > high or (low == high and (low_open or high_open))):
        upper = "" if most is None else f" and {float(most):g}"
        between = f"it lies between {float(least):g}{upper}" if most is not None else f"it is at least {float(least):g}"
        said = " and ".join(f"{one.name} {one.comparison} {float(one.bound):g}" for one in conditions)
        raise BadRule(f"no clip fits `{said}`: {between}")
