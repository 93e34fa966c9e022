"""Cursors of pages: opaque to clients, the last row's key to us."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from heaters_review_api.db.queries import ClipCursor, ClipOfVideo
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
        return int(sequence), int(start), UUID(id_)
    except ValueError:
        raise _wrong(cursor) from None


def after_video(sequence: int) -> str:
    """The cursor that goes on after a video."""
    return _write(str(sequence))


def read_video(cursor: str | None) -> int | None:
    """Where a page of videos begins."""
    if cursor is None:
        return None
    try:
        (sequence,) = _read(cursor)
        return int(sequence)
    except ValueError:
        raise _wrong(cursor) from None


def _write(*parts: str) -> str:
    return urlsafe_b64encode("~".join(parts).encode()).decode().rstrip("=")


def _read(cursor: str) -> list[str]:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split("~")


def _wrong(cursor: str) -> Problem:
    return Problem(400, "No such page", f"{cursor[:80]!r} is no cursor that this API has given.")
