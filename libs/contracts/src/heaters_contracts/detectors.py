"""How a shot detector is named in a request.

A wish is a name, or a name and how strict to be: `cascade`, or `adaptive@1.2` for thresholds 1.2 times as high as they are by default.
The empty wish leaves it to whoever detects.
"""

import math
import re
from typing import NamedTuple

DETECTORS = ("adaptive", "transnetv2", "cascade")
"""The detectors there are; scene detection's own table is compared with it."""

STRICTNESS_LEAST, STRICTNESS_MOST = 0.1, 10.0
_WISH = re.compile(r"([a-z0-9_]{1,32})(?:@([0-9]{1,2}(?:\.[0-9]{1,4})?))?")


class UnknownDetector(ValueError):
    """A wish that names no detector; the message lists those that there are."""


class Wish(NamedTuple):
    """A detector, and by how much its thresholds are multiplied."""

    name: str
    strictness: float = 1.0

    def __str__(self) -> str:
        """As it is written in a request."""
        return self.name if self.strictness == 1 else f"{self.name}@{self.strictness:.4f}".rstrip("0").rstrip(".")


def read_wish(text: str) -> Wish:
    """Read a wish.

    Raises:
        UnknownDetector: it names none, or its strictness is out of bounds.
    """
    said = _WISH.fullmatch(text)
    if said is None or said[1] not in DETECTORS:
        raise UnknownDetector(f"there is no detector {text[:64]!r}; there are {', '.join(DETECTORS)}")
    strictness = float(said[2]) if said[2] else 1.0
    if not (math.isfinite(strictness) and STRICTNESS_LEAST <= strictness <= STRICTNESS_MOST):
        raise UnknownDetector(
            f"a detector's strictness lies between {STRICTNESS_LEAST:g} and {STRICTNESS_MOST:g}: {text[:64]!r}"
        )
    return Wish(said[1], strictness)
