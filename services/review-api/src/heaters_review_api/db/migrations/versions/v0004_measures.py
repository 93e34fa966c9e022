"""Scores and curves of segments, and what clips look and sound like.

What facts come to changes with this release, so the projection is emptied here, and the projector fills it again from the stream.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    "TRUNCATE projection.video CASCADE",
    "TRUNCATE projection.stage",
    "UPDATE projection.checkpoint SET sequence = 0",
    "ALTER TABLE projection.segment ADD COLUMN scores JSONB, ADD COLUMN curves JSONB",
    """
    ALTER TABLE projection.clip
        ADD COLUMN motion DOUBLE PRECISION,
        ADD COLUMN static_share DOUBLE PRECISION,
        ADD COLUMN black_share DOUBLE PRECISION,
        ADD COLUMN sharpness DOUBLE PRECISION,
        ADD COLUMN brightness DOUBLE PRECISION,
        ADD COLUMN loudness_db DOUBLE PRECISION,
        ADD CONSTRAINT clip_shares CHECK (static_share BETWEEN 0 AND 1 AND black_share BETWEEN 0 AND 1)
    """,
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
