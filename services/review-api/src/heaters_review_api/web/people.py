"""Accounts, API tokens and the audit log."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from heaters_review_api.accounts.principals import LOCAL, Role
from heaters_review_api.accounts.secrets import check_password, hash_password
from heaters_review_api.accounts.store import Account, Taken
from heaters_review_api.web import people_views as views
from heaters_review_api.web.auth import ANYBODY, KEEPERS, Principal
from heaters_review_api.web.desk import Desk, TheDesk
from heaters_review_api.web.problems import Problem

Asker = Request[Principal, Any, Any]


@get("/api/people", guards=[ANYBODY], tags=["people"])
async def people(desk: TheDesk) -> views.People:
    """Names by id: facts and decisions know people by id only."""
    names = await desk.gate.store.names()
    if desk.gate.local:
        names[LOCAL.id] = LOCAL.name
    return views.People(items=[views.Person(id=id_, name=name) for id_, name in names.items()])


@get("/api/accounts", guards=[KEEPERS], tags=["people"])
async def list_accounts(desk: TheDesk) -> views.Accounts:
    """All accounts."""
    return views.Accounts(items=[views.account_view(one) for one in await desk.gate.store.accounts()])


@post("/api/accounts", guards=[KEEPERS], status_code=201, tags=["people"])
async def add_account(desk: TheDesk, data: JSONBody[views.AccountWish]) -> views.Account:
    """Make an account."""
    password = await hash_password(data.password) if data.password else None
    try:
        made = await desk.gate.store.add(data.login, data.name, data.roles, password=password)
    except Taken as problem:
        raise Problem(409, "This login is taken", str(problem)) from problem
    return views.account_view(made)


@post("/api/accounts/{account_id:uuid}", guards=[KEEPERS], status_code=200, tags=["people"])
async def change_account(
    desk: TheDesk, request: Asker, account_id: FromPath[UUID], data: JSONBody[views.AccountChange]
) -> views.Account:
    """Give or take roles, disable, enable, unlock, or set a password."""
    itself = str(account_id) == request.user.id
    if itself and (data.disabled or (data.roles is not None and Role.OPS not in data.roles)):
        raise Problem(409, "Not to oneself", "Whoever keeps accounts does not lock themselves out.")
    password = await hash_password(data.password) if data.password else None
    changed = await desk.gate.store.change(account_id, roles=data.roles, disabled=data.disabled, password=password)
    desk.gate.forget()
    if changed is None:
        raise Problem(404, "No such account", f"There is no account {account_id}.")
    return views.account_view(changed)


@post("/api/me/password", guards=[ANYBODY], status_code=200, tags=["people"])
async def change_password(desk: TheDesk, request: Asker, data: JSONBody[views.PasswordChange]) -> views.Account:
    """Set one's own password anew; all one's sessions end."""
    account = await _account_of(desk, request.user)
    if account.password is None or not (await check_password(account.password, data.old)).right:
        raise Problem(403, "Not allowed", "The old password is not this.")
    changed = await desk.gate.store.change(account.id, password=await hash_password(data.new))
    desk.gate.forget()
    return views.account_view(changed or account)


@get("/api/tokens", guards=[ANYBODY], tags=["people"])
async def list_tokens(desk: TheDesk, request: Asker) -> views.Tokens:
    """One's own tokens; everybody's, for those who keep accounts."""
    if Role.OPS in request.user.roles:
        found = await desk.gate.store.tokens()
    else:
        found = await desk.gate.store.tokens(UUID(request.user.id))
    return views.Tokens(items=[views.token_view(one) for one in found])


@post("/api/tokens", guards=[ANYBODY], status_code=201, tags=["people"])
async def make_token(desk: TheDesk, request: Asker, data: JSONBody[views.TokenWish]) -> views.TokenMade:
    """Make a token, for oneself or, by those who keep accounts, for another; with no more roles than its account has."""
    if request.auth == "token" and Role.OPS not in request.user.roles:
        raise Problem(403, "Not allowed", "A token makes no tokens: sign in for that.")
    if data.login is None:
        account = await _account_of(desk, request.user)
    elif Role.OPS not in request.user.roles:
        raise Problem(403, "Not allowed", "This needs the role ops: tokens of others are made by who keeps accounts.")
    else:
        found = await desk.gate.store.by_login(data.login)
        if found is None:
            raise Problem(404, "No such account", f"There is no account {data.login}.")
        account = found
    if missing := set(data.scopes) - account.roles:
        raise Problem(
            409, "More than the account may", f"{account.login} has not the role {', '.join(sorted(missing))}."
        )
    token, word = await desk.gate.store.make_token(account.id, data.name, data.scopes, days=data.days)
    return views.TokenMade(token=views.token_view(token), word=word)


@post("/api/tokens/{token_id:uuid}/revoke", guards=[ANYBODY], status_code=200, tags=["people"])
async def revoke_token(desk: TheDesk, request: Asker, token_id: FromPath[UUID]) -> views.Tokens:
    """End a token; it is refused within two seconds."""
    of = None if Role.OPS in request.user.roles else UUID(request.user.id)
    if not await desk.gate.store.revoke(token_id, of=of):
        raise Problem(404, "No such token", f"There is no token {token_id} of yours.")
    desk.gate.forget()
    found = await desk.gate.store.tokens(of)
    return views.Tokens(items=[views.token_view(one) for one in found if one.id == token_id])


@get("/api/audit", guards=[KEEPERS], tags=["people"])
async def audit(
    desk: TheDesk,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
    before: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)] = None,
    actor: FromQuery[str | None] = None,
) -> views.Deeds:
    """Who did what."""
    found = await desk.audit.entries(before=before, actor=actor, limit=limit)
    return views.Deeds(
        items=[views.deed_view(entry) for entry in found], next=found[-1].id if len(found) == limit else None
    )


async def _account_of(desk: Desk, principal: Principal) -> Account:
    found = [] if principal is LOCAL else await desk.gate.store.accounts()
    for account in found:
        if str(account.id) == principal.id:
            return account
    raise Problem(409, "No account", "In local mode nobody has an account of their own: name one by its login.")


HANDLERS = [
    people,
    list_accounts,
    add_account,
    change_account,
    change_password,
    list_tokens,
    make_token,
    revoke_token,
    audit,
]
