"""Decisions of every kind that can be undone, orders of approved clips, and leases.

What facts come to changes with this release, so the projection is emptied here, and the projector fills it again from the stream.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "TRUNCATE projection.video CASCADE",
    "TRUNCATE projection.stage",
    "UPDATE projection.checkpoint SET sequence = 0",
    "CREATE TYPE projection.action AS ENUM ('approve', 'skip', 'archive', 'group', 'ungroup', 'annotate', 'add_cut', 'remove_cut', 'move_cut', 'confirm_cut')",
    "CREATE TYPE projection.reversal_kind AS ENUM ('undo', 'redo')",
    "ALTER TABLE projection.segment ADD COLUMN waveform JSONB",
    "ALTER TABLE projection.cut ADD COLUMN by TEXT",
    """
    ALTER TABLE projection.clip
        ADD COLUMN certainty DOUBLE PRECISION NOT NULL,
        ADD COLUMN opened_sequence BIGINT NOT NULL,
        ADD COLUMN stands_by UUID,
        ADD COLUMN order_id UUID,
        ADD COLUMN frame_vectors JSONB NOT NULL,
        ADD CONSTRAINT clip_verdict_stands_by_a_fact CHECK ((verdict IS NULL) = (stands_by IS NULL)),
        ADD CONSTRAINT clip_order_is_of_an_approval CHECK (order_id IS NULL OR verdict = 'approve'),
        ADD CONSTRAINT clip_export_was_ordered CHECK (export_id IS NULL OR order_id IS NOT NULL),
        ADD CONSTRAINT clip_in_a_group_is_approved CHECK (group_id IS NULL OR verdict = 'approve'),
        ADD CONSTRAINT clip_certainty CHECK (certainty BETWEEN 0 AND 1)
    """,
    "CREATE INDEX clip_pending_by_age ON projection.clip (opened_sequence, id) WHERE state = 'pending_review'",
    "CREATE INDEX clip_pending_by_certainty ON projection.clip (certainty, id) WHERE state = 'pending_review'",
    "CREATE INDEX clip_pending_by_id ON projection.clip (id) WHERE state = 'pending_review'",
    "CREATE INDEX clip_of_group ON projection.clip (group_id) WHERE group_id IS NOT NULL",
    "CREATE INDEX clip_by_tag ON projection.clip USING gin (tags) WHERE tags <> '{}'",
    "CREATE INDEX clip_without_order ON projection.clip (video_id) WHERE verdict = 'approve' AND order_id IS NULL",
    "DROP TABLE projection.decision",
    """
    CREATE TABLE projection.decision (
        fact_id UUID NOT NULL,
        part INTEGER NOT NULL,
        decision_id UUID NOT NULL,
        video_id UUID NOT NULL,
        clip_id UUID,
        start_frame INTEGER NOT NULL,
        end_frame INTEGER NOT NULL,
        sequence BIGINT NOT NULL,
        action projection.action NOT NULL,
        by TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        idempotency_key TEXT NOT NULL,
        group_id UUID,
        tags TEXT[] NOT NULL,
        note TEXT NOT NULL,
        cuts JSONB NOT NULL,
        stands BOOLEAN NOT NULL,
        changed_sequence BIGINT NOT NULL,
        undone_by UUID,
        PRIMARY KEY (fact_id, part),
        CONSTRAINT decision_not_empty CHECK (0 <= start_frame AND start_frame < end_frame AND part >= 0),
        CONSTRAINT decision_is_about_a_clip_or_cuts CHECK ((clip_id IS NULL) = (action IN ('add_cut', 'remove_cut', 'move_cut', 'confirm_cut'))),
        CONSTRAINT decision_undone_does_not_stand CHECK (NOT stands OR undone_by IS NULL),
        CONSTRAINT decision_changes_after_it_is_made CHECK (changed_sequence >= sequence),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX decision_as_one ON projection.decision (decision_id)",
    "CREATE INDEX decision_of_clip ON projection.decision (clip_id, idempotency_key)",
    "CREATE INDEX decision_of_video ON projection.decision (video_id, start_frame)",
    "CREATE INDEX decision_of_person ON projection.decision (by, sequence)",
    "CREATE INDEX decision_to_undo ON projection.decision (by, changed_sequence) WHERE stands",
    "CREATE INDEX decision_to_redo ON projection.decision (by, changed_sequence) WHERE undone_by IS NOT NULL",
    """
    CREATE TABLE projection.reversal (
        fact_id UUID NOT NULL,
        video_id UUID NOT NULL,
        decision_id UUID NOT NULL,
        kind projection.reversal_kind NOT NULL,
        sequence BIGINT NOT NULL,
        by TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        idempotency_key TEXT NOT NULL,
        PRIMARY KEY (fact_id),
        FOREIGN KEY(video_id) REFERENCES projection.video (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX reversal_by_key ON projection.reversal (by, idempotency_key)",
    "CREATE INDEX reversal_of_video ON projection.reversal (video_id)",
    """
    CREATE TABLE app.lease (
        clip_id UUID NOT NULL,
        video_id UUID NOT NULL,
        holder TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        place INTEGER NOT NULL,
        taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (clip_id),
        CONSTRAINT lease_lasts CHECK (expires_at > taken_at AND place >= 0)
    )
    """,
    "CREATE INDEX lease_of_holder ON app.lease (holder, idempotency_key)",
    "CREATE INDEX lease_expiry ON app.lease (expires_at)",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
