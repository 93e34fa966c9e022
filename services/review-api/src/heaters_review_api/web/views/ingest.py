"""What is taken in."""

from uuid import UUID

from msgspec import Struct


class Upload(Struct, frozen=True, kw_only=True):
    """A file that was taken in; one that came in parts has no hash before it is downloaded."""

    key: str
    bytes: int
    sha256: str | None


class Admission(Struct, frozen=True, kw_only=True):
    """The answer to a request for a video: requested, duplicate or rejected."""

    video_id: UUID
    status: str
    reason: str | None
