"""What a test of a fault says at its end."""

from collections.abc import Iterable
from typing import Protocol


class Outcome(Protocol):
    """Compare what is there with what should be, write it down, and fail where they differ."""

    def __call__(
        self,
        fault: str,
        *,
        expected: Iterable[str],
        found: Iterable[str],
        tried: int = 1,
        recovered_s: float | None = None,
    ) -> None:
        """Say how a fault went.

        Args:
            fault: what was done, as the table calls it.
            expected: each thing that must be there in the end: facts, objects with their hashes, rows; once for each time.
            found: what is there, in the same words, once for each time.
            tried: how often the fault was done.
            recovered_s: from its end to the next result; None where nothing had to recover.
        """
