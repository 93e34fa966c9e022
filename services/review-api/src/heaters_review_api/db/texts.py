"""Texts that Postgres can store."""

from collections.abc import Mapping
from typing import Any


def printable(value: Any) -> Any:
    """A text without NUL, the one character that Postgres does not store; others as they are."""
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def plain(value: Any) -> Any:
    """JSON values whose texts Postgres can store."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
