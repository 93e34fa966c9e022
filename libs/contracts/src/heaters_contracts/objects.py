"""Objects in the store: how one is named in a fact, and how its key is made.

A key ends in the first 16 digits of its content's sha256, so a key never holds two contents: writing again is harmless,
and a changed profile or input is a new object.
"""

from pathlib import PurePosixPath
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from heaters_contracts.model import Model

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[
    str,
    # Keys become paths in a node's cache: no part may be empty or begin with a dot, so that none leads out of it.
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$", max_length=512),
]
UploadKey = Annotated[
    str,
    # Not Key with one more pattern: the second would replace the first.
    StringConstraints(pattern=r"^uploads(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", max_length=512),
]


class ObjectRef(Model):
    """One immutable object: its key, and what must come back when it is read."""

    key: Key
    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


def _key(*parts: str, sha256: str, suffix: str) -> str:
    if not suffix.startswith(".") or PurePosixPath(suffix).name != suffix:
        raise ValueError(f"a suffix starts with a dot and holds no slash: {suffix!r}")
    return f"{'/'.join(parts)}-{sha256[:16]}{suffix}"


def video_prefix(video: UUID) -> str:
    """What the keys of everything that was made of a video begin with; only uploads lie elsewhere."""
    return f"videos/{video}/"


def upload_key(requester: str, sha256: str, suffix: str) -> str:
    """What a person or team handed in, before it is a video."""
    return _key("uploads", requester, "file", sha256=sha256, suffix=suffix)


def source_key(video: UUID, sha256: str, suffix: str) -> str:
    """The original bytes as they were downloaded."""
    return _key("videos", str(video), "source", sha256=sha256, suffix=suffix)


def beside_key(video: UUID, kind: str, sha256: str, suffix: str) -> str:
    """What a site gives beside the video: a subtitle, a thumbnail, its metadata."""
    return _key("videos", str(video), "beside", kind, sha256=sha256, suffix=suffix)


def content_key(sha256: str) -> str:
    """Where it is written down which video has these very bytes."""
    return f"content/{sha256[:2]}/{sha256}.json"


def frame_table_key(video: UUID, sha256: str) -> str:
    """Every frame's pts."""
    return _key("videos", str(video), "frames", sha256=sha256, suffix=".npz")


def segment_key(video: UUID, kind: str, profile: str, index: int, sha256: str, suffix: str) -> str:
    """A segment's proxy, packet index, tiny array or scores; `kind` says which, `profile` how it was made."""
    return _key("videos", str(video), kind, profile, f"{index:05d}", sha256=sha256, suffix=suffix)


def master_key(video: UUID, sha256: str) -> str:
    """The lossless master."""
    return _key("videos", str(video), "master", sha256=sha256, suffix=".mkv")


def clip_key(video: UUID, clip: UUID, kind: str, sha256: str, suffix: str) -> str:
    """What belongs to one clip: its export, or a keyframe."""
    return _key("videos", str(video), "clips", str(clip), kind, sha256=sha256, suffix=suffix)


def manifest_key(video: UUID, stage: str, inputs_sha256: str) -> str:
    """What a stage told about these very inputs: written last, so whoever finds it need not work again."""
    return f"{video_prefix(video)}manifests/{stage}/{inputs_sha256}.json"


def failed_message_key(video: UUID, sha256: str) -> str:
    """The bytes of a message that failed and is too long to lie in its stage.failed."""
    return _key("videos", str(video), "failed", "message", sha256=sha256, suffix=".bin")
