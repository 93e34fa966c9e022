"""Work for the child processes of libs/edges/tests: they import it by name, so it cannot stand in a test file."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path


class Locked(Exception):
    """An error that holds what no pickle takes."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.lock = threading.Lock()


class Awkward(Exception):
    """An error that can be written, and not be read again."""

    def __init__(self, name: str, value: int) -> None:
        super().__init__(f"{name} is {value}")


class Unreadable:
    """A value that can be written, and not be read again."""

    def __reduce__(self) -> tuple[object, ...]:
        return (int, ("no number",))


def hold_the_lock(note: str) -> None:
    """Write down the process id, then sit in a C call that never gives up the interpreter lock."""
    Path(note).write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(600)


def burn(seconds: float) -> int:
    end = time.process_time() + seconds
    turns = 0
    while time.process_time() < end:
        turns += 1
    return turns


def burn_twice(seconds: float) -> Iterator[int]:
    yield burn(seconds)
    yield burn(seconds)


def give_a_lock() -> threading.Lock:
    return threading.Lock()


def give_unreadable() -> Unreadable:
    return Unreadable()


def fail_locked() -> None:
    raise Locked("the door is shut")


def fail_awkwardly() -> None:
    raise Awkward("depth", 7)


def leave() -> None:
    os._exit(3)


def steps(gate: str) -> Iterator[int]:
    """1; then 2, as soon as somebody has made the gate; then 3."""
    yield 1
    while not Path(gate).exists():
        time.sleep(0.01)
    yield 2
    yield 3


def chatter() -> Iterator[int]:
    n = 0
    while True:
        yield n
        n += 1
        time.sleep(0.02)


def chatter_and_eat() -> Iterator[int]:
    hoard = []
    for n in range(1_000_000):
        hoard.append(bytearray(4 << 20))
        yield n
        time.sleep(0.01)


def two_then_unreadable() -> Iterator[object]:
    yield 1
    yield Unreadable()
    time.sleep(600)


def two_then_fail() -> Iterator[int]:
    yield 1
    yield 2
    raise ValueError("no third")


_KEPT: list[str] = []
_HELD: list[bytes] = []


def kept(word: str) -> list[str]:
    """What this process was told so far."""
    _KEPT.append(word)
    return list(_KEPT)


def hold(size: int, gate: str) -> int:
    """Keep so much for good, and answer as soon as there is the gate."""
    _HELD.append(b"x" * size)
    while not Path(gate).exists():
        time.sleep(0.01)
    return os.getpid()


def pid_after_s(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def fail(words: str) -> None:
    raise ValueError(words)


def grow(size: int) -> int:
    return len(bytearray(size))


def forget_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
