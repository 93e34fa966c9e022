"""The tools that deployment is checked with; a test whose tool is not here is skipped, and says so."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_tools import tool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "heaters"


@pytest.fixture(scope="session")
def helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs helm."""
    program = tool("helm")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture(scope="session")
def render(helm: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """The chart's objects, with some values set."""

    def run(*sets: str) -> list[dict[str, Any]]:
        ended = helm("template", "heaters", str(CHART), *(word for one in sets for word in ("--set", one)))
        assert ended.returncode == 0, ended.stderr
        return [found for found in yaml.safe_load_all(ended.stdout) if found]

    return run
