"""Videos whose exports wait for an original in cold storage."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.execute("ALTER TABLE projection.video ADD COLUMN thaw_requested_at TIMESTAMP WITH TIME ZONE")
