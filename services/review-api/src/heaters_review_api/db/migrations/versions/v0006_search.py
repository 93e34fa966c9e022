"""Search: models side by side, words, and what a clip's embedding is made of.

What facts come to changes with this release, so the projection is emptied here, and the projector fills it again from the stream.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    "TRUNCATE projection.video CASCADE",
    "TRUNCATE projection.stage",
    "UPDATE projection.checkpoint SET sequence = 0",
    "DROP INDEX projection.embedding_near_1280",
    "ALTER TABLE projection.embedding ADD COLUMN frames JSONB NOT NULL, ADD COLUMN labels JSONB NOT NULL",
    # A vector is read in every comparison: out of line it would cost as many look-ups again.
    "ALTER TABLE projection.embedding ALTER COLUMN vector SET STORAGE MAIN",
    "CREATE INDEX embedding_of_model ON projection.embedding (model, strategy)",
    """
    CREATE TABLE projection.search_model (
        model TEXT NOT NULL,
        strategy TEXT NOT NULL,
        dimensions INTEGER,
        requested_sequence BIGINT,
        near_duplicate DOUBLE PRECISION,
        chosen_sequence BIGINT,
        by TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (model, strategy),
        CONSTRAINT search_model_chosen_whole CHECK ((near_duplicate IS NULL) = (chosen_sequence IS NULL)),
        CONSTRAINT search_model_requested_whole CHECK ((dimensions IS NULL) = (requested_sequence IS NULL))
    )
    """,
    "CREATE INDEX clip_by_decision ON projection.clip (decided_at) WHERE decided_at IS NOT NULL",
    # An index wants a function that never answers differently; array_to_string is not said to be one, on texts it is.
    """
    CREATE FUNCTION projection.clip_words(tags TEXT[], note TEXT) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_tsvector('simple'::regconfig, array_to_string(tags, ' ') || ' ' || note) $$
    """,
    "CREATE INDEX clip_by_words ON projection.clip USING gin (projection.clip_words(tags, note)) WHERE tags <> '{}' OR note <> ''",
    "CREATE INDEX video_by_words ON projection.video USING gin (to_tsvector('simple'::regconfig, coalesce(title, '')))",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
