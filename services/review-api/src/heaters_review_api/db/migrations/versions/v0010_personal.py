"""What is a person's own: settings of the pages, and clips that did not play for them."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE app.setting (
        person TEXT NOT NULL,
        settings JSONB NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        PRIMARY KEY (person)
    )
    """,
    """
    CREATE TABLE app.player_error (
        id UUID NOT NULL,
        clip_id UUID NOT NULL,
        video_id UUID NOT NULL,
        by TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        cause TEXT NOT NULL,
        detail TEXT NOT NULL,
        times INTEGER DEFAULT 1 NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT player_error_cause CHECK (cause IN ('object', 'decoding', 'network')),
        CONSTRAINT player_error_once UNIQUE (clip_id, by, cause)
    )
    """,
    "CREATE INDEX player_error_of_video ON app.player_error (video_id, at)",
    "CREATE INDEX player_error_age ON app.player_error (at)",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
