"""Accounts, sessions, API tokens, sign-ins under way and the audit log."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROLES = "ARRAY['reviewer', 'lead', 'ops', 'ingest']::text[]"

STATEMENTS = (
    f"""
    CREATE TABLE app.account (
        id UUID PRIMARY KEY,
        login TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        roles TEXT[] NOT NULL,
        password TEXT,
        issuer TEXT,
        subject TEXT,
        disabled BOOLEAN NOT NULL DEFAULT false,
        failures INTEGER NOT NULL DEFAULT 0,
        locked_until TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        signed_in_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT account_of_an_identity UNIQUE (issuer, subject),
        CONSTRAINT account_roles CHECK (roles <@ {_ROLES}),
        CONSTRAINT account_identity_whole CHECK ((issuer IS NULL) = (subject IS NULL)),
        CONSTRAINT account_login_is_lower_case CHECK (login = lower(login) AND login <> '')
    )
    """,
    """
    CREATE TABLE app.session (
        hash BYTEA PRIMARY KEY,
        account_id UUID NOT NULL REFERENCES app.account (id) ON DELETE CASCADE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        seen_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        address TEXT NOT NULL
    )
    """,
    "CREATE INDEX session_of_account ON app.session (account_id)",
    "CREATE INDEX session_expiry ON app.session (expires_at)",
    f"""
    CREATE TABLE app.token (
        id UUID PRIMARY KEY,
        hash BYTEA NOT NULL UNIQUE,
        account_id UUID NOT NULL REFERENCES app.account (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        scopes TEXT[] NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        revoked_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT token_scopes CHECK (scopes <@ {_ROLES} AND scopes <> '{{}}')
    )
    """,
    "CREATE INDEX token_of_account ON app.token (account_id)",
    """
    CREATE TABLE app.sign_in (
        state_hash BYTEA PRIMARY KEY,
        verifier TEXT NOT NULL,
        nonce TEXT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL
    )
    """,
    """
    CREATE TABLE app.audit (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        actor TEXT NOT NULL,
        via TEXT NOT NULL,
        address TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        outcome INTEGER NOT NULL,
        detail JSONB NOT NULL
    )
    """,
    "CREATE INDEX audit_of_actor ON app.audit (actor, id)",
)


def upgrade() -> None:
    """Make them."""
    for statement in STATEMENTS:
        op.execute(statement)
