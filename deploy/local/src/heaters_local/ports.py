"""Ports on the loopback address, chosen so that they stay free for us.

The kernel gives outgoing connections ports from 32768 up (ip(7), ip_local_port_range): a server that wants the same address after a
restart is better off below.
"""

import random
import socket
from collections.abc import Iterable

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
    """A port that is free now and that this process has given to nobody else.

    Args:
        preferred: ports to try first, in order; asking for a port by name gives it again and again while it is free.

    Raises:
        NoFreePort: not one could be bound.
    """
    for port in preferred:
        if is_free(port):
            _given.add(port)
            return port
    for port in random.sample(_RANGE, k=len(_RANGE)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise NoFreePort(f"no free port between {_RANGE.start} and {_RANGE.stop - 1} on {HOST}")
