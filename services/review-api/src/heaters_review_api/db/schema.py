"""The tables, as SQLAlchemy sees them. The migrations make them; a test compares the two.

- `projection`: what the facts come to, one table a row type of `core.tables`. Only the projector writes it.
- `facts`: every message verbatim, so that the stream can be given back from it.
- `app`: what is no fact.
"""

from typing import Any

from heaters_contracts.curves import Curves
from heaters_contracts.fact import LANES
from heaters_contracts.facts.clip import Keyframe, Label, Proof
from heaters_contracts.facts.segment import Cut
from heaters_contracts.facts.video import Technical
from heaters_contracts.ingest import Options, Source
from heaters_contracts.objects import ObjectRef
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.types import TypeEngine

from heaters_review_api.core.states import ACTIONS, REVERSALS, VERDICTS, ClipState, VideoState
from heaters_review_api.db.types import HalfVectorBytes, Json, Tags

metadata = MetaData()


def _enum(name: str, *values: str) -> Enum:
    return Enum(*values, name=name, schema="projection", metadata=metadata)


video_state = Enum(
    VideoState,
    name="video_state",
    schema="projection",
    metadata=metadata,
    values_callable=lambda e: [m.value for m in e],
)
clip_state = Enum(
    ClipState, name="clip_state", schema="projection", metadata=metadata, values_callable=lambda e: [m.value for m in e]
)
lane = _enum("lane", *LANES)
verdict = _enum("verdict", *VERDICTS)
action = _enum("action", *ACTIONS)
reversal_kind = _enum("reversal_kind", *REVERSALS)
failure_class = _enum("failure_class", "bad_input", "transient", "quota", "bug")
cut_kind = _enum("cut_kind", "hard", "dissolve", "fade")


def _c(name: str, type_: TypeEngine[Any], *args: Any, null: bool = False, key: bool = False) -> Column[Any]:
    return Column(name, type_, *args, nullable=null, primary_key=key)


_AT = DateTime(timezone=True)
_REF = Json(ObjectRef)

video = Table(
    "video",
    metadata,
    _c("id", Uuid(), key=True),
    _c("state", video_state),
    _c("version", BigInteger()),
    _c("lane", lane),
    _c("requester", Text()),
    _c("request_id", Text()),
    _c("requested_at", _AT, null=True),
    _c("requested_sequence", BigInteger(), null=True),
    _c("source", Json(Source), null=True),
    _c("options", Json(Options), null=True),
    _c("rejected_reason", Text(), null=True),
    _c("title", Text(), null=True),
    _c("source_object", _REF, null=True),
    _c("downloaded_at", _AT, null=True),
    _c("downloaded_sequence", BigInteger(), null=True),
    _c("twin", Uuid(), null=True),
    _c("entries", Integer(), null=True),
    _c("technical", Json(Technical), null=True),
    _c("frames", BigInteger(), null=True),
    _c("time_base_num", BigInteger(), null=True),
    _c("time_base_den", BigInteger(), null=True),
    _c("start_ticks", BigInteger(), null=True),
    _c("end_ticks", BigInteger(), null=True),
    _c("frame_table", _REF, null=True),
    _c("segments_total", Integer(), null=True),
    _c("segments_done", Integer()),
    _c("planned_at", _AT, null=True),
    _c("planned_sequence", BigInteger(), null=True),
    _c("preprocessed_at", _AT, null=True),
    _c("detected_at", _AT, null=True),
    _c("master", _REF, null=True),
    _c("master_stored_at", _AT, null=True),
    _c("master_sequence", BigInteger(), null=True),
    _c("failures", Integer()),
    _c("thaw_requested_at", _AT, null=True),
    CheckConstraint("(requested_at IS NULL) = (requested_sequence IS NULL)", name="video_requested_whole"),
    CheckConstraint("(requested_at IS NULL) = (state IN ('new', 'rejected'))", name="video_state_follows_request"),
    CheckConstraint("frames > 0 AND segments_total > 0 AND end_ticks > start_ticks", name="video_not_empty"),
    CheckConstraint("time_base_num > 0 AND time_base_den > 0", name="video_time_base_positive"),
    CheckConstraint("segments_done >= 0 AND failures >= 0", name="video_counts"),
    Index("video_not_requested", "id", postgresql_where=text("requested_sequence IS NULL")),
    Index(
        "video_by_words",
        func.to_tsvector(text("'simple'::regconfig"), func.coalesce(Column("title"), text("''"))),
        postgresql_using="gin",
    ),
    Index("video_listed", text("requested_sequence DESC"), postgresql_where=text("requested_sequence IS NOT NULL")),
    Index("video_of_requester", "requester", "requested_at"),
    schema="projection",
)

segment = Table(
    "segment",
    metadata,
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE"), key=True),
    _c("index", Integer(), key=True),
    _c("first_frame", BigInteger()),
    _c("frames", BigInteger()),
    _c("start_ticks", BigInteger()),
    _c("end_ticks", BigInteger()),
    _c("planned_at", _AT, null=True),
    _c("preprocessed_at", _AT, null=True),
    _c("preprocessed_sequence", BigInteger(), null=True),
    _c("profile", Text(), null=True),
    _c("proxy", _REF, null=True),
    _c("packets", _REF, null=True),
    _c("tiny", _REF, null=True),
    _c("storyboard", _REF, null=True),
    _c("waveform", _REF, null=True),
    _c("width_px", Integer(), null=True),
    _c("height_px", Integer(), null=True),
    _c("detected_at", _AT, null=True),
    _c("detected_sequence", BigInteger(), null=True),
    _c("detector", Text(), null=True),
    _c("cuts", Json(tuple[Cut, ...])),
    _c("scores", _REF, null=True),
    _c("curves", Json(Curves), null=True),
    CheckConstraint("frames > 0 AND first_frame >= 0", name="segment_not_empty"),
    CheckConstraint(
        "(preprocessed_at IS NULL) = (proxy IS NULL) AND (proxy IS NULL) = (packets IS NULL)",
        name="segment_proxy_whole",
    ),
    schema="projection",
)

cut = Table(
    "cut",
    metadata,
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE"), key=True),
    _c("frame", BigInteger(), key=True),
    _c("kind", cut_kind),
    _c("extent_start", BigInteger()),
    _c("extent_end", BigInteger()),
    _c("confidence", Double()),
    _c("by", Text(), null=True),
    CheckConstraint("frame > 0 AND extent_start <= frame AND frame < extent_end", name="cut_inside_its_extent"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="cut_confidence"),
    schema="projection",
)

clip = Table(
    "clip",
    metadata,
    _c("id", Uuid(), key=True),
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE")),
    _c("video_sequence", BigInteger()),
    _c("start_frame", Integer()),
    _c("end_frame", Integer()),
    _c("state", clip_state),
    _c("live", Boolean()),
    _c("confidence_in", Double(), null=True),
    _c("confidence_out", Double(), null=True),
    _c("certainty", Double()),
    _c("opened_sequence", BigInteger()),
    _c("motion", Double(), null=True),
    _c("static_share", Double(), null=True),
    _c("black_share", Double(), null=True),
    _c("sharpness", Double(), null=True),
    _c("brightness", Double(), null=True),
    _c("loudness_db", Double(), null=True),
    _c("verdict", verdict, null=True),
    _c("decision_id", Uuid(), null=True),
    _c("stands_by", Uuid(), null=True),
    _c("decided_by", Text(), null=True),
    _c("decided_at", _AT, null=True),
    _c("group_id", Uuid(), null=True),
    _c("tags", Tags()),
    _c("note", Text()),
    _c("order_id", Uuid(), null=True),
    _c("export_id", Uuid(), null=True),
    _c("exported_at", _AT, null=True),
    _c("export_object", _REF, null=True),
    _c("proof", Json(Proof), null=True),
    _c("keyframe_id", Uuid(), null=True),
    _c("keyframed_at", _AT, null=True),
    _c("keyframes", Json(tuple[Keyframe, ...])),
    _c("embed_id", Uuid(), null=True),
    _c("embedded_at", _AT, null=True),
    _c("model", Text(), null=True),
    _c("frame_vectors", Json(tuple[ObjectRef, ...])),
    CheckConstraint("0 <= start_frame AND start_frame < end_frame", name="clip_not_empty"),
    CheckConstraint("live = (state <> 'superseded')", name="clip_superseded_is_not_live"),
    CheckConstraint(
        "(verdict IS NULL) = (decision_id IS NULL) AND (verdict IS NULL) = (decided_by IS NULL)"
        " AND (verdict IS NULL) = (decided_at IS NULL)",
        name="clip_verdict_has_who_and_when",
    ),
    CheckConstraint("(verdict IS NULL) = (stands_by IS NULL)", name="clip_verdict_stands_by_a_fact"),
    CheckConstraint("order_id IS NULL OR verdict = 'approve'", name="clip_order_is_of_an_approval"),
    CheckConstraint("export_id IS NULL OR order_id IS NOT NULL", name="clip_export_was_ordered"),
    CheckConstraint("group_id IS NULL OR verdict = 'approve'", name="clip_in_a_group_is_approved"),
    CheckConstraint("certainty BETWEEN 0 AND 1", name="clip_certainty"),
    CheckConstraint("static_share BETWEEN 0 AND 1 AND black_share BETWEEN 0 AND 1", name="clip_shares"),
    CheckConstraint(
        "(verdict IS NULL) = (state IN ('pending_review', 'superseded'))", name="clip_state_follows_verdict"
    ),
    CheckConstraint("(export_id IS NULL) = (export_object IS NULL)", name="clip_export_whole"),
    ExcludeConstraint(
        (Column("video_id"), "="),
        (func.int4range(Column("start_frame"), Column("end_frame")), "&&"),
        name="clip_live_ones_do_not_overlap",
        where=text("live"),
        using="gist",
        deferrable=True,
        initially="DEFERRED",
    ),
    Index("clip_of_video", "video_id", "start_frame"),
    Index("clip_in_order", "video_sequence", "start_frame", "id"),
    Index("clip_by_state", "state", "video_sequence", "start_frame", "id"),
    Index("clip_pending_by_age", "opened_sequence", "id", postgresql_where=text("state = 'pending_review'")),
    Index("clip_pending_by_certainty", "certainty", "id", postgresql_where=text("state = 'pending_review'")),
    Index("clip_pending_by_id", "id", postgresql_where=text("state = 'pending_review'")),
    Index("clip_by_length", text("(end_frame - start_frame)"), "id", postgresql_where=text("live")),
    Index("clip_of_group", "group_id", postgresql_where=text("group_id IS NOT NULL")),
    Index("clip_by_tag", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'")),
    Index("clip_exported", "video_sequence", "start_frame", "id", postgresql_where=text("export_id IS NOT NULL")),
    Index("clip_by_decision", "decided_at", postgresql_where=text("decided_at IS NOT NULL")),
    Index(
        "clip_by_words",
        func.projection.clip_words(Column("tags"), Column("note")),
        postgresql_using="gin",
        postgresql_where=text("tags <> '{}' OR note <> ''"),
    ),
    Index(
        "clip_without_order",
        "video_id",
        postgresql_where=text("verdict = 'approve' AND order_id IS NULL"),
    ),
    schema="projection",
)

embedding = Table(
    "embedding",
    metadata,
    _c("clip_id", Uuid(), key=True),
    _c("model", Text(), key=True),
    _c("strategy", Text(), key=True),
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE")),
    _c("dimensions", Integer()),
    _c("vector", HalfVectorBytes()),
    _c("frame_vectors", _REF, null=True),
    _c("fact_id", Uuid()),
    _c("frames", Json(tuple[int, ...])),
    _c("labels", Json(tuple[Label, ...])),
    CheckConstraint("dimensions BETWEEN 1 AND 4000", name="embedding_dimensions"),
    Index("embedding_of_model", "model", "strategy"),
    schema="projection",
)
"""Its vector indexes, one for each model and strategy, are made by `db.indexes` as models appear."""

failure = Table(
    "failure",
    metadata,
    _c("id", Uuid(), key=True),
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE")),
    _c("stage", Text()),
    _c("reason", Text()),
    _c("failure_class", failure_class),
    _c("attempts", Integer()),
    _c("at", _AT),
    _c("sequence", BigInteger()),
    _c("cause", Uuid(), null=True),
    _c("segment_index", Integer(), null=True),
    _c("clip_id", Uuid(), null=True),
    _c("message_subject", Text()),
    _c("message_sequence", BigInteger()),
    _c("settled", Text(), null=True),
    _c("open", Boolean()),
    CheckConstraint("attempts >= 1", name="failure_attempts"),
    CheckConstraint("settled IN ('retried', 'discarded')", name="failure_settled"),
    Index("failure_of_video", "video_id"),
    Index("failure_open", text("sequence DESC"), postgresql_where=text("open")),
    schema="projection",
)

event = Table(
    "event",
    metadata,
    _c("fact_id", Uuid(), key=True),
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE")),
    _c("sequence", BigInteger()),
    _c("type", Text()),
    _c("at", _AT),
    _c("cause", Uuid(), null=True),
    _c("stage", Text(), null=True),
    _c("segment_index", Integer(), null=True),
    _c("clip_id", Uuid(), null=True),
    _c("by", Text(), null=True),
    _c("note", Text(), null=True),
    _c("attempt", Integer(), null=True),
    _c("started", _AT, null=True),
    _c("finished", _AT, null=True),
    _c("cpu_s", Double(), null=True),
    _c("read_bytes", BigInteger(), null=True),
    _c("written_bytes", BigInteger(), null=True),
    _c("host", Text(), null=True),
    _c("reused", Boolean(), null=True),
    Index("event_of_video", "video_id", "sequence"),
    Index("event_in_order", "sequence", unique=True),
    schema="projection",
)

decision = Table(
    "decision",
    metadata,
    _c("fact_id", Uuid(), key=True),
    _c("part", Integer(), key=True),
    _c("decision_id", Uuid()),
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE")),
    _c("clip_id", Uuid(), null=True),
    _c("start_frame", Integer()),
    _c("end_frame", Integer()),
    _c("sequence", BigInteger()),
    _c("action", action),
    _c("by", Text()),
    _c("at", _AT),
    _c("idempotency_key", Text()),
    _c("group_id", Uuid(), null=True),
    _c("tags", Tags()),
    _c("note", Text()),
    _c("cuts", Json(tuple[Cut, ...])),
    _c("stands", Boolean()),
    _c("changed_sequence", BigInteger()),
    _c("undone_by", Uuid(), null=True),
    CheckConstraint("0 <= start_frame AND start_frame < end_frame AND part >= 0", name="decision_not_empty"),
    CheckConstraint(
        "(clip_id IS NULL) = (action IN ('add_cut', 'remove_cut', 'move_cut', 'confirm_cut'))",
        name="decision_is_about_a_clip_or_cuts",
    ),
    CheckConstraint("NOT stands OR undone_by IS NULL", name="decision_undone_does_not_stand"),
    CheckConstraint("changed_sequence >= sequence", name="decision_changes_after_it_is_made"),
    Index("decision_as_one", "decision_id"),
    Index("decision_of_clip", "clip_id", "idempotency_key"),
    Index("decision_of_video", "video_id", "start_frame"),
    Index("decision_of_person", "by", "sequence"),
    Index("decision_to_undo", "by", "changed_sequence", postgresql_where=text("stands")),
    Index("decision_to_redo", "by", "changed_sequence", postgresql_where=text("undone_by IS NOT NULL")),
    schema="projection",
)

reversal = Table(
    "reversal",
    metadata,
    _c("fact_id", Uuid(), key=True),
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE")),
    _c("decision_id", Uuid()),
    _c("kind", reversal_kind),
    _c("sequence", BigInteger()),
    _c("by", Text()),
    _c("at", _AT),
    _c("idempotency_key", Text()),
    Index("reversal_by_key", "by", "idempotency_key"),
    Index("reversal_of_video", "video_id"),
    schema="projection",
)

discarded = Table(
    "discarded",
    metadata,
    _c("key", Text(), key=True),
    _c("video_id", Uuid(), ForeignKey("projection.video.id", ondelete="CASCADE")),
    _c("bytes", BigInteger()),
    _c("fact_id", Uuid()),
    _c("at", _AT),
    Index("discarded_of_video", "video_id"),
    schema="projection",
)

stage = Table(
    "stage",
    metadata,
    _c("name", Text(), key=True),
    _c("paused", Boolean()),
    _c("by", Text()),
    _c("reason", Text()),
    _c("at", _AT),
    _c("sequence", BigInteger()),
    _c("until", _AT, null=True),
    schema="projection",
)

search_model = Table(
    "search_model",
    metadata,
    _c("model", Text(), key=True),
    _c("strategy", Text(), key=True),
    _c("dimensions", Integer(), null=True),
    _c("requested_sequence", BigInteger(), null=True),
    _c("near_duplicate", Double(), null=True),
    _c("chosen_sequence", BigInteger(), null=True),
    _c("by", Text()),
    _c("at", _AT),
    CheckConstraint("(near_duplicate IS NULL) = (chosen_sequence IS NULL)", name="search_model_chosen_whole"),
    CheckConstraint("(dimensions IS NULL) = (requested_sequence IS NULL)", name="search_model_requested_whole"),
    schema="projection",
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("one", Boolean(), primary_key=True, server_default=text("true")),
    _c("sequence", BigInteger()),
    CheckConstraint("one", name="checkpoint_is_one"),
    schema="projection",
)

message = Table(
    "message",
    metadata,
    Column("sequence", BigInteger(), primary_key=True, autoincrement=False),
    _c("stored_at", _AT),
    _c("subject", Text()),
    _c("headers", JSONB()),
    _c("data", LargeBinary()),
    _c("unreadable", Text(), null=True),
    Index("message_unreadable", "sequence", postgresql_where=text("unreadable IS NOT NULL")),
    schema="facts",
)

upload = Table(
    "upload",
    metadata,
    _c("key", Text(), key=True),
    _c("bytes", BigInteger()),
    _c("sha256", Text(), null=True),
    _c("name", Text()),
    _c("by", Text()),
    Column("uploaded_at", _AT, nullable=False, server_default=func.now()),
    CheckConstraint("bytes > 0", name="upload_not_empty"),
    schema="app",
)

webhook = Table(
    "webhook",
    metadata,
    _c("id", Uuid(), key=True),
    _c("video_id", Uuid()),
    Column("first_tried_at", _AT, nullable=False, server_default=func.now()),
    _c("attempts", Integer()),
    _c("claimed_until", _AT, null=True),
    _c("ended_at", _AT, null=True),
    _c("answer", Text(), null=True),
    CheckConstraint("attempts >= 0", name="webhook_attempts"),
    Index("webhook_of_video", "video_id"),
    schema="app",
)

upload_session = Table(
    "upload_session",
    metadata,
    _c("id", Uuid(), key=True),
    _c("by", Text()),
    _c("resume_key", Text(), null=True),
    _c("key", Text()),
    _c("store_id", Text()),
    _c("name", Text()),
    _c("content_type", Text()),
    _c("bytes", BigInteger()),
    _c("part_bytes", BigInteger()),
    _c("state", Text()),
    _c("reason", Text(), null=True),
    Column("begun_at", _AT, nullable=False, server_default=func.now()),
    Column("touched_at", _AT, nullable=False, server_default=func.now()),
    CheckConstraint("bytes > 0 AND part_bytes > 0", name="upload_session_not_empty"),
    CheckConstraint("state IN ('open', 'done', 'aborted', 'refused')", name="upload_session_state"),
    Index(
        "upload_session_resumable",
        "by",
        "resume_key",
        unique=True,
        postgresql_where=text("state = 'open' AND resume_key IS NOT NULL"),
    ),
    Index("upload_session_open", "touched_at", postgresql_where=text("state = 'open'")),
    schema="app",
)

lease = Table(
    "lease",
    metadata,
    _c("clip_id", Uuid(), key=True),
    _c("video_id", Uuid()),
    _c("holder", Text()),
    _c("idempotency_key", Text()),
    Column("place", Integer(), nullable=False),
    _c("taken_at", _AT),
    _c("expires_at", _AT),
    CheckConstraint("expires_at > taken_at AND place >= 0", name="lease_lasts"),
    Index("lease_of_holder", "holder", "idempotency_key"),
    Index("lease_expiry", "expires_at"),
    schema="app",
)

setting = Table(
    "setting",
    metadata,
    _c("person", Text(), key=True),
    _c("settings", JSONB()),
    Column("changed_at", _AT, nullable=False, server_default=func.now()),
    schema="app",
)

player_error = Table(
    "player_error",
    metadata,
    _c("id", Uuid(), key=True),
    _c("clip_id", Uuid()),
    _c("video_id", Uuid()),
    _c("by", Text()),
    Column("at", _AT, nullable=False, server_default=func.now()),
    _c("cause", Text()),
    _c("detail", Text()),
    Column("times", Integer(), nullable=False, server_default=text("1")),
    CheckConstraint("cause IN ('object', 'decoding', 'network')", name="player_error_cause"),
    UniqueConstraint("clip_id", "by", "cause", name="player_error_once"),
    Index("player_error_of_video", "video_id", "at"),
    Index("player_error_age", "at"),
    schema="app",
)

PROJECTION = (video, segment, cut, clip, embedding, failure, event, decision, reversal, discarded, stage, search_model)
"""Everything that a rebuild drops and makes again, and compares row for row."""
