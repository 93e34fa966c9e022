"""Accounts, sessions and tokens in the database. Secrets come in as words and are looked for by their hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.accounts.principals import Principal, Role, roles_of
from heaters_review_api.accounts.secrets import digest, new_token, random_word

_ACCOUNT = (
    "id, login, name, roles, password, issuer, subject, disabled, failures, locked_until, created_at, signed_in_at"
)


@dataclass(frozen=True, slots=True)
class Account:
    """A person, or a program that has an account of its own."""

    id: UUID
    login: str
    name: str
    roles: frozenset[Role]
    password: str | None
    issuer: str | None
    disabled: bool
    locked: bool
    created_at: datetime
    signed_in_at: datetime | None

    @property
    def principal(self) -> Principal:
        """Who they are to the rest of the service."""
        return Principal(str(self.id), self.name, self.roles)


@dataclass(frozen=True, slots=True)
class Token:
    """An API token, without its word."""

    id: UUID
    account_id: UUID
    login: str
    name: str
    scopes: frozenset[Role]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class Attempt(Enum):
    """What an attempt to sign in is, by those before it."""

    COUNTED = auto()
    LAST = auto()
    """Unless its password is right the account stays locked."""
    REFUSED = auto()
    """The account is locked: whatever its password is."""


class Taken(ValueError):
    """The login belongs to somebody else."""


class Store:
    """The tables of `app` that say who is who."""

    def __init__(self, engine: AsyncEngine, *, session_s: float, idle_s: float) -> None:
        self._engine = engine
        self._session_s, self._idle_s = session_s, idle_s

    # Accounts

    async def add(self, login: str, name: str, roles: Sequence[Role], *, password: str | None) -> Account:
        """Make an account; `password` is its hash, None for one that has none (it signs in elsewhere, or only by tokens).

        Raises:
            Taken: there is one of this login.
        """
        query = f"""
            INSERT INTO app.account (id, login, name, roles, password) VALUES (:id, :login, :name, :roles, :password)
            RETURNING {_ACCOUNT}, false AS locked
        """  # noqa: S608 - our own column names
        values = {"id": uuid4(), "login": login.lower(), "name": name, "roles": sorted(roles), "password": password}
        try:
            return _account(await self._one(query, values))
        except IntegrityError as problem:
            raise Taken(f"there is an account {login.lower()} already") from problem

    async def by_login(self, login: str) -> Account | None:
        """An account by its login, in whatever case."""
        if not login.isprintable():
            return None  # nobody is called so, and the database would not hear of it
        return await self._account("login = :login", {"login": login.lower()})

    async def accounts(self) -> list[Account]:
        """All, by login."""
        query = f"SELECT {_ACCOUNT}, coalesce(locked_until > now(), false) AS locked FROM app.account ORDER BY login"  # noqa: S608 - our own column names
        async with self._engine.connect() as connection:
            return [_account(row) for row in await connection.execute(text(query))]

    async def change(
        self,
        account_id: UUID,
        *,
        roles: Sequence[Role] | None = None,
        disabled: bool | None = None,
        password: str | None = None,
    ) -> Account | None:
        """Change what is given, unlock the account, and end its sessions: what it may do has changed. None: there is none."""
        query = f"""
            UPDATE app.account SET roles = coalesce(:roles, roles), disabled = coalesce(:disabled, disabled),
                password = coalesce(:password, password), failures = 0, locked_until = NULL
            WHERE id = :id RETURNING {_ACCOUNT}, false AS locked
        """  # noqa: S608 - our own column names
        values = {
            "id": account_id,
            "roles": None if roles is None else sorted(roles),
            "disabled": disabled,
            "password": password,
        }
        async with self._engine.begin() as connection:
            row = (await connection.execute(text(query), values)).one_or_none()
            await connection.execute(text("DELETE FROM app.session WHERE account_id = :id"), {"id": account_id})
        return _account(row) if row else None

    async def by_identity(
        self, issuer: str, subject: str, *, login: str, name: str, roles: Sequence[Role]
    ) -> Account | None:
        """The account of somebody whom an identity provider vouches for, made at the first time; None if it is disabled.

        Name and roles become what the provider says now.
        """
        query = f"""
            INSERT INTO app.account AS a (id, login, name, roles, issuer, subject)
            VALUES (:id, :login, :name, :roles, :issuer, :subject)
            ON CONFLICT (issuer, subject) DO UPDATE SET name = excluded.name, roles = excluded.roles
            RETURNING {_ACCOUNT}, false AS locked
        """  # noqa: S608 - our own column names
        values = {"name": name, "roles": sorted(roles), "issuer": issuer, "subject": subject}
        try:
            row = await self._one(query, {**values, "id": uuid4(), "login": login.lower()})
        except IntegrityError:
            # A local account bears this login. It is somebody else until they prove it: never join by name.
            row = await self._one(query, {**values, "id": uuid4(), "login": f"{login.lower()}#{uuid4().hex[:8]}"})
        account = _account(row)
        return None if account.disabled else account

    async def names(self) -> dict[str, str]:
        """Id -> name, for those who see decisions."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(text("SELECT id, name FROM app.account"))
            return {str(row.id): row.name for row in rows}

    async def attempt(self, account_id: UUID, *, most: int, lock_s: float) -> Attempt:
        """Count an attempt to sign in, before anybody looks whether its password is right.

        Were only wrong ones counted, afterwards, then many that come at once, at several replicas, would all be looked at.
        """
        query = """
            UPDATE app.account SET failures = CASE WHEN failures + 1 >= :most THEN 0 ELSE failures + 1 END,
                locked_until = CASE WHEN failures + 1 >= :most THEN now() + make_interval(secs => :lock_s) ELSE locked_until END
            WHERE id = :id AND coalesce(locked_until <= now(), true) RETURNING coalesce(locked_until > now(), false) AS last
        """
        async with self._engine.begin() as connection:
            values = {"id": account_id, "most": most, "lock_s": lock_s}
            row = (await connection.execute(text(query), values)).one_or_none()
        return Attempt.REFUSED if row is None else Attempt.LAST if row.last else Attempt.COUNTED

    async def succeeded(self, account_id: UUID, *, password: str | None) -> None:
        """Forget the attempts before; keep a newer hash of the right one."""
        query = """
            UPDATE app.account SET failures = 0, locked_until = NULL, signed_in_at = now(),
                password = coalesce(:password, password) WHERE id = :id
        """
        await self._do(query, {"id": account_id, "password": password})

    # Sessions

    async def open_session(self, account_id: UUID, *, address: str) -> str:
        """The word of a new session; sessions that are over are forgotten at the occasion."""
        word = random_word()
        await self._do("DELETE FROM app.session WHERE expires_at <= now()", {})
        query = """
            INSERT INTO app.session (hash, account_id, expires_at, address)
            VALUES (:hash, :id, now() + make_interval(secs => :session_s), :address)
        """
        await self._do(
            query, {"hash": digest(word), "id": account_id, "session_s": self._session_s, "address": address}
        )
        return word

    async def by_session(self, word: str, *, asks: bool = True) -> Principal | None:
        """Whose session it is; None if it is over, was idle for too long, or its account is disabled. Whoever asks is not idle."""
        query = """
            SELECT a.id, a.name, a.roles, s.seen_at < now() - interval '1 minute' AS stale
            FROM app.session s JOIN app.account a ON a.id = s.account_id
            WHERE s.hash = :hash AND NOT a.disabled AND s.expires_at > now()
                AND s.seen_at > now() - make_interval(secs => :idle_s)
        """
        values = {"hash": digest(word), "idle_s": self._idle_s}
        async with self._engine.begin() as connection:
            row = (await connection.execute(text(query), values)).one_or_none()
            if row and row.stale and asks:
                await connection.execute(text("UPDATE app.session SET seen_at = now() WHERE hash = :hash"), values)
        return Principal(str(row.id), row.name, roles_of(row.roles)) if row else None

    async def close_session(self, word: str) -> None:
        """Sign out."""
        await self._do("DELETE FROM app.session WHERE hash = :hash", {"hash": digest(word)})

    # API tokens

    async def make_token(self, account_id: UUID, name: str, scopes: Sequence[Role], *, days: int) -> tuple[Token, str]:
        """A new token, and its word, which is shown this once."""
        word = new_token()
        query = """
            INSERT INTO app.token (id, hash, account_id, name, scopes, expires_at)
            VALUES (:id, :hash, :account_id, :name, :scopes, now() + make_interval(days => :days)) RETURNING id
        """
        values = {"id": uuid4(), "hash": digest(word), "account_id": account_id, "name": name, "days": days}
        made = (await self._one(query, {**values, "scopes": sorted(scopes)})).id
        return next(token for token in await self.tokens(account_id) if token.id == made), word

    async def tokens(self, account_id: UUID | None = None) -> list[Token]:
        """Tokens of one account, or of all; the newest first."""
        query = """
            SELECT t.id, t.account_id, a.login, t.name, t.scopes, t.created_at, t.expires_at, t.revoked_at
            FROM app.token t JOIN app.account a ON a.id = t.account_id
            WHERE CAST(:account_id AS uuid) IS NULL OR t.account_id = CAST(:account_id AS uuid) ORDER BY t.created_at DESC, t.id
        """
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                text(query), {"account_id": None if account_id is None else str(account_id)}
            )
            return [
                Token(r.id, r.account_id, r.login, r.name, roles_of(r.scopes), r.created_at, r.expires_at, r.revoked_at)
                for r in rows
            ]

    async def revoke(self, token_id: UUID, *, of: UUID | None = None) -> bool:
        """End a token (of this account only, where one is given); whether there was one."""
        query = """
            UPDATE app.token SET revoked_at = coalesce(revoked_at, now())
            WHERE id = :id AND (CAST(:of AS uuid) IS NULL OR account_id = CAST(:of AS uuid)) RETURNING id
        """
        async with self._engine.begin() as connection:
            found = await connection.execute(text(query), {"id": token_id, "of": None if of is None else str(of)})
            return found.one_or_none() is not None

    async def by_token(self, word: str) -> Principal | None:
        """Whose token it is, with no more than the roles that both token and account have."""
        query = """
            SELECT a.id, a.name, a.roles, t.scopes FROM app.token t JOIN app.account a ON a.id = t.account_id
            WHERE t.hash = :hash AND t.revoked_at IS NULL AND t.expires_at > now() AND NOT a.disabled
        """
        async with self._engine.connect() as connection:
            row = (await connection.execute(text(query), {"hash": digest(word)})).one_or_none()
        return Principal(str(row.id), row.name, roles_of(row.roles) & roles_of(row.scopes)) if row else None

    # Sign-ins that are under way at an identity provider

    async def begin_sign_in(self, *, state: str, verifier: str, nonce: str, within_s: float) -> None:
        """Remember what the answer must fit."""
        await self._do("DELETE FROM app.sign_in WHERE expires_at <= now()", {})
        query = """
            INSERT INTO app.sign_in (state_hash, verifier, nonce, expires_at)
            VALUES (:hash, :verifier, :nonce, now() + make_interval(secs => :within_s))
        """
        await self._do(query, {"hash": digest(state), "verifier": verifier, "nonce": nonce, "within_s": within_s})

    async def end_sign_in(self, state: str) -> tuple[str, str] | None:
        """Verifier and nonce of a sign-in, once; None if there is none, or its time is up."""
        query = "DELETE FROM app.sign_in WHERE state_hash = :hash AND expires_at > now() RETURNING verifier, nonce"
        async with self._engine.begin() as connection:
            row = (await connection.execute(text(query), {"hash": digest(state)})).one_or_none()
        return (row.verifier, row.nonce) if row else None

    async def _account(self, where: str, values: dict[str, Any]) -> Account | None:
        query = f"SELECT {_ACCOUNT}, coalesce(locked_until > now(), false) AS locked FROM app.account WHERE {where}"  # noqa: S608 - our own words
        async with self._engine.connect() as connection:
            row = (await connection.execute(text(query), values)).one_or_none()
        return _account(row) if row else None

    async def _one(self, query: str, values: dict[str, Any]) -> Row[Any]:
        async with self._engine.begin() as connection:
            return (await connection.execute(text(query), values)).one()

    async def _do(self, query: str, values: dict[str, Any]) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(text(query), values)


def _account(row: Row[Any]) -> Account:
    return Account(
        row.id,
        row.login,
        row.name,
        roles_of(row.roles),
        row.password,
        row.issuer,
        row.disabled,
        row.locked,
        row.created_at,
        row.signed_in_at,
    )
