"""Somebody who was recognised, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do."""

    REVIEWER = "reviewer"
    LEAD = "lead"
    OPS = "ops"
    INGEST = "ingest"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was recognised. Decisions carry the id, never the name."""

    id: str
    name: str
    roles: frozenset[Role]


LOCAL = Principal("local", "You", frozenset(Role))
"""Whoever holds the one token of local mode."""


def roles_of(names: object) -> frozenset[Role]:
    """Roles by their names.

    Raises:
        ValueError: one is no role.
    """
    if not isinstance(names, (list, tuple, set, frozenset)):
        raise ValueError(f"roles are a list, not {names!r}")
    return frozenset(Role(name) for name in names)
