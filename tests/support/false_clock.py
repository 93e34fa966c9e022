"""A clock that jumps while a process runs, by libfaketime; skipped, loudly, where that is not installed."""

from pathlib import Path

import pytest


class Clock:
    """What processes that are started with `environment` take for the time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        found = [
            *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
            *Path("/usr/lib").glob("faketime/libfaketimeMT.so.1"),
        ]
        if not found:
            pytest.skip("a clock that jumps needs libfaketime (Debian: apt install faketime)")
        self.jump("+0")
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # a clock that is set moves no timer
            "FAKETIME_DONT_RESET": "1",
        }

    def jump(self, by: str) -> None:
        """Show a time that is so far from the true one, such as `+2h` or `-30m`."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{by}\n")
        beside.replace(self._file)
