"""Views of what ops look at."""

from datetime import datetime
from typing import Annotated

from heaters_edges import maintenance
from msgspec import Meta, Struct


class Chore(Struct, frozen=True, kw_only=True):
    """Something that is done every few hours, and how its last run was; without one it has not run in this process."""

    name: str
    what: str
    every_s: float
    began: datetime | None
    took_s: float | None
    ok: bool | None
    result: str | None


class Chores(Struct, frozen=True, kw_only=True):
    """All chores of this replica."""

    items: list[Chore]


class EraseWish(Struct, frozen=True, kw_only=True):
    """Why a video is erased; the reason stays."""

    reason: Annotated[str, Meta(max_length=500)] = ""


class Erased(Struct, frozen=True, kw_only=True):
    """What was taken away; `traces` is what was still found afterwards, and empty if nothing was."""

    sequence: int
    facts: int
    objects: int
    requests: int
    uploads: list[str]
    traces: list[str]


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What one look at the installation has found; advice where something is wrong."""

    part: str
    ok: bool
    what: str
    advice: str


class Diagnoses(Struct, frozen=True, kw_only=True):
    """All looks."""

    items: list[Diagnosis]


def chore_view(chore: maintenance.Chore, ran: maintenance.Ran | None) -> Chore:
    """A chore and its last run."""
    return Chore(
        name=chore.name,
        what=chore.what,
        every_s=chore.every_s,
        began=ran.began if ran else None,
        took_s=ran.took_s if ran else None,
        ok=ran.ok if ran else None,
        result=ran.result if ran else None,
    )
