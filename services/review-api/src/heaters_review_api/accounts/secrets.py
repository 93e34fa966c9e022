"""What proves who one is: passwords (argon2id), and random words of which only a hash is kept."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_SHORTEST = 12
PASSWORD_LONGEST = 200
TOKEN_MARK = "heaters_"  # noqa: S105 - how a token begins, so that scanners of repositories find one that leaked
_hasher = PasswordHasher()
"""argon2id with the library's parameters, RFC 9106's second recommendation."""
_slots = asyncio.Semaphore(2)
"""Each check takes 64 MiB and a core for some 50 ms: strangers must not have all of both."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a password was right, and what to keep instead where the parameters have moved on."""

    right: bool
    anew: str | None = None


def random_word() -> str:
    """256 bits that nobody guesses."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """An API token: its holder sees it once."""
    return TOKEN_MARK + random_word()


def digest(word: str) -> bytes:
    """What is kept of a random word. It has no dictionary, so a fast hash does."""
    return hashlib.sha256(word.encode()).digest()


def _check(kept: str, said: str) -> Checked:
    try:
        _hasher.verify(kept, said)
    except (VerificationError, InvalidHashError):
        return Checked(False)
    return Checked(True, _hasher.hash(said) if _hasher.check_needs_rehash(kept) else None)


async def hash_password(said: str) -> str:
    """What is kept of a password.

    Raises:
        ValueError: it is too short, or far too long.
    """
    if not PASSWORD_SHORTEST <= len(said) <= PASSWORD_LONGEST:
        raise ValueError(f"a password has {PASSWORD_SHORTEST} to {PASSWORD_LONGEST} characters; this has {len(said)}")
    async with _slots:
        return await asyncio.to_thread(_hasher.hash, said)


async def check_password(kept: str | None, said: str) -> Checked:
    """Compare; as slow for who does not exist as for who does, so that nobody learns who does."""
    if len(said) > PASSWORD_LONGEST:
        return Checked(False)
    said = said.encode(errors="surrogatepass").decode(errors="replace")  # what is no text is no password either
    async with _slots:
        return await asyncio.to_thread(_check, kept or _nobodys(), said)


_known: list[str] = []


def _nobodys() -> str:
    if not _known:
        _known.append(_hasher.hash(random_word()))
    return _known[0]
