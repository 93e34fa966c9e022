"""Videos whose bytes are here as another video, and playlists that became several.

What facts come to changes with this release, so the projection is emptied here, and the projector fills it again from the stream.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    "TRUNCATE projection.video CASCADE",
    "TRUNCATE projection.stage",
    "UPDATE projection.checkpoint SET sequence = 0",
    "ALTER TYPE projection.video_state ADD VALUE IF NOT EXISTS 'linked'",
    "ALTER TYPE projection.video_state ADD VALUE IF NOT EXISTS 'expanded'",
    "ALTER TABLE projection.video ADD COLUMN twin UUID, ADD COLUMN entries INTEGER",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
