"""What surrounds a fact on the stream, how it is named, and how one that cannot be read is refused."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from heaters_contracts.fact import (
    LANES,
    MAX_FACT_BYTES,
    REGISTRY,
    Fact,
    InvalidFact,
    Lane,
    Told,
    UnknownFact,
    Unreadable,
    decode,
    encode,
    parse_subject,
    subject_of,
    tell,
    to_json,
    video_filter,
    work_filter,
)
from heaters_contracts.facts import ClipSkipped, StagePaused, VideoDownloaded, VideoRejected, VideoRequested
from heaters_contracts.facts.video import Quality
from heaters_contracts.ids import clip_id, fact_id, video_id
from heaters_contracts.ingest import UrlSource
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Span
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

VIDEO = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
OTHER = UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
SUBJECT = f"heaters.video.rejected.v1.bulk.{VIDEO}"

lanes = st.sampled_from(LANES)
known = st.sampled_from(sorted(REGISTRY))


def rejected(reason: str = "too long", *, cause: UUID | None = None) -> Told[VideoRejected]:
    fact = VideoRejected(requester="films", request_id="a", reason=reason)
    return tell(fact, video_id=VIDEO, lane="bulk", cause=cause, time=NOON)


# --- subjects -------------------------------------------------------------------------------------------------------


@given(known, st.integers(1, 99), lanes, st.uuids())
def test_reading_a_subject_is_the_inverse_of_writing_one(
    known: tuple[str, int], version: int, lane: Lane, video: UUID
) -> None:
    address = parse_subject(subject_of(known[0], version, lane, video))

    assert (address.type, address.version, address.lane, address.video_id) == (known[0], version, lane, video)


@given(st.text(alphabet="vV0123456789+_ ٣²", max_size=5), st.sampled_from([str(VIDEO), f"{{{VIDEO}}}", VIDEO.hex]))
def test_what_is_read_from_a_subject_is_written_the_same(version: str, video: str) -> None:
    subject = f"heaters.video.rejected.{version}.bulk.{video}"

    try:
        address = parse_subject(subject)
    except UnknownFact:
        return

    assert subject_of(address.type, address.version, address.lane, address.video_id) == subject


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "heaters",
        "ingest.films",
        f"heaters.video.rejected.v1.{VIDEO}",
        f"heaters.video.rejected.v1.slow.{VIDEO}",
        f"heaters.video.rejected.1.bulk.{VIDEO}",
        f"heaters.video.rejected.v.bulk.{VIDEO}",
        f"heaters.video.rejected.v01.bulk.{VIDEO}",
        f"heaters.video.rejected.v1.bulk.{str(VIDEO).upper()}",
        "heaters.video.rejected.v1.bulk.harbour",
        f"heaters.video.rejected.v1.bulk.{VIDEO}.more",
    ],
)
def test_another_subject_is_refused_and_shown(subject: str) -> None:
    with pytest.raises(UnknownFact) as refused:
        parse_subject(subject)

    assert refused.value.reason == f"not the subject of a fact: {subject}"


def matches(pattern: str, subject: str) -> bool:
    """Whether NATS would let a subject through a filter without `>`."""
    tokens, wanted = subject.split("."), pattern.split(".")
    return len(tokens) == len(wanted) and all(w in ("*", t) for t, w in zip(tokens, wanted, strict=True))


@given(known, lanes, st.uuids(), st.uuids())
def test_a_videos_filter_lets_through_its_whole_history_and_no_other(
    known: tuple[str, int], lane: Lane, video: UUID, other: UUID
) -> None:
    subject = subject_of(*known, lane, video)

    assert matches(video_filter(video), subject)
    assert matches(video_filter(other), subject) == (other == video)


@given(known, st.integers(1, 9), lanes, lanes)
def test_a_kind_of_work_hears_every_version_of_its_fact_in_its_lane(
    known: tuple[str, int], version: int, lane: Lane, other: Lane
) -> None:
    subject = subject_of(known[0], version, lane, VIDEO)

    assert matches(work_filter(known[0], lane), subject)
    assert matches(work_filter(known[0], other), subject) == (other == lane)
    assert not matches(work_filter("video.forgotten", lane), subject)


# --- identity -------------------------------------------------------------------------------------------------------


@given(st.uuids(), st.text(max_size=20))
def test_the_same_cause_and_key_give_the_same_id(cause: UUID, reason: str) -> None:
    assert rejected(reason, cause=cause).id == rejected(reason, cause=cause).id


@given(st.uuids(), st.uuids(), st.text(max_size=20), st.text(max_size=20))
def test_another_cause_or_key_gives_another_id(cause: UUID, other: UUID, reason: str, words: str) -> None:
    same = (cause, reason) == (other, words)

    assert (rejected(reason, cause=cause).id == rejected(words, cause=other).id) == same


def test_type_and_version_are_part_of_the_id() -> None:
    ids = {
        fact_id("video.rejected", 1, VIDEO, "a"),
        fact_id("video.rejected", 2, VIDEO, "a"),
        fact_id("video.requested", 1, VIDEO, "a"),
        fact_id("video.rejected", 1, None, "a"),
    }

    assert len(ids) == 4


def test_a_verdict_is_its_clip_and_its_idempotency_key() -> None:
    def skipped(clip: UUID, key: str, by: str = "mia") -> UUID:
        fact = ClipSkipped(clip_id=clip, span=Span(start=0, end=9), by=by, idempotency_key=key)
        return tell(fact, video_id=VIDEO, lane="bulk", cause=None, time=NOON).id

    assert skipped(OTHER, "k1") == skipped(OTHER, "k1")
    assert skipped(OTHER, "k1") != skipped(OTHER, "k2")
    assert skipped(OTHER, "k1") != skipped(VIDEO, "k1")


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_the_same_span_of_the_same_source_is_the_same_clip(start: int, length: int) -> None:
    span = Span(start=start, end=start + length)
    longer = Span(start=start, end=start + length + 1)

    same = clip_id(VIDEO, "videos/a.mp4", 10, span)

    assert clip_id(VIDEO, "videos/a.mp4", 10, Span(start=start, end=start + length)) == same
    others = {
        clip_id(OTHER, "videos/a.mp4", 10, span),
        clip_id(VIDEO, "videos/b.mp4", 10, span),
        clip_id(VIDEO, "videos/a.mp4", 11, span),
        clip_id(VIDEO, "videos/a.mp4", 10, longer),
    }
    assert same not in others
    assert len(others) == 4


def test_ids_are_those_that_were_given_before() -> None:
    """Derived names never change: written here as the formula gave them on the first day."""
    assert video_id("films", "harbour-2026-11-20") == UUID("256a6a54-0be8-5323-9ab2-95d6a4fa1732")
    assert fact_id("video.requested", 1, None, "films:harbour-2026-11-20") == UUID(
        "cb8de56f-c5c8-52aa-8000-de03ded43d12"
    )
    assert clip_id(VIDEO, "videos/a.mp4", 10, Span(start=30, end=76)) == UUID("5cb9c1f4-2878-5e30-8dfe-baadf81125d2")


# --- the wire -------------------------------------------------------------------------------------------------------


@given(
    st.text(st.characters(codec="utf-8"), max_size=200),
    lanes,
    st.none() | st.uuids(),
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_what_is_written_is_read_back(reason: str, lane: Lane, cause: UUID | None, time: datetime) -> None:
    fact = VideoRejected(requester="films", request_id="a", reason=reason)
    told = tell(fact, video_id=VIDEO, lane=lane, cause=cause, time=time)

    message = encode(told, source="test")

    assert decode(message.subject, message.headers, message.data) == told


def test_headers_mirror_the_envelope() -> None:
    told = rejected()

    message = encode(told, source="review-api")

    assert message.subject == SUBJECT
    assert message.headers == {
        "Nats-Msg-Id": str(told.id),
        "ce-specversion": "1.0",
        "ce-id": str(told.id),
        "ce-type": "heaters.video.rejected.v1",
        "ce-source": "heaters/review-api",
        "ce-time": "2026-11-20T12:00:00.250000+00:00",
        "content-type": "application/json",
    }


def test_unknown_fields_of_a_newer_writer_are_ignored() -> None:
    told = rejected()
    newer = {**to_json(told), "mood": "sad", "work": None}

    read = decode(SUBJECT, {}, json.dumps(newer).encode())

    assert read.fact == told.fact


def test_a_fact_of_256_kib_is_written_and_one_byte_more_is_refused() -> None:
    most = MAX_FACT_BYTES - len(encode(rejected(""), source="test").data)

    assert len(encode(rejected("x" * most), source="test").data) == 262_144
    with pytest.raises(ValueError, match=r"video.rejected of 262145 bytes is longer than a fact may be \(262144\)"):
        encode(rejected("x" * (most + 1)), source="test")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_cannot_say_are_refused(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Quality(rate=number)


def body(**changed: Any) -> bytes:
    plain = to_json(rejected())
    return json.dumps({k: v for k, v in {**plain, **changed}.items() if v != "gone"}).encode()


@pytest.mark.parametrize(
    ("subject", "data", "problem", "reason"),
    [
        (SUBJECT.replace(".v1.", ".v9."), body(), UnknownFact, "video.rejected.v9 is not known here; this release knows version 1"),
        (SUBJECT.replace("rejected", "baked"), body(), UnknownFact, "video.baked.v1 is not known here"),
        (SUBJECT, b"", InvalidFact, "video.rejected.v1 is not valid: the body: invalid json: eof while parsing"),
        (SUBJECT, b"{not json", InvalidFact, "video.rejected.v1 is not valid: the body: invalid json: key must be a string"),
        (SUBJECT, b"\xff\xfe", InvalidFact, "video.rejected.v1 is not valid: the body: invalid json"),
        (SUBJECT, b"[]", InvalidFact, "video.rejected.v1 is not valid: the body: input should be an object"),
        (SUBJECT, body(reason="gone"), InvalidFact, "video.rejected.v1 is not valid: reason: field required"),
        (SUBJECT, body(reason=7), InvalidFact, "video.rejected.v1 is not valid: reason: input should be a valid string"),
        (SUBJECT, body(id="gone", lane="slow"), InvalidFact, "id: field required; lane: input should be 'interactive' or 'bulk'"),
        (SUBJECT, body(time="2026-11-20T12:00:00"), InvalidFact, "time: input should have timezone info"),
        (SUBJECT, body(video_id=str(OTHER)), InvalidFact, f"the body speaks of video {OTHER} in lane bulk, its subject of {VIDEO}"),
        (SUBJECT, body(lane="interactive"), InvalidFact, "in lane interactive, its subject of"),
        (SUBJECT, body(type="clip.skipped"), InvalidFact, "the body says that it is a clip.skipped, its subject that it is a video.rejected"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_reason_for_a_person(
    subject: str, data: bytes, problem: type[Unreadable], reason: str
) -> None:
    with pytest.raises(problem) as refused:
        decode(subject, {}, data)

    assert reason in refused.value.reason
    assert "http" not in refused.value.reason  # no address of a library's manual
    assert len(refused.value.reason) < 300


def test_only_the_first_wrong_fields_are_named() -> None:
    with pytest.raises(InvalidFact) as refused:
        decode(SUBJECT, {}, b"{}")

    assert refused.value.reason.count("field required") == 5


# --- the registry ---------------------------------------------------------------------------------------------------


def test_a_fact_may_not_have_a_field_of_its_envelope() -> None:
    with pytest.raises(TypeError, match=r"Stolen has fields of the envelope: \['lane', 'time'\]"):

        class Stolen(Fact):
            TYPE = "video.stolen"
            lane: str
            time: str


def test_a_fact_is_declared_once() -> None:
    with pytest.raises(TypeError, match=r"video\.rejected\.v1 is declared twice"):

        class Twin(Fact):
            TYPE = "video.rejected"


@pytest.mark.parametrize("name", ["video", "film.cut", "", "video."])
def test_a_facts_type_is_an_entity_and_a_participle(name: str) -> None:
    with pytest.raises(TypeError, match=r"<entity>\.<past participle>"):

        class Misnamed(Fact):
            TYPE = name


def test_facts_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        rejected().fact.reason = "another"  # type: ignore[misc]  # that is what must not work


def test_a_fact_reads_what_its_own_writer_wrote() -> None:
    for fact in (
        VideoRequested(source=UrlSource(url="https://films.example/a"), requester="films", request_id="a"),
        VideoDownloaded(source=ObjectRef(key="videos/a.mp4", bytes=0, sha256="0" * 64), title=""),
        StagePaused(stage="export", by="mia", reason="rest", idempotency_key="1"),
    ):
        message = encode(tell(fact, video_id=VIDEO, lane="bulk", cause=OTHER, time=NOON), source="test")

        assert decode(message.subject, message.headers, message.data).fact == fact
