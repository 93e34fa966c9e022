"""Who is signed in."""

from msgspec import Struct


class Me(Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    id: str
    name: str
    roles: list[str]
