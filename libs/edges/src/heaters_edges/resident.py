"""A child process that stays: for work whose loading takes longer than itself, such as a model's.

It has a child's limits and dies with its parent, but keeps what its functions keep. One call at a time; callers wait in turn, so several
kinds of work share what was loaded once. A call that goes beyond its limits ends the child, and the next call begins with a new one; so
does a rest of some minutes, for what nobody asks for should not hold memory.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from heaters_edges import child
from heaters_edges import job as jobs
from heaters_edges.child import ChildCrashed, TookTooLong, TooMuchMemory

P = ParamSpec("P")
T = TypeVar("T")

_POLL_S = 0.2


class _Gone(Exception):
    """The child had ended before it was asked: it rested for too long, or somebody killed it."""


class Resident:
    """A child that stays.

    Args:
        memory_bytes: what it may hold; beyond it, the call fails and the child ends.
        rest_s: so long without a call, and it ends.
    """

    def __init__(self, *, memory_bytes: int, rest_s: float = 600.0) -> None:
        self._memory_bytes = memory_bytes
        self._rest_s = rest_s
        self._turn = asyncio.Lock()
        self._process: Any = None
        self._line: Connection | None = None
        self._alive: Connection | None = None

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module-level function in the child and return what it returns.

        Raises:
            TookTooLong: the job's deadline passed.
            TooMuchMemory: the child grew beyond its memory.
            ChildCrashed: it ended without a word.
            Exception: whatever the function raised.
        """
        async with self._turn:
            if jobs.current().left_s <= 0:  # others took all of its time: the child is not to blame, and stays
                raise TookTooLong("there was no time left when its turn came")
            for _ in range(2):
                fresh = self._process is None
                try:
                    result: T = await self._ask(work, args, kwargs)
                except _Gone:
                    await self.end()
                except TooMuchMemory:
                    if fresh:
                        raise
                    # What earlier calls left in the child counted as well: it is asked again of one that holds nothing.
                else:
                    return result
            raise ChildCrashed("the resident child ends before it can be asked")

    async def end(self) -> None:
        """End the child; the next call begins with a new one."""
        process, self._process = self._process, None
        for line in (self._line, self._alive):
            if line is not None:
                line.close()
        self._line = self._alive = None
        if process is not None:
            process.kill()
            await asyncio.shield(asyncio.to_thread(process.join))
            process.close()

    async def _ask(self, work: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        job = jobs.current()
        line = self._line
        if self._process is None or line is None:
            line = await self._begin()
        pid = self._process.pid or 0
        try:
            line.send((work, args, kwargs))
        except OSError:
            raise _Gone from None
        job.children.add(pid)
        try:
            answer = await self._answer(line, job, pid)
        except BaseException:
            await self.end()
            raise
        finally:
            job.children.discard(pid)
        kind, value, cpu_s = answer
        job.cpu_s += cpu_s
        if kind == "problem":
            if isinstance(value, TooMuchMemory):
                await self.end()
            raise value
        return value

    async def _answer(self, line: Connection, job: jobs.Job, pid: int) -> tuple[str, Any, float]:
        limited = jobs.Job(job.stage, job.deadline_s, self._memory_bytes, begun_at=job.begun_at)
        while not await asyncio.to_thread(line.poll, _POLL_S):
            child.hold_to_limits(limited, pid)
        try:
            answer: tuple[str, Any, float] = await asyncio.to_thread(line.recv)
        except (EOFError, OSError):
            await asyncio.to_thread(self._process.join, 1)
            if self._process.exitcode == 0:
                raise _Gone from None
            raise ChildCrashed(
                f"the resident child ended without a word ({child.ending(self._process.exitcode)})"
            ) from None
        return answer

    async def _begin(self) -> Connection:
        ours, theirs = child.context.Pipe()
        alive, tether = child.context.Pipe(duplex=False)
        process = child.context.Process(
            target=_serve, args=(theirs, alive, self._memory_bytes, self._rest_s), daemon=True
        )
        await asyncio.to_thread(process.start)
        theirs.close()
        alive.close()
        self._process, self._line, self._alive = process, ours, tether
        return ours


def _serve(line: Connection, alive: Connection, memory_bytes: int, rest_s: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    child.die_with(alive.fileno())
    child.limit_memory(memory_bytes)
    with contextlib.suppress(EOFError, OSError):
        while line.poll(rest_s):
            work, args, kwargs = line.recv()
            before_s = child.used_cpu_s()
            kind, value = child.outcome(work, args, kwargs, memory_bytes)
            sent_kind, sent, after_s = child.sendable(kind, value)
            line.send((sent_kind, sent, after_s - before_s))


__all__ = ["Resident"]
