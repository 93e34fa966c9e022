"""Stages that rest until a time: after a burst of failures they try again by themselves."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.execute("ALTER TABLE projection.stage ADD COLUMN until TIMESTAMP WITH TIME ZONE")
