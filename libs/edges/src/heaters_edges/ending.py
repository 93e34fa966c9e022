"""Tasks that are ended for sure."""

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_S = 5.0
"""Long enough for whoever puts its things away: a second cancellation would break that off."""


async def end(tasks: Iterable[asyncio.Task[Any]], *, again_s: float = _AGAIN_S) -> None:
    """Cancel tasks, and return when all of them have ended; what they raise is nobody's any more.

    A cancellation can be lost: where it comes in one turn of the loop with the answer, `asyncio.wait_for` of Python 3.11 gives the answer
    (python/cpython#86296), and nats-py and psycopg wait by it. So whoever still runs after a while is cancelled again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=again_s)
        for task in ended:
            if not task.cancelled():
                task.exception()  # looked at, so that the loop does not tell of it


__all__ = ["end"]
