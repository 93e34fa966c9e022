"""How far the projection is, as every replica learns it."""

import asyncio
import logging

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy.ext.asyncio import AsyncEngine

from heaters_review_api.db.locks import ANSWER_S, connect

log = logging.getLogger(__name__)

CHANNEL = "heaters_projection"
_POLL_S = 1.0


class Lagging(Exception):
    """The projection has not passed a sequence in the time that was given."""


class Passed:
    """The sequence up to which the tables hold every fact. Moves when this replica projects, or hears that another did."""

    def __init__(self) -> None:
        self.sequence = 0
        self.leading = False
        """Whether this replica projects: then it says itself how far it is, once it has put away what it wrote."""
        self._moved = asyncio.Event()

    def advance(self, sequence: int) -> None:
        """The tables hold everything up to here."""
        if sequence > self.sequence:
            self.sequence = sequence
            self._moved.set()
            self._moved = asyncio.Event()

    def hear(self, sequence: int) -> None:
        """Somebody says that the tables hold everything up to here."""
        if not self.leading:
            self.advance(sequence)

    def restart(self, sequence: int) -> None:
        """The tables are here, as read after a break: a database that has crashed may have forgotten its last moments."""
        self.sequence = min(self.sequence, sequence)
        self.advance(sequence)

    async def wait_for(self, sequence: int, *, timeout_s: float) -> None:
        """Wait until the tables hold a fact.

        Raises:
            Lagging: they do not, after `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self.sequence < sequence:
                    await self._moved.wait()
        except TimeoutError:
            raise Lagging(
                f"the projection is at fact {self.sequence} and has not come to {sequence} in {timeout_s:g} s"
            ) from None

    async def moved(self, timeout_s: float, *, unless: asyncio.Event) -> bool:
        """Wait until it has moved, or something else happens. True if it moved."""
        waiting = {asyncio.ensure_future(self._moved.wait()), asyncio.ensure_future(unless.wait())}
        before = self.sequence
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return self.sequence > before


async def listen(engine: AsyncEngine, passed: Passed) -> None:
    """Hear from the database how far the projection is, for ever; asks once a second beside, should a notice be lost."""
    while True:
        try:
            async with await connect(engine) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                position = await _position(connection)
                if (
                    not passed.leading
                ):  # who projects knows more: a batch of its own may have been written since we asked
                    passed.restart(position)
                while True:
                    passed.hear(await _position(connection))
                    async for notice in connection.notifies(timeout=_POLL_S):
                        passed.hear(int(notice.payload))
        except (psycopg.Error, OSError) as problem:
            log.warning("listening for the projection broke off", extra={"reason": str(problem)})
            await asyncio.sleep(_POLL_S)


async def _position(connection: psycopg.AsyncConnection[TupleRow]) -> int:
    async with asyncio.timeout(ANSWER_S):
        answer = await (await connection.execute("SELECT sequence FROM projection.checkpoint")).fetchone()
    return int(answer[0]) if answer else 0
