"""Uploads in parts. Their hash is not known when they are whole: the download reads them once, and says it in its fact."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE app.upload ALTER COLUMN sha256 DROP NOT NULL",
    """
    CREATE TABLE app.upload_session (
        id UUID NOT NULL,
        by TEXT NOT NULL,
        resume_key TEXT,
        key TEXT NOT NULL,
        store_id TEXT NOT NULL,
        name TEXT NOT NULL,
        content_type TEXT NOT NULL,
        bytes BIGINT NOT NULL,
        part_bytes BIGINT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        begun_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        touched_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT upload_session_not_empty CHECK (bytes > 0 AND part_bytes > 0),
        CONSTRAINT upload_session_state CHECK (state IN ('open', 'done', 'aborted', 'refused'))
    )
    """,
    """
    CREATE UNIQUE INDEX upload_session_resumable ON app.upload_session (by, resume_key)
    WHERE state = 'open' AND resume_key IS NOT NULL
    """,
    "CREATE INDEX upload_session_open ON app.upload_session (touched_at) WHERE state = 'open'",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
