"""What is still there of something that has ended."""

import time
from pathlib import Path

import psutil

_PATIENCE_S = 30.0


def processes_of(folder: Path) -> list[str]:
    """Processes that name a folder in their command or environment; given a few seconds to end, for a kill is not instant."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while (found := _now(folder)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return found


def _now(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            words = process.info["cmdline"] or []  # one that has ended and is not waited for has none
            said = [*words, *process.environ().values()] if words else []
            if any(str(folder) in word for word in said):
                found.append(" ".join(words))
        except psutil.Error:
            pass  # it has ended, or is not ours
    return found
