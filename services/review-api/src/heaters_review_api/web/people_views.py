"""What the API answers and takes of accounts, tokens and the audit log."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from heaters_review_api.accounts import audit, store
from heaters_review_api.accounts.principals import Role
from heaters_review_api.accounts.secrets import PASSWORD_LONGEST, PASSWORD_SHORTEST

Password = Annotated[str, Meta(min_length=PASSWORD_SHORTEST, max_length=PASSWORD_LONGEST)]
Login = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Roles = Annotated[list[Role], Meta(min_length=1, max_length=4)]


class Person(Struct, frozen=True, kw_only=True):
    """Somebody who decides, by name."""

    id: str
    name: str


class People(Struct, frozen=True, kw_only=True):
    """Everybody who has an account."""

    items: list[Person]


class Account(Struct, frozen=True, kw_only=True):
    """An account, for those who keep them."""

    id: UUID
    login: str
    name: str
    roles: list[str]
    signs_in: str
    disabled: bool
    locked: bool
    created_at: datetime
    signed_in_at: datetime | None


class Accounts(Struct, frozen=True, kw_only=True):
    """All accounts, by login."""

    items: list[Account]


class AccountWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account; without a password it is a program's, which has tokens only."""

    login: Login
    name: Name
    roles: Roles
    password: Password | None = None


class AccountChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise; its sessions end, and a lock is taken away."""

    roles: Roles | None = None
    disabled: bool | None = None
    password: Password | None = None


class PasswordChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One's own new password; every session ends."""

    old: Annotated[str, Meta(max_length=PASSWORD_LONGEST)]
    new: Password


class Token(Struct, frozen=True, kw_only=True):
    """An API token, without its word."""

    id: UUID
    login: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class Tokens(Struct, frozen=True, kw_only=True):
    """Tokens, the newest first."""

    items: list[Token]


class TokenWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new token: what for, what it may do, for how many days; whose, by login, where it is not one's own."""

    name: Name
    scopes: Roles
    days: Annotated[int, Meta(ge=1, le=366)] = 90
    login: Login | None = None


class TokenMade(Struct, frozen=True, kw_only=True):
    """A new token with its word, which is never shown again."""

    token: Token
    word: str


class Deed(Struct, frozen=True, kw_only=True):
    """One line of the audit log."""

    id: int
    at: datetime
    actor: str
    via: str
    address: str
    action: str
    subject: str
    outcome: int
    detail: dict[str, Any]


class Deeds(Struct, frozen=True, kw_only=True):
    """The audit log, the newest first; `next` is what to ask for as `before`."""

    items: list[Deed]
    next: int | None


def account_view(one: store.Account) -> Account:
    """An account without its secrets."""
    signs_in = "elsewhere" if one.issuer else "password" if one.password else "tokens only"
    return Account(
        id=one.id,
        login=one.login,
        name=one.name,
        roles=sorted(one.roles),
        signs_in=signs_in,
        disabled=one.disabled,
        locked=one.locked,
        created_at=one.created_at,
        signed_in_at=one.signed_in_at,
    )


def token_view(one: store.Token) -> Token:
    """A token without its word."""
    return Token(
        id=one.id,
        login=one.login,
        name=one.name,
        scopes=sorted(one.scopes),
        created_at=one.created_at,
        expires_at=one.expires_at,
        revoked_at=one.revoked_at,
    )


def deed_view(entry: audit.Entry) -> Deed:
    """A line of the audit log."""
    deed = entry.deed
    return Deed(
        id=entry.id,
        at=entry.at,
        actor=deed.actor,
        via=deed.via,
        address=deed.address,
        action=deed.action,
        subject=deed.subject,
        outcome=deed.outcome,
        detail=deed.detail,
    )
