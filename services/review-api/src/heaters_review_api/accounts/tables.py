"""Accounts, sessions, API tokens, sign-ins under way and the audit log, as SQLAlchemy sees them. Secrets lie here only as hashes."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from heaters_review_api.accounts.principals import Role
from heaters_review_api.db.schema import metadata

_AT = DateTime(timezone=True)
_ROLES = "ARRAY[" + ", ".join(f"'{role}'" for role in Role) + "]::text[]"

account = Table(
    "account",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("login", Text(), nullable=False, unique=True),
    Column("name", Text(), nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("password", Text()),
    Column("issuer", Text()),
    Column("subject", Text()),
    Column("disabled", Boolean(), nullable=False, server_default=text("false")),
    Column("failures", Integer(), nullable=False, server_default=text("0")),
    Column("locked_until", _AT),
    Column("created_at", _AT, nullable=False, server_default=func.now()),
    Column("signed_in_at", _AT),
    UniqueConstraint("issuer", "subject", name="account_of_an_identity"),
    CheckConstraint(f"roles <@ {_ROLES}", name="account_roles"),
    CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="account_identity_whole"),
    CheckConstraint("login = lower(login) AND login <> ''", name="account_login_is_lower_case"),
    schema="app",
)

session = Table(
    "session",
    metadata,
    Column("hash", LargeBinary(), primary_key=True),
    Column("account_id", Uuid(), ForeignKey("app.account.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", _AT, nullable=False, server_default=func.now()),
    Column("seen_at", _AT, nullable=False, server_default=func.now()),
    Column("expires_at", _AT, nullable=False),
    Column("address", Text(), nullable=False),
    Index("session_of_account", "account_id"),
    Index("session_expiry", "expires_at"),
    schema="app",
)

token = Table(
    "token",
    metadata,
    Column("id", Uuid(), primary_key=True),
    Column("hash", LargeBinary(), nullable=False, unique=True),
    Column("account_id", Uuid(), ForeignKey("app.account.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text(), nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", _AT, nullable=False, server_default=func.now()),
    Column("expires_at", _AT, nullable=False),
    Column("revoked_at", _AT),
    CheckConstraint(f"scopes <@ {_ROLES} AND scopes <> '{{}}'", name="token_scopes"),
    Index("token_of_account", "account_id"),
    schema="app",
)

sign_in = Table(
    "sign_in",
    metadata,
    Column("state_hash", LargeBinary(), primary_key=True),
    Column("verifier", Text(), nullable=False),
    Column("nonce", Text(), nullable=False),
    Column("expires_at", _AT, nullable=False),
    schema="app",
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger(), Identity(always=True), primary_key=True),
    Column("at", _AT, nullable=False, server_default=func.now()),
    Column("actor", Text(), nullable=False),
    Column("via", Text(), nullable=False),
    Column("address", Text(), nullable=False),
    Column("action", Text(), nullable=False),
    Column("subject", Text(), nullable=False),
    Column("outcome", Integer(), nullable=False),
    Column("detail", JSONB(), nullable=False),
    Index("audit_of_actor", "actor", "id"),
    schema="app",
)
