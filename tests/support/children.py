"""Work for child processes: they import it by name, so it cannot stand in a test file."""

import ctypes
import os
import signal
import time

from heaters_edges.failure import Permanent


class Poison(Permanent):
    """Wrong for good."""


def add(a: int, b: int) -> int:
    return a + b


def eat_memory() -> int:
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * (16 << 20)))
        time.sleep(0.01)


def nap(seconds: float) -> None:
    time.sleep(seconds)


def hold_the_lock_for(seconds: float) -> None:
    """Sit in a C call that never gives up the interpreter lock."""
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def refuse() -> None:
    raise Poison("not this one")


def count_to_ten(progress=None) -> int:  # type: ignore[no-untyped-def]  # as in_child hands it in
    for n in range(11):
        progress(n, 10)
        time.sleep(0.06)
    return 10
