"""Facts: what they are, what surrounds one on the stream, and how one is written and read.

On the wire a fact is flat JSON: the fields of its envelope (id, type, video_id, lane, cause, time, work) and of its body.
Headers mirror the envelope in the CloudEvents binary mode for NATS, so that any consumer can route without parsing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationError

from heaters_contracts.ids import fact_id
from heaters_contracts.model import Model

Lane = Literal["interactive", "bulk"]
LANES: tuple[Lane, ...] = ("interactive", "bulk")
"""In order of urgency: a worker that serves several takes the first that has work."""

MAX_FACT_BYTES = 256 * 1024

REGISTRY: dict[tuple[str, int], type["Fact"]] = {}
"""Every fact that can be said, by type and version. Filled as the modules of `heaters_contracts.facts` are imported."""


class WorkDone(Model):
    """What it took to find out a fact."""

    started: AwareDatetime
    finished: AwareDatetime
    attempt: Annotated[int, Field(ge=1)]
    cpu_s: Annotated[float, Field(ge=0)]
    read_bytes: Annotated[int, Field(ge=0)]
    written_bytes: Annotated[int, Field(ge=0)]
    host: str
    reused: bool = False
    """The outputs were found, and nothing was done again."""


class Envelope(Model):
    """What every fact carries around its body."""

    id: UUID
    type: str
    video_id: UUID
    lane: Lane
    cause: UUID | None = None
    time: AwareDatetime
    work: WorkDone | None = None


class Fact(Model):
    """The body of a fact. Subclasses name their TYPE, and what tells two of them with one cause apart."""

    TYPE: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def key(self) -> str:
        """What tells this fact apart from others of its type and cause. Doing it twice says it once."""
        raise NotImplementedError

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the fact, and refuse fields that its envelope owns."""
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__name__.startswith("_"):
            return  # what several facts have in common is itself no fact
        if taken := cls.model_fields.keys() & Envelope.model_fields.keys():
            raise TypeError(f"{cls.__name__} has fields of the envelope: {sorted(taken)}")
        entity, _, participle = cls.TYPE.partition(".")
        if entity not in {"video", "segment", "clip", "decision", "stage"} or not participle:
            raise TypeError(f"{cls.__name__}.TYPE is <entity>.<past participle>: {cls.TYPE!r}")
        if (cls.TYPE, cls.VERSION) in REGISTRY:
            raise TypeError(f"{cls.TYPE}.v{cls.VERSION} is declared twice")
        REGISTRY[cls.TYPE, cls.VERSION] = cls


F = TypeVar("F", bound=Fact)
F_co = TypeVar("F_co", bound=Fact, covariant=True)


@dataclass(frozen=True, slots=True)
class Told(Generic[F_co]):
    """A fact as it was told: its body, and its envelope. `sequence` and `stored_at` are the stream's, once it has it."""

    fact: F_co
    id: UUID
    video_id: UUID
    lane: Lane
    cause: UUID | None
    time: datetime
    work: WorkDone | None = None
    sequence: int = 0
    stored_at: datetime | None = None
    traceparent: str | None = None

    def stored(self, sequence: int, at: datetime) -> "Told[F_co]":
        """The same fact, with its place in the stream."""
        return replace(self, sequence=sequence, stored_at=at)


@dataclass(frozen=True, slots=True)
class Message:
    """A fact, ready for the wire."""

    subject: str
    headers: dict[str, str]
    data: bytes


class Unreadable(ValueError):
    """A message that no reader here can understand; `reason` says why, for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownFact(Unreadable):
    """The message's type or version is not one that this release knows."""


class InvalidFact(Unreadable):
    """The message's body is not what its type promises."""


def subject_of(type_: str, version: int, lane: Lane, video_id: UUID) -> str:
    """The subject of a fact: heaters.<entity>.<past participle>.v<N>.<lane>.<video_id>."""
    return f"heaters.{type_}.v{version}.{lane}.{video_id}"


def video_filter(video_id: UUID) -> str:
    """The subjects of one video's whole history: the scope of its optimistic concurrency."""
    return f"heaters.*.*.*.*.{video_id}"


def work_filter(type_: str, lane: Lane) -> str:
    """The subjects that a kind of work hears in a lane: any version, so that an unknown one is seen and refused."""
    return f"heaters.{type_}.*.{lane}.*"


def tell(
    fact: F,
    *,
    video_id: UUID,
    lane: Lane,
    cause: UUID | None,
    time: datetime,
    work: WorkDone | None = None,
    traceparent: str | None = None,
) -> Told[F]:
    """Surround a body with its envelope; the id follows from type, cause and key."""
    id_ = fact_id(fact.TYPE, fact.VERSION, cause, fact.key())
    return Told(fact, id_, video_id, lane, cause, time, work, traceparent=traceparent)


def to_json(told: Told[Fact]) -> dict[str, Any]:
    """The fact as plain JSON values: envelope and body, flat."""
    envelope = Envelope(
        id=told.id,
        type=told.fact.TYPE,
        video_id=told.video_id,
        lane=told.lane,
        cause=told.cause,
        time=told.time,
        work=told.work,
    )
    return {**envelope.model_dump(mode="json"), **told.fact.model_dump(mode="json")}


def encode(told: Told[Fact], *, source: str) -> Message:
    """Write a fact for the wire.

    Args:
        told: the fact.
        source: who says it: the service's name.

    Raises:
        ValueError: it is longer than MAX_FACT_BYTES; what may be long goes by key.
    """
    data = json.dumps(to_json(told), separators=(",", ":"), ensure_ascii=False).encode()
    if len(data) > MAX_FACT_BYTES:
        raise ValueError(f"{told.fact.TYPE} of {len(data)} bytes is longer than a fact may be ({MAX_FACT_BYTES})")
    headers = {
        "Nats-Msg-Id": str(told.id),
        "ce-specversion": "1.0",
        "ce-id": str(told.id),
        "ce-type": f"heaters.{told.fact.TYPE}.v{told.fact.VERSION}",
        "ce-source": f"heaters/{source}",
        "ce-time": told.time.isoformat(),
        "content-type": "application/json",
    }
    if told.traceparent:
        headers["traceparent"] = told.traceparent
    return Message(subject_of(told.fact.TYPE, told.fact.VERSION, told.lane, told.video_id), headers, data)


@dataclass(frozen=True, slots=True)
class Address:
    """What a subject says."""

    type: str
    version: int
    lane: Lane
    video_id: UUID


def parse_subject(subject: str) -> Address:
    """Read a fact's subject.

    Raises:
        UnknownFact: it is not a fact's subject.
    """
    match subject.split("."):
        case ["heaters", entity, participle, version, ("interactive" | "bulk") as lane, video] if version[:1] == "v":
            try:
                address = Address(f"{entity}.{participle}", int(version[1:]), lane, UUID(video))
            except ValueError:
                pass
            else:
                # `int` and `UUID` read more than we write (v01, braces): one fact has one subject, or filters would miss it.
                if subject == subject_of(address.type, address.version, lane, address.video_id):
                    return address
    raise UnknownFact(f"not the subject of a fact: {subject}")


def decode(subject: str, headers: Mapping[str, str], data: bytes) -> Told[Fact]:
    """Read a fact from the wire.

    Raises:
        UnknownFact: a type or version that this release does not know.
        InvalidFact: the body is not JSON, or not what its type promises; the reason names the first fields that are wrong.
    """
    address = parse_subject(subject)
    body = REGISTRY.get((address.type, address.version))
    if body is None:
        known = sorted(v for t, v in REGISTRY if t == address.type)
        raise UnknownFact(
            f"{address.type}.v{address.version} is not known here"
            + (f"; this release knows version {', '.join(map(str, known))}" if known else "")
        )
    try:
        envelope = Envelope.model_validate_json(data)
        fact = body.model_validate_json(data)
    except ValidationError as problem:
        raise InvalidFact(f"{address.type}.v{address.version} is not valid: {explain(problem)}") from problem
    if envelope.type != address.type:
        raise InvalidFact(f"the body says that it is a {envelope.type}, its subject that it is a {address.type}")
    if envelope.video_id != address.video_id or envelope.lane != address.lane:
        raise InvalidFact(
            f"the body speaks of video {envelope.video_id} in lane {envelope.lane}, its subject of {address.video_id} in {address.lane}"
        )
    return Told(
        fact,
        envelope.id,
        envelope.video_id,
        envelope.lane,
        envelope.cause,
        envelope.time,
        envelope.work,
        traceparent=headers.get("traceparent"),
    )


def explain(problem: ValidationError, *, most: int = 5) -> str:
    """The first few things that are wrong with a message, for a person: `field: what is wrong`."""
    lines = [
        f"{'.'.join(map(str, e['loc'])) or 'the body'}: {e['msg'].lower()}" for e in problem.errors(include_url=False)
    ]
    rest = len(lines) - most
    return "; ".join(lines[:most]) + (f"; and {rest} more" if rest > 0 else "")
