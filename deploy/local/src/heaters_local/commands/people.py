"""`heaters user` and `heaters token`: accounts and API tokens, through the API."""

import click
from rich.table import Table

from heaters_local.client import Api
from heaters_local.state import Home
from heaters_local.terminal import console, home_option, said

_ROLES = click.Choice(["reviewer", "lead", "ops", "ingest"])


@click.group()
def user() -> None:
    """Accounts: who may come in, and what they may do."""


@user.command("list")
@home_option
def list_users(home: Home) -> None:
    """Every account."""
    table = Table(box=None, pad_edge=False)
    for name in ("login", "name", "roles", "signs in", "state"):
        table.add_column(name)
    with Api.of(home) as api:
        for one in api.accounts():
            state = "disabled" if one["disabled"] else "locked" if one["locked"] else ""
            table.add_row(one["login"], one["name"], ", ".join(one["roles"]), one["signs_in"], state)
    console().print(table)


@user.command("add")
@click.argument("login")
@click.option("--name", help="How others see them; the login without it.")
@click.option("--role", "roles", type=_ROLES, multiple=True, required=True, help="May be given several times.")
@click.option("--program", is_flag=True, help="A program's account: no password, only tokens.")
@home_option
def add_user(home: Home, login: str, name: str | None, roles: tuple[str, ...], program: bool) -> None:
    """Make an account; the password is asked for, and never shown."""
    password = None if program else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with Api.of(home) as api:
        made = api.add_account(login, name or login, roles, password)
    said(console(), f"{made['login']} may come in as {', '.join(made['roles'])}")


@user.command("roles")
@click.argument("login")
@click.option("--role", "roles", type=_ROLES, multiple=True, required=True, help="All of the roles from now on.")
@home_option
def set_roles(home: Home, login: str, roles: tuple[str, ...]) -> None:
    """Say anew what somebody may do; their sessions end."""
    with Api.of(home) as api:
        api.change_account(login, roles=list(roles))
    said(console(), f"{login} has the roles {', '.join(sorted(roles))}")


@user.command("disable")
@click.argument("login")
@home_option
def disable(home: Home, login: str) -> None:
    """Let somebody in no more, by password or by token."""
    with Api.of(home) as api:
        api.change_account(login, disabled=True)
    said(console(), f"{login} is disabled: `heaters user unlock {login}` lets them in again")


@user.command("unlock")
@click.argument("login")
@home_option
def unlock(home: Home, login: str) -> None:
    """Let somebody in again who was disabled, or locked for wrong passwords."""
    with Api.of(home) as api:
        api.change_account(login, disabled=False)
    said(console(), f"{login} may come in")


@click.group()
def token() -> None:
    """API tokens for programs."""


@token.command("create")
@click.argument("name")
@click.option("--login", required=True, help="Whose account it speaks for.")
@click.option("--scope", "scopes", type=_ROLES, multiple=True, required=True, help="What it may do.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it is good.")
@home_option
def create(home: Home, name: str, login: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a token; its word is shown this once."""
    with Api.of(home) as api:
        made = api.make_token(name, login=login, scopes=scopes, days=days)
    said(console(), made["word"])


@token.command("list")
@home_option
def list_tokens(home: Home) -> None:
    """Every token, without its word."""
    table = Table(box=None, pad_edge=False)
    for name in ("id", "login", "name", "scopes", "until", ""):
        table.add_column(name)
    with Api.of(home) as api:
        for one in api.tokens():
            state = "revoked" if one["revoked_at"] else ""
            table.add_row(one["id"], one["login"], one["name"], ", ".join(one["scopes"]), one["expires_at"][:10], state)
    console().print(table)


@token.command("revoke")
@click.argument("token_id")
@home_option
def revoke(home: Home, token_id: str) -> None:
    """End a token; it is refused within two seconds."""
    with Api.of(home) as api:
        api.revoke_token(token_id)
    said(console(), f"{token_id} is revoked")
