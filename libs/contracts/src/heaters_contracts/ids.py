"""Names that are derived, so that saying a thing twice names it once."""

import hashlib
import json
from uuid import UUID, uuid5

from heaters_contracts.spans import Span

NAMESPACE = UUID("6b1f0a52-6f0e-5d0b-9a7e-3f1f7e8d2c11")
NIL = UUID(int=0)
"""Stands where a video's id would, in facts that concern a whole stage."""


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def sha256_of(text: str) -> str:
    """Hex sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def video_id(requester: str, request_id: str) -> UUID:
    """The video of one request: the same requester asking with the same id asks once."""
    return uuid5(NAMESPACE, f"video:{requester}:{request_id}")


def fact_id(type_: str, version: int, cause: UUID | None, key: str) -> UUID:
    """A fact's id: the same cause says the same thing once, however often it is delivered."""
    return uuid5(NAMESPACE, f"{type_}.v{version}:{cause or NIL}:{key}")


def clip_id(video: UUID, source_key: str, source_bytes: int, span: Span) -> UUID:
    """A clip is derived from the video's source and its span: the same cuts give back the same clip."""
    return uuid5(NAMESPACE, f"clip:{video}:{source_key}:{source_bytes}:{span.start}:{span.end}")


def decision_id(by: str, idempotency_key: str) -> UUID:
    """A decision of several facts: the same person sending the same key again means the same decision."""
    return uuid5(NAMESPACE, f"decision:{by}:{idempotency_key}")


def group_id(decision: UUID) -> UUID:
    """The group that a decision founds."""
    return uuid5(NAMESPACE, f"group:{decision}")
