"""Byte ranges of a whole answer (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

_ONE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes [start, end) of a whole of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The header."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


class NotSatisfiable(ValueError):
    """The range lies outside of the whole."""


def part_of(header: str | None, size: int) -> Part | None:
    """Which part a Range header asks for.

    Args:
        header: its value; None where there is none.
        size: bytes of the whole, at least 1.

    Returns:
        The part; None where the whole is to be sent: no header, another unit, several ranges, or no range at all.

    Raises:
        NotSatisfiable: no byte of it lies in the whole.
    """
    found = _ONE.fullmatch(header) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        if int(last) == 0:
            raise NotSatisfiable
        return Part(max(0, size - int(last)), size, size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise NotSatisfiable
    return Part(start, min(int(last) + 1, size) if last else size, size)
