"""What is so just now and is no fact: progress of stages, who is on which video. Any number of watchers are shown it as it changes."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from heaters_edges.ending import end
from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")

log = logging.getLogger(__name__)


class Glance(Generic[T]):
    """Looks again and again while somebody watches, once for all of them, and tells when it sees something else.

    Args:
        name: of what is looked at, for the log.
        look: sees all of it.
        every_s: how often.
        closing: set when this process is about to end.
    """

    def __init__(
        self, name: str, look: Callable[[], Awaitable[Sequence[T]]], *, every_s: float, closing: asyncio.Event
    ) -> None:
        self._name = name
        self._look = look
        self._every_s = every_s
        self._closing = closing
        self._seen: Sequence[T] | None = None
        self._changed = asyncio.Event()
        self._watchers = 0
        self._looking: asyncio.Task[None] | None = None

    async def watch(self, *, pause_s: float) -> AsyncGenerator[Sequence[T] | None, None]:
        """All of it now, and again whenever it is something else; None after each pause in which it stayed the same."""
        self._watchers += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(), name=self._name)
        shown: Sequence[T] | None = None
        try:
            while not self._closing.is_set():
                if self._seen is not None and self._seen is not shown:
                    shown = self._seen
                    yield shown
                    continue
                try:
                    async with asyncio.timeout(pause_s):
                        await self._changed.wait()
                except TimeoutError:
                    yield None
        finally:
            self._watchers -= 1
            if self._watchers == 0 and self._looking is not None:
                looking, self._looking = self._looking, None
                self._seen = None  # whoever comes next is not shown what was so long ago
                await end([looking])

    async def _keep_looking(self) -> None:
        while not self._closing.is_set():
            try:
                seen = await self._look()
            except (SQLAlchemyError, OSError) as problem:
                log.warning("nothing is seen just now", extra={"what": self._name, "reason": str(problem)})
            else:
                if seen != self._seen:
                    self._seen = seen
                    self._tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._closing.wait()
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def merged(sources: Sequence[AsyncGenerator[bytes, None]]) -> AsyncGenerator[bytes, None]:
    """What several sources say, as it comes; it ends with the first of them that ends."""
    asked = {asyncio.ensure_future(anext(source)): source for source in sources}
    try:
        while True:
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                source = asked.pop(task)
                try:
                    said = task.result()
                except StopAsyncIteration:
                    return
                asked[asyncio.ensure_future(anext(source))] = source
                yield said
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        for source in sources:
            await source.aclose()
