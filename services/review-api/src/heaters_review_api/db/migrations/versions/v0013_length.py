"""Clips by how long they are."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = ("CREATE INDEX clip_by_length ON projection.clip ((end_frame - start_frame), id) WHERE live",)


def upgrade() -> None:
    """Make it."""
    for statement in STATEMENTS:
        op.execute(statement)
