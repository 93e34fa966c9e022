"""A few small values that all replicas of a service share, in a bucket: changed by compare and swap, forgotten when they are old."""

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError

from heaters_edges.bus import Bus
from heaters_edges.failure import Unavailable

T = TypeVar("T")
Decide = Callable[[bytes | None], tuple[bytes | None, T]]
"""From the value so far to the new one (None: leave it as it is), and what to answer."""

_TRIES = 50
_PLAIN = re.compile(r"[^A-Za-z0-9_=.-]")


class Shared(Protocol):
    """Where such values lie."""

    async def change(self, key: str, decide: Decide[T]) -> T:
        """Change a value, whoever else does so at the same time: `decide` is asked again on the newer value."""


class Register:
    """Values in a bucket of the bus."""

    def __init__(self, bus: Bus, bucket: str) -> None:
        self._bus = bus
        self._bucket = bucket

    async def change(self, key: str, decide: Decide[T]) -> T:
        """Change a value, whoever else does so at the same time: `decide` is asked again on the newer value.

        Raises:
            Unavailable: the bus does not answer, or others change the value all the time.
        """
        key = _PLAIN.sub("=", key).strip(".") or "="
        try:
            bucket = await self._bus.bucket(self._bucket)
            for _ in range(_TRIES):
                try:
                    entry = await bucket.get(key)
                    known, revision = entry.value, entry.revision
                except KeyNotFoundError as gone:
                    known, revision = None, getattr(gone.entry, "revision", None)
                new, answer = decide(known)
                if new is None:
                    return answer
                try:
                    if revision is None:
                        await bucket.create(key, new)
                    else:
                        await bucket.update(key, new, last=revision)
                except KeyWrongLastSequenceError:
                    continue
                return answer
        except (NatsError, APIError, OSError, TimeoutError) as problem:
            raise Unavailable(f"the register {self._bucket} does not answer: {problem}") from problem
        raise Unavailable(f"{key} in {self._bucket} is changed by others all the time")
