"""Programs that deployment is checked with."""

import shutil
from pathlib import Path

import pytest

_BROUGHT = Path(__file__).parents[2] / "build" / "tools"


def tool(name: str) -> str:
    """A program of the path, or of build/tools, where `make deploy-check` puts it; without it the test is skipped, and says so."""
    found = shutil.which(name) or shutil.which(name, path=str(_BROUGHT))
    if found is None:
        pytest.skip(f"no {name} on this machine: `make deploy-check` brings it where it can be had")
    return found
