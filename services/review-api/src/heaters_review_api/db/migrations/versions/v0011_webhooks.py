"""What was told to requesters at their addresses, and how many videos each of them has asked for."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE INDEX video_of_requester ON projection.video (requester, requested_at)",
    """
    CREATE TABLE app.webhook (
        id UUID NOT NULL,
        video_id UUID NOT NULL,
        first_tried_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        attempts INTEGER NOT NULL,
        claimed_until TIMESTAMP WITH TIME ZONE,
        ended_at TIMESTAMP WITH TIME ZONE,
        answer TEXT,
        PRIMARY KEY (id),
        CONSTRAINT webhook_attempts CHECK (attempts >= 0)
    )
    """,
    "CREATE INDEX webhook_of_video ON app.webhook (video_id)",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
