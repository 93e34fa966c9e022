"""Work in a child process: a deadline, a memory limit, progress, and death with its parent.

A C call can hold the interpreter lock, a decoder can crash, a file can blow up in memory; none of it may stop the
service's heartbeat. Children are forked from a warm server process that has imported the stage's modules already.
"""

import asyncio
import contextlib
import fcntl
import inspect
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from heaters_edges import job as jobs
from heaters_edges.failure import Permanent

P = ParamSpec("P")
T = TypeVar("T")

context = multiprocessing.get_context("forkserver")
_POLL_S = 0.2
_PACE_OVER_S = 10.0
"""A pace is that of the last so many seconds: a pause of the other side shows soon, and does not make it jump."""
_SILENCE: tuple[str, Any, float] = ("silence", None, 0.0)


class ChildCrashed(RuntimeError):
    """The child process ended without a word: killed, or crashed in native code."""


class TookTooLong(RuntimeError):
    """The work was not done within its deadline."""


class TooMuchMemory(Permanent):
    """The work wanted more memory than a job may have."""

    failure_class = "quota"


def warm_up(modules: Sequence[str]) -> None:
    """Start the server process from which children are forked, with modules imported. Call once, before any thread."""
    context.set_forkserver_preload(["heaters_edges.child", *modules])
    context.Process(target=int).start()


def die_with(pipe: int) -> None:
    """Let this process die when the other end of a pipe closes."""
    # The kernel sends SIGKILL when the pipe breaks: no thread of ours has to run for that, so not even a C call that
    # holds the interpreter lock for minutes outlives its service.
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        if os.read(pipe, 1) == b"":  # it broke before we could ask for the signal
            os._exit(1)


def _child(
    say: Connection, alive: Connection, memory_bytes: int, work: Callable[..., Any], each: bool, args: Any, kwargs: Any
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the service's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(alive.fileno())
    limit_memory(memory_bytes)
    answer = outcome(partial(_call, say, work, each), args, kwargs, memory_bytes)
    say.send(sendable(*answer))
    say.close()


def _call(say: Connection, work: Callable[..., Any], each: bool, *args: Any, **kwargs: Any) -> Any:
    if "progress" in inspect.signature(work).parameters and "progress" not in kwargs:
        kwargs["progress"] = _progress_into(say)
    if not each:
        return work(*args, **kwargs)
    for item in work(*args, **kwargs):
        say.send(("item", item, used_cpu_s()))
    return None


def limit_memory(memory_bytes: int) -> None:
    """The parent watches resident memory; this is the backstop against one huge allocation between two looks."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    backstop = min(2 * memory_bytes, sys.maxsize if most == resource.RLIM_INFINITY else most)
    resource.setrlimit(resource.RLIMIT_DATA, (backstop, most))


def outcome(work: Callable[..., Any], args: Any, kwargs: Any, memory_bytes: int) -> tuple[str, Any]:
    """What came of a call: ("result", value), or ("problem", exception) for the parent to raise."""
    try:
        return "result", work(*args, **kwargs)
    except MemoryError:
        return "problem", TooMuchMemory(f"the work wanted more than {memory_bytes >> 20} MiB of memory")
    except Exception as problem:  # noqa: BLE001 - carried to the parent as it is, and raised there
        problem.add_note(f"in the child process: {traceback.format_exc()}")  # the way there is lost in sending
        return "problem", problem


def used_cpu_s() -> float:
    """What this process has used of the processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def sendable(kind: str, value: Any) -> tuple[str, Any, float]:
    """What a child says at its end, in a form that its parent can read, with the CPU seconds that it has used."""
    cpu_s = used_cpu_s()
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes: can the parent read them?
    except Exception as problem:  # noqa: BLE001 - whatever an object's own pickling raises
        told = f"{type(value).__name__}: {value}" if kind == "problem" else f"a result that cannot be sent: {problem}"
        return "problem", RuntimeError(told), cpu_s
    return kind, value, cpu_s


def _progress_into(say: Connection) -> Callable[[int, int | None], None]:
    last = 0.0
    marks: deque[tuple[float, int]] = deque()

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < 0.25 and not (total and done >= total):
            return
        last = now
        if marks and done < marks[-1][1]:
            marks.clear()  # it began anew
        marks.append((now, done))
        while len(marks) > 2 and now - marks[0][0] > _PACE_OVER_S:
            marks.popleft()
        over_s = now - marks[0][0]
        per_s = (done - marks[0][1]) / over_s if over_s > 0 else 0.0
        left_s = max(0, total - done) / per_s if total and per_s > 0 else None
        say.send(("progress", jobs.Pace(done, total, per_s, left_s), 0.0))

    return progress


def _held_bytes(pid: int) -> int:
    """What a process holds of memory by itself. Pages of files are not counted: the kernel takes them back when it needs them."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0  # it has just ended
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def _listen(hear: Connection, tell: Callable[[tuple[str, Any, float] | None], None]) -> None:
    """Read what a child says until it ends; its own thread, for pipes of the library block."""
    try:
        with hear, contextlib.suppress(EOFError, OSError):
            while True:
                tell(hear.recv())
        tell(None)
    except Exception as problem:  # noqa: BLE001 - whatever an object's own unpickling raises
        tell(("problem", RuntimeError(f"a result that cannot be read: {problem}"), 0.0))


async def _run(work: Callable[..., Any], each: bool, args: Any, kwargs: Any) -> AsyncGenerator[tuple[str, Any]]:
    job = jobs.current()
    counted_s = 0.0
    loop = asyncio.get_running_loop()
    said: asyncio.Queue[tuple[str, Any, float] | None] = asyncio.Queue()
    hear, say = context.Pipe(duplex=False)
    # A pipe of its own for each child: it breaks when this process dies, for nobody else holds the writing end.
    alive, ours = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(say, alive, job.memory_bytes, work, each, args, kwargs), daemon=True)
    await asyncio.to_thread(process.start)
    say.close()
    alive.close()
    pid = process.pid or 0
    job.children.add(pid)

    def tell(message: tuple[str, Any, float] | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(said.put_nowait, message)

    threading.Thread(target=_listen, args=(hear, tell), daemon=True).start()
    looked = time.monotonic()
    try:
        while True:
            try:
                async with asyncio.timeout(_POLL_S):  # `wait_for` could lose a cancellation, see `ending`
                    message = await said.get()
            except TimeoutError:
                message = _SILENCE
            # A child that talks all the time is looked at as well, but never one that has done its work.
            unfinished = message is _SILENCE or (message is not None and message[0] in ("progress", "item"))
            if unfinished and time.monotonic() - looked >= _POLL_S:
                looked = time.monotonic()
                hold_to_limits(job, pid)
            match message:
                case None:
                    await asyncio.to_thread(process.join)
                    raise ChildCrashed(f"the child process ended without a word ({ending(process.exitcode)})")
                case ("silence", *_):
                    pass
                case ("progress", pace, _):
                    job.pace = pace
                    job.report(pace.done / pace.total if pace.total else 0.0)
                case ("item", item, cpu_s):
                    job.cpu_s += cpu_s - counted_s  # so that what is told now says what it took
                    counted_s = cpu_s
                    yield "item", item
                case ("problem", problem, cpu_s):
                    job.cpu_s += cpu_s - counted_s
                    raise problem
                case (_, result, cpu_s):
                    job.cpu_s += cpu_s - counted_s
                    yield "result", result
                    return
    finally:
        job.children.discard(pid)
        process.kill()
        await asyncio.shield(asyncio.to_thread(process.join))
        process.close()
        ours.close()


def hold_to_limits(job: jobs.Job, pid: int) -> None:
    """Look whether a child keeps within a job\'s limits.

    Raises:
        TookTooLong: the deadline has passed.
        TooMuchMemory: it holds more than the job may.
    """
    if job.left_s <= 0:
        raise TookTooLong(f"the work was not done within {job.deadline_s:g} s")
    if (used := _held_bytes(pid)) > job.memory_bytes:
        raise TooMuchMemory(
            f"the work used {used >> 20} MiB of memory, more than the {job.memory_bytes >> 20} MiB that a job may have"
        )


def ending(exit_code: int | None) -> str:
    """How a process ended, in words."""
    if exit_code is not None and exit_code < 0:
        names = {known.value: known.name for known in signal.Signals}  # signals in real time have none
        return f"killed by {names.get(-exit_code, f'signal {-exit_code}')}"
    return f"exit code {exit_code}"


async def in_child(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a module-level function in a child process and return what it returns.

    Limits come from the job in hand. If the function has a parameter `progress`, it is given one that takes (done, total), total None where it is unknown.

    Raises:
        TookTooLong: the job's deadline passed; the child was killed.
        TooMuchMemory: it grew beyond the job's memory; the child was killed.
        ChildCrashed: it ended without a word.
        Exception: whatever the function raised.
    """
    async with contextlib.aclosing(_run(work, False, args, kwargs)) as running:
        async for _, value in running:
            result: T = value
            return result
    raise ChildCrashed("the child process gave no result")


async def each_in_child(work: Callable[P, Iterator[T]], *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
    """Run a module-level generator in a child process and yield each item as it comes. Raises what `in_child` raises."""
    async with contextlib.aclosing(_run(work, True, args, kwargs)) as running:
        async for kind, value in running:
            if kind == "item":
                yield value


__all__ = ["ChildCrashed", "TooMuchMemory", "TookTooLong", "each_in_child", "in_child", "warm_up"]
