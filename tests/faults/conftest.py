"""What every fault ends with: a line for the table of docs/reliability.md, where HEATERS_RELIABILITY names a file for it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Outcome = Callable[..., None]


@pytest.fixture
def outcome() -> Outcome:
    """Write down how a fault went: how often it was tried, what was lost or doubled, and how long it took to recover."""

    def write(fault: str, *, tried: int, lost: int, doubled: int, recovered_s: float) -> None:
        wanted = os.environ.get("HEATERS_RELIABILITY")
        if wanted:
            line = {"fault": fault, "tried": tried, "lost": lost, "doubled": doubled, "recovered_s": recovered_s}
            with Path(wanted).open("a") as file:
                file.write(json.dumps(line) + "\n")

    return write
