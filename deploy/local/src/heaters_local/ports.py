"""Ports on the loopback address, chosen so that they stay free for us.

The kernel gives outgoing connections ports from 32768 up (ip(7), ip_local_port_range): a server that wants the same address after a
restart is better off below. Between the choice and the moment when a server listens a port looks free to everybody: processes of one
user tell each other by locks on the bytes of one file (fcntl(2), advisory record locks), which end with the process that holds them.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"
_RANGE = range(20_000, 32_000)
_given: set[int] = set()


class NoFreePort(RuntimeError):
    """No port of the range can be bound on the loopback address."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port(preferred: Iterable[int] = ()) -> int:
    """A port that is free now, and that no process of ours which still runs has given to anybody else.

    Args:
        preferred: ports to try first, in order; asking for a port by name gives it again and again while it is free.

    Raises:
        NoFreePort: not one could be bound.
    """
    for port in preferred:
        if is_free(port):
            _claim(port)
            _given.add(port)
            return port
    for port in random.sample(_RANGE, k=len(_RANGE)):
        if port not in _given and _claim(port) and is_free(port):
            _given.add(port)
            return port
    raise NoFreePort(f"no free port between {_RANGE.start} and {_RANGE.stop - 1} on {HOST}")


@cache
def _claims() -> int:
    """The file of claims, open for as long as this process lives: to close it would give all of them up."""
    file = Path(tempfile.gettempdir()) / f"heaters-ports-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _claim(port: int) -> bool:
    """Keep a port from other processes until this one ends; False where one of them was first."""
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    return True
