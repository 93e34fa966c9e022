"""The gate: a word that somebody brings becomes who they are, or nothing."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

from pydantic import SecretStr

from heaters_review_api.accounts.limits import Limit
from heaters_review_api.accounts.principals import LOCAL, Principal
from heaters_review_api.accounts.secrets import TOKEN_MARK, check_password, digest
from heaters_review_api.accounts.store import Account, Attempt, Store

log = logging.getLogger(__name__)

_KNOWN_S = 2.0
"""A session that was ended, or a token that was revoked, is refused by every replica after at most so long."""
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Turned:
    """Who signed in, or nobody and why, in words that do not say which part was wrong."""

    account: Account | None
    reason: str = ""


class LocalMode:
    """The one token of local mode, compared in constant time; the cookie is derived from it."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token.get_secret_value().encode()
        self.cookie = hmac.digest(self._token, b"heaters session cookie, version 1", hashlib.sha256).hex()

    def by_token(self, said: str) -> Principal | None:
        """Who holds a token."""
        return LOCAL if hmac.compare_digest(self._token, said.encode()) else None

    def by_cookie(self, said: str) -> Principal | None:
        """Who holds a session cookie."""
        return LOCAL if hmac.compare_digest(self.cookie.encode(), said.encode()) else None


class Gate:
    """Recognises tokens, sessions and passwords.

    Args:
        local: the one token, in local mode; None where there are only accounts.
        store: the accounts.
        attempts: wrong passwords after which an account is locked.
        lock_s: for how long.
        per_min: attempts of one address in a minute; `patience` counts them.
    """

    def __init__(self, local: LocalMode | None, store: Store, *, attempts: int, lock_s: float, per_min: float) -> None:
        self.local, self.store = local, store
        self.patience = Limit(burst=per_min, per_s=per_min / 60)
        self._attempts, self._lock_s = attempts, lock_s
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self.changes = 0
        """How often somebody's rights have changed at this replica; who watches for long looks again then."""

    async def by_token(self, word: str) -> Principal | None:
        """Who holds a token: the local one, or an account's."""
        if self.local and (principal := self.local.by_token(word)):
            return principal
        if not word.startswith(TOKEN_MARK):
            return None
        if (known := self._look(word)) is not None:
            return known
        return self._keep(word, await self.store.by_token(word))

    async def by_cookie(self, word: str, *, asks: bool = True) -> Principal | None:
        """Whose session it is. A look that nobody asked for (`asks` is false) keeps no session from resting."""
        if not word or len(word) > 200:
            return None
        if self.local and (principal := self.local.by_cookie(word)):
            return principal
        if (known := self._look(word)) is not None:
            return known
        return self._keep(word, await self.store.by_session(word, asks=asks))

    async def sign_in(self, login: str, password: str) -> Turned:
        """Check a password; a wrong one counts against the account, whose lock says nothing to who does not know the right one.

        The account and not this process counts: so many attempts are all that there are, at however many replicas, however fast.
        """
        account = await self.store.by_login(login)
        if account is None or account.password is None:
            await check_password(None, password)
            return Turned(None, "unknown")
        # Both at once: an account that there is must not take the time of a write longer than one that there is not.
        attempt, checked = await asyncio.gather(
            self.store.attempt(account.id, most=self._attempts, lock_s=self._lock_s),
            check_password(account.password, password),
        )
        if attempt is Attempt.REFUSED:
            return Turned(None, "locked")
        if not checked.right:
            return Turned(None, "locked now" if attempt is Attempt.LAST else "wrong password")
        if account.disabled:
            return Turned(None, "disabled")
        await self.store.succeeded(account.id, password=checked.anew)
        return Turned(account)

    def forget(self) -> None:
        """Look everybody up anew: somebody's rights have changed."""
        self._known.clear()
        self.changes += 1

    def _look(self, word: str) -> Principal | None:
        at, principal = self._known.get(digest(word), (0.0, None))
        return principal if time.monotonic() - at < _KNOWN_S else None

    def _keep(self, word: str, principal: Principal | None) -> Principal | None:
        if principal is not None:
            self._known[digest(word)] = (time.monotonic(), principal)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return principal
