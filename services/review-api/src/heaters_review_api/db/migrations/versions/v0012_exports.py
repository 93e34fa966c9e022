"""Clips that are files, in the order in which they are handed to other teams."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.execute(
        "CREATE INDEX IF NOT EXISTS clip_exported ON projection.clip (video_sequence, start_frame, id)"
        " WHERE export_id IS NOT NULL"
    )
