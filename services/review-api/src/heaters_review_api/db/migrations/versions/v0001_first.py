"""The first tables: the projection, the facts verbatim, and uploads."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE SCHEMA IF NOT EXISTS projection",
    "CREATE SCHEMA IF NOT EXISTS facts",
    "CREATE SCHEMA IF NOT EXISTS app",
    "CREATE TYPE projection.video_state AS ENUM ('new', 'rejected', 'downloading', 'downloaded', 'preprocessing', 'preprocessed', 'detecting_scenes', 'in_review', 'done', 'download_failed', 'plan_failed', 'preprocess_failed', 'scenes_failed')",
    "CREATE TYPE projection.clip_state AS ENUM ('pending_review', 'review_approved', 'exporting', 'exported', 'keyframing', 'keyframed', 'embedding', 'embedded', 'review_skipped', 'review_archived', 'superseded', 'export_failed', 'keyframe_failed', 'embedding_failed')",
    "CREATE TYPE projection.lane AS ENUM ('interactive', 'bulk')",
    "CREATE TYPE projection.verdict AS ENUM ('approve', 'skip', 'archive')",
    "CREATE TYPE projection.failure_class AS ENUM ('bad_input', 'transient', 'quota', 'bug')",
    "CREATE TYPE projection.cut_kind AS ENUM ('hard', 'dissolve', 'fade')",
    """
    CREATE TABLE app.upload (
        key TEXT NOT NULL,
        bytes BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        name TEXT NOT NULL,
        by TEXT NOT NULL,
        uploaded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (key),
        CONSTRAINT upload_not_empty CHECK (bytes > 0)
    )
    """,
    """
    CREATE TABLE facts.message (
        sequence BIGINT NOT NULL,
        stored_at TIMESTAMP WITH TIME ZONE NOT NULL,
        subject TEXT NOT NULL,
        headers JSONB NOT NULL,
        data BYTEA NOT NULL,
        unreadable TEXT,
        PRIMARY KEY (sequence)
    )
    """,
    "CREATE INDEX message_unreadable ON facts.message (sequence) WHERE unreadable IS NOT NULL",
    """
    CREATE TABLE projection.checkpoint (
        one BOOLEAN DEFAULT true NOT NULL,
        sequence BIGINT NOT NULL,
        PRIMARY KEY (one),
        CONSTRAINT checkpoint_is_one CHECK (one)
    )
    """,
    """
    CREATE TABLE projection.stage (
        name TEXT NOT NULL,
        paused BOOLEAN NOT NULL,
        by TEXT NOT NULL,
        reason TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        sequence BIGINT NOT NULL,
        PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE projection.video (
        id UUID NOT NULL,
        state projection.video_state NOT NULL,
        version BIGINT NOT NULL,
        lane projection.lane NOT NULL,
        requester TEXT NOT NULL,
        request_id TEXT NOT NULL,
        requested_at TIMESTAMP WITH TIME ZONE,
        requested_sequence BIGINT,
        source JSONB,
        options JSONB,
        rejected_reason TEXT,
        title TEXT,
        source_object JSONB,
        downloaded_at TIMESTAMP WITH TIME ZONE,
        downloaded_sequence BIGINT,
        technical JSONB,
        frames BIGINT,
        time_base_num BIGINT,
        time_base_den BIGINT,
        start_ticks BIGINT,
        end_ticks BIGINT,
        frame_table JSONB,
        segments_total INTEGER,
        segments_done INTEGER NOT NULL,
        planned_at TIMESTAMP WITH TIME ZONE,
        planned_sequence BIGINT,
        preprocessed_at TIMESTAMP WITH TIME ZONE,
        detected_at TIMESTAMP WITH TIME ZONE,
        master JSONB,
        master_stored_at TIMESTAMP WITH TIME ZONE,
        master_sequence BIGINT,
        failures INTEGER NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT video_requested_whole CHECK ((requested_at IS NULL) = (requested_sequence IS NULL)),
        CONSTRAINT video_state_follows_request CHECK ((requested_at IS NULL) = (state IN ('new', 'rejected'))),
        CONSTRAINT video_not_empty CHECK (frames > 0 AND segments_total > 0 AND end_ticks > start_ticks),
        CONSTRAINT video_time_base_positive CHECK (time_base_num > 0 AND time_base_den > 0),
        CONSTRAINT video_counts CHECK (segments_done >= 0 AND failures >= 0)
    )
    """,
    "CREATE INDEX video_not_requested ON projection.video (id) WHERE requested_sequence IS NULL",
    "CREATE INDEX video_listed ON projection.video (requested_sequence DESC) WHERE requested_sequence IS NOT NULL",
    """
    CREATE TABLE projection.clip (
        id UUID NOT NULL,
        video_id UUID NOT NULL,
        video_sequence BIGINT NOT NULL,
        start_frame INTEGER NOT NULL,
        end_frame INTEGER NOT NULL,
        state projection.clip_state NOT NULL,
        live BOOLEAN NOT NULL,
        confidence_in DOUBLE PRECISION,
        confidence_out DOUBLE PRECISION,
        verdict projection.verdict,
        decision_id UUID,
        decided_by TEXT,
        decided_at TIMESTAMP WITH TIME ZONE,
        group_id UUID,
        tags TEXT[] NOT NULL,
        note TEXT NOT NULL,
        export_id UUID,
        exported_at TIMESTAMP WITH TIME ZONE,
        export_object JSONB,
        proof JSONB,
        keyframe_id UUID,
        keyframed_at TIMESTAMP WITH TIME ZONE,
        keyframes JSONB NOT NULL,
        embed_id UUID,
        embedded_at TIMESTAMP WITH TIME ZONE,
        model TEXT,
        PRIMARY KEY (id),
        CONSTRAINT clip_not_empty CHECK (0 <= start_frame AND start_frame < end_frame),
        CONSTRAINT clip_superseded_is_not_live CHECK (live = (state <> 'superseded')),
        CONSTRAINT clip_verdict_has_who_and_when CHECK ((verdict IS NULL) = (decision_id IS NULL) AND (verdict IS NULL) = (decided_by IS NULL) AND (verdict IS NULL) = (decided_at IS NULL)),
        CONSTRAINT clip_state_follows_verdict CHECK ((verdict IS NULL) = (state IN ('pending_review', 'superseded'))),
        CONSTRAINT clip_export_whole CHECK ((export_id IS NULL) = (export_object IS NULL)),
        CONSTRAINT clip_live_ones_do_not_overlap EXCLUDE USING gist (video_id WITH =, int4range(start_frame, end_frame) WITH &&) WHERE (live) DEFERRABLE INITIALLY DEFERRED,
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX clip_by_state ON projection.clip (state, video_sequence, start_frame, id)",
    "CREATE INDEX clip_in_order ON projection.clip (video_sequence, start_frame, id)",
    "CREATE INDEX clip_of_video ON projection.clip (video_id, start_frame)",
    """
    CREATE TABLE projection.cut (
        video_id UUID NOT NULL,
        frame BIGINT NOT NULL,
        kind projection.cut_kind NOT NULL,
        extent_start BIGINT NOT NULL,
        extent_end BIGINT NOT NULL,
        confidence DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (video_id, frame),
        CONSTRAINT cut_inside_its_extent CHECK (frame > 0 AND extent_start <= frame AND frame < extent_end),
        CONSTRAINT cut_confidence CHECK (confidence BETWEEN 0 AND 1),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE projection.decision (
        fact_id UUID NOT NULL,
        video_id UUID NOT NULL,
        clip_id UUID NOT NULL,
        sequence BIGINT NOT NULL,
        verdict projection.verdict NOT NULL,
        by TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        idempotency_key TEXT NOT NULL,
        PRIMARY KEY (fact_id),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX decision_of_clip ON projection.decision (clip_id, idempotency_key)",
    "CREATE INDEX decision_of_video ON projection.decision (video_id)",
    """
    CREATE TABLE projection.discarded (
        key TEXT NOT NULL,
        video_id UUID NOT NULL,
        bytes BIGINT NOT NULL,
        fact_id UUID NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (key),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX discarded_of_video ON projection.discarded (video_id)",
    """
    CREATE TABLE projection.embedding (
        clip_id UUID NOT NULL,
        model TEXT NOT NULL,
        strategy TEXT NOT NULL,
        video_id UUID NOT NULL,
        dimensions INTEGER NOT NULL,
        vector HALFVEC NOT NULL,
        frame_vectors JSONB,
        fact_id UUID NOT NULL,
        PRIMARY KEY (clip_id, model, strategy),
        CONSTRAINT embedding_dimensions CHECK (dimensions BETWEEN 1 AND 4000),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX embedding_near_1280 ON projection.embedding USING hnsw ((vector::halfvec(1280)) halfvec_cosine_ops) WHERE dimensions = 1280",
    """
    CREATE TABLE projection.event (
        fact_id UUID NOT NULL,
        video_id UUID NOT NULL,
        sequence BIGINT NOT NULL,
        type TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        cause UUID,
        stage TEXT,
        segment_index INTEGER,
        clip_id UUID,
        by TEXT,
        note TEXT,
        attempt INTEGER,
        started TIMESTAMP WITH TIME ZONE,
        finished TIMESTAMP WITH TIME ZONE,
        cpu_s DOUBLE PRECISION,
        read_bytes BIGINT,
        written_bytes BIGINT,
        host TEXT,
        reused BOOLEAN,
        PRIMARY KEY (fact_id),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX event_in_order ON projection.event (sequence)",
    "CREATE INDEX event_of_video ON projection.event (video_id, sequence)",
    """
    CREATE TABLE projection.failure (
        id UUID NOT NULL,
        video_id UUID NOT NULL,
        stage TEXT NOT NULL,
        reason TEXT NOT NULL,
        failure_class projection.failure_class NOT NULL,
        attempts INTEGER NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        sequence BIGINT NOT NULL,
        cause UUID,
        segment_index INTEGER,
        clip_id UUID,
        message_subject TEXT NOT NULL,
        message_sequence BIGINT NOT NULL,
        settled TEXT,
        open BOOLEAN NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT failure_attempts CHECK (attempts >= 1),
        CONSTRAINT failure_settled CHECK (settled IN ('retried', 'discarded')),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX failure_of_video ON projection.failure (video_id)",
    "CREATE INDEX failure_open ON projection.failure (sequence DESC) WHERE open",
    """
    CREATE TABLE projection.segment (
        video_id UUID NOT NULL,
        index INTEGER NOT NULL,
        first_frame BIGINT NOT NULL,
        frames BIGINT NOT NULL,
        start_ticks BIGINT NOT NULL,
        end_ticks BIGINT NOT NULL,
        planned_at TIMESTAMP WITH TIME ZONE,
        preprocessed_at TIMESTAMP WITH TIME ZONE,
        preprocessed_sequence BIGINT,
        profile TEXT,
        proxy JSONB,
        packets JSONB,
        tiny JSONB,
        storyboard JSONB,
        width_px INTEGER,
        height_px INTEGER,
        detected_at TIMESTAMP WITH TIME ZONE,
        detected_sequence BIGINT,
        detector TEXT,
        cuts JSONB NOT NULL,
        PRIMARY KEY (video_id, index),
        CONSTRAINT segment_not_empty CHECK (frames > 0 AND first_frame >= 0),
        CONSTRAINT segment_proxy_whole CHECK ((preprocessed_at IS NULL) = (proxy IS NULL) AND (proxy IS NULL) = (packets IS NULL)),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "INSERT INTO projection.checkpoint (sequence) VALUES (0)",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
