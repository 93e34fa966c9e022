"""Where the committed messages and schemas lie, and values that laws are tried on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import heaters_contracts.facts  # noqa: F401 - importing fills the registry
import pytest

CONTRACTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Golden:
    """A message that was, or might have been, published once, and must be readable for ever."""

    path: Path
    subject: str
    headers: dict[str, str]
    data: dict[str, Any]

    @property
    def bytes(self) -> bytes:
        return json.dumps(self.data).encode()


def _read(path: Path) -> Golden:
    return Golden(path, **json.loads(path.read_text()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden" in metafunc.fixturenames:
        messages = [_read(path) for path in sorted((CONTRACTS / "golden").rglob("*.json"))]
        names = [f"{message.path.parent.name}/{message.path.stem}" for message in messages]
        metafunc.parametrize("golden", messages, ids=names)


@pytest.fixture
def golden_dir() -> Path:
    return CONTRACTS / "golden"


@pytest.fixture
def schemas_dir() -> Path:
    return CONTRACTS / "schemas"
