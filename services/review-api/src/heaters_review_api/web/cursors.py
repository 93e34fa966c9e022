"""Cursors of pages: opaque to clients, the last row's key to us."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from heaters_review_api.db.queries import ClipCursor, ClipOfVideo, ClipOrder
from heaters_review_api.search.finder import DEPTH as SEARCH_DEPTH
from heaters_review_api.web.problems import Problem


def after_clip(one: ClipOfVideo) -> str:
    """The cursor that goes on after a clip."""
    clip = one.clip
    return _write(str(clip.video_sequence), str(clip.start_frame), str(clip.id))


def read_clip(cursor: str | None) -> ClipCursor | None:
    """Where a page of clips begins."""
    if cursor is None:
        return None
    try:
        sequence, start, id_ = _read(cursor)
        return _whole(sequence), _whole(start), UUID(id_)
    except ValueError:
        raise _wrong(cursor) from None


def after_id(order: ClipOrder, keys: Sequence[object]) -> str:
    """The cursor that goes on after a row of ids in this order."""
    return _write(order, *map(str, keys))


def read_id(order: ClipOrder, cursor: str | None) -> tuple[object, ...] | None:
    """Where a page of ids in this order begins."""
    if cursor is None:
        return None
    try:
        said, *keys, id_ = _read(cursor)
        number = float if order.startswith(("least_", "most_")) else _whole
        if said != order or len(keys) != (2 if order == "video" else 1):
            raise ValueError(said)
        return (*(number(key) for key in keys), UUID(id_))
    except ValueError:
        raise _wrong(cursor) from None


def after_sequence(sequence: int) -> str:
    """The cursor that goes on after what stands at this place of the stream."""
    return _write(str(sequence))


def read_sequence(cursor: str | None) -> int | None:
    """Where a page begins whose rows each stand at a place of the stream."""
    if cursor is None:
        return None
    try:
        (sequence,) = _read(cursor)
        return _whole(sequence)
    except ValueError:
        raise _wrong(cursor) from None


def after_hit(seen: int, last: UUID) -> str:
    """The cursor that goes on after so many hits of a search, of which this was the last."""
    return _write(str(seen), str(last))


def read_hit(cursor: str | None) -> tuple[int, UUID | None]:
    """How many hits were seen, and the last of them."""
    if cursor is None:
        return 0, None
    try:
        seen, last = _read(cursor)
        if not 0 <= (count := _whole(seen)) <= SEARCH_DEPTH:
            raise ValueError(seen)
        return count, UUID(last)
    except ValueError:
        raise _wrong(cursor) from None


@dataclass(frozen=True, slots=True)
class PartCursor:
    """A part of an export: its number, when the selection was made, and the clip that it begins after."""

    number: int
    as_of: datetime
    after: ClipCursor | None


def write_part(part: PartCursor) -> str:
    """The cursor of a part of an export."""
    at_us = round(part.as_of.timestamp() * 1_000_000)
    return _write(str(part.number), str(at_us), *(str(key) for key in part.after or ()))


def read_part(cursor: str | None) -> PartCursor | None:
    """Which part of an export is asked for."""
    if cursor is None:
        return None
    try:
        number, at_us, *after = _read(cursor)
        as_of = datetime.fromtimestamp(_whole(at_us) // 1_000_000, UTC).replace(microsecond=_whole(at_us) % 1_000_000)
        if not after and _whole(number) == 0:
            return PartCursor(_whole(number), as_of, None)
        sequence, start, id_ = after
        return PartCursor(_whole(number), as_of, (_whole(sequence), _whole(start), UUID(id_)))
    except (ValueError, OverflowError, OSError):
        raise _wrong(cursor) from None


def _whole(said: str) -> int:
    """A number that a column can hold."""
    number = int(said)
    if abs(number) >= 2**63:
        raise ValueError(said)
    return number


def _write(*parts: str) -> str:
    return urlsafe_b64encode("~".join(parts).encode()).decode().rstrip("=")


def _read(cursor: str) -> list[str]:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split("~")


def _wrong(cursor: str) -> Problem:
    return Problem(400, "No such page", f"{cursor[:80]!r} is no cursor that this API has given.")
