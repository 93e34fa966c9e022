"""Python's sockets, held to a policy: no connection of this process leads to an address that was not checked."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from heaters_downloader.core import AddressPolicy, ForbiddenAddress

_ONE_AT_A_TIME = threading.Lock()


@dataclass
class Guard:
    """The policy, the addresses that it allowed by name, and what it refused."""

    policy: AddressPolicy
    allowed: set[tuple[str, int]] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)

    def check(self, host: str, port: int, address: str) -> None:
        """Let an address be connected to.

        Raises:
            ForbiddenAddress: the policy does not.
        """
        if reason := self.policy.refusal(host, port, address):
            self.refusals.append(reason)
            raise ForbiddenAddress(reason)
        self.allowed.add((address, port))


@contextlib.contextmanager
def guarded(policy: AddressPolicy) -> Iterator[Guard]:
    """Let Python's sockets reach allowed addresses only, in the whole process, until the end of the block.

    Both the resolver and the connection are checked. The resolver knows the name, which the allow-list speaks of; the
    connection is what counts, so that no second look-up can lead elsewhere.
    """
    guard = Guard(policy)
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        found = resolve(host, port, *args, **kwargs)
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        for *_, address in found:
            guard.check(name, int(address[1]), str(address[0]))
        return found

    def connect(self: socket.socket, address: Any) -> None:
        _expect_allowed(guard, self, address)
        super(socket.socket, self).connect(address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _expect_allowed(guard, self, address)
        return super(socket.socket, self).connect_ex(address)

    with _ONE_AT_A_TIME, contextlib.ExitStack() as undo:
        for owner, name, stand_in in (
            (socket, "getaddrinfo", getaddrinfo),
            (socket.socket, "connect", connect),
            (socket.socket, "connect_ex", connect_ex),
        ):
            put(undo, owner, name, stand_in)
        yield guard


def put(undo: contextlib.ExitStack, owner: Any, name: str, stand_in: Any) -> None:
    """Put something in the place of an attribute, until `undo` is closed."""
    if name in vars(owner):
        undo.callback(setattr, owner, name, vars(owner)[name])
    else:
        undo.callback(delattr, owner, name)
    setattr(owner, name, stand_in)


def _expect_allowed(guard: Guard, sock: socket.socket, address: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host, port = str(address[0]), int(address[1])
    if (host, port) not in guard.allowed:
        # No address that was looked up: a literal, or a name for the C library, which would resolve it unseen.
        try:
            guard.check(host, port, host)
        except ForbiddenAddress:
            raise
        except ValueError as error:
            raise ForbiddenAddress(f"{host} was not resolved and checked before") from error
