"""Connections to addresses that others name: checked against a policy, with no gap between check and use."""

import socket
from collections.abc import Iterable

import httpcore
import httpx
from heaters_contracts.addresses import AddressPolicy


class Forbidden(ValueError):
    """A name or address that leads to a machine which may not be reached."""


class UnknownHost(ValueError):
    """The name is not known to DNS."""


class NoHostName(ValueError):
    """It is no name of a host."""


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to no address that the policy has not seen: a name is resolved once, and what was checked is what is called.

    The name itself goes on to TLS (SNI, certificate) and to the Host header, which know nothing of this.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check every address, connect to the first that answers.

        Raises:
            Forbidden: any of the name's addresses is forbidden.
            UnknownHost: the name is unknown.
        """
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._addresses(host, port):
            try:
                return self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
                raise UnknownHost(f"{host} is not known to DNS") from error
            raise httpcore.ConnectError(f"{host} does not resolve now: {error}") from error
        except UnicodeError as error:
            raise NoHostName(f"{host[:100]!r} is no host name") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for address in addresses:
            if reason := self._policy.refusal(host, port, address):
                raise Forbidden(reason)
        return addresses


class CheckedTransport(httpx.HTTPTransport):
    """httpx that reaches allowed addresses only. It has no setting for that (encode/httpx discussion 2111): its pool is replaced."""

    def __init__(self, policy: AddressPolicy) -> None:
        trust = httpx.create_ssl_context()
        super().__init__(verify=trust)
        self._pool = httpcore.ConnectionPool(ssl_context=trust, network_backend=_CheckedBackend(policy))
