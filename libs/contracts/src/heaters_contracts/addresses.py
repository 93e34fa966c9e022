"""Which machines may be reached: the public internet, and what an allow-list names."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses may be reached beside those of the public internet.

    Attributes:
        hosts: names or literal addresses, each with a port or None for any.
        networks: ranges of addresses.
    """

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AddressPolicy":
        """Read an allow-list of `host`, `host:port`, `[v6]:port`, an address, or a CIDR range.

        Raises:
            ValueError: shows the entry that is none of these.
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[Network] = []
        for entry in (raw.strip().lower() for raw in entries):
            if not entry:
                continue
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError as error:
                matched = _ALLOWED.fullmatch(entry)
                if not matched or not 0 < int(matched["port"] or 1) < 65536:
                    raise ValueError(f"{entry!r} is not a host, a host:port, an address or a CIDR range") from error
                hosts.add((_plain(matched["host"]), int(matched["port"]) if matched["port"] else None))
        return cls(frozenset(hosts), tuple(networks))

    def refusal(self, host: str, port: int, address: str) -> str | None:
        """Why a connection is refused, or None where it may be made.

        Args:
            host: the name that was asked for, as in the URL.
            port: the port.
            address: the address that the name resolved to, and that will be connected to.
        """
        ip = ipaddress.ip_address(address)
        reason = forbidden(ip)
        if reason is None or any(ip in network for network in self.networks):
            return None
        if {(_plain(host.lower()), port), (_plain(host.lower()), None)} & self.hosts:
            return None
        return f"{host} is at {address}, {reason}"


_ALLOWED = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>\d{1,5}))?")
_AZURE_WIRE_SERVER = ipaddress.ip_address("168.63.129.16")
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")


def forbidden(ip: Address) -> str | None:
    """Why an address is none of the public internet's, or None.

    Addresses that carry an IPv4 address inside (mapped, RFC 4291; 6to4, RFC 3056; NAT64, RFC 6052; Teredo, RFC 4380) are
    judged by that as well: a gateway would deliver to it.
    """
    if isinstance(ip, ipaddress.IPv6Address):
        for inner in _embedded(ip):
            if reason := forbidden(inner):
                return f"which leads to {inner}, {reason}"
        if ip.ipv4_mapped is not None:
            return None
        if ip in _NAT64_LOCAL:
            return "a local translation address"
    if ip in _METADATA or ip == _AZURE_WIRE_SERVER:
        return "a cloud's metadata service"
    if ip.is_unspecified:
        return "the unspecified address"
    if ip.is_loopback:
        return "a loopback address"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_private or (isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local):
        return "a private address"
    if ip.is_reserved and not (isinstance(ip, ipaddress.IPv6Address) and ip in _NAT64):
        return "a reserved address"
    if not ip.is_global:
        return "not a public address"
    return None


def _embedded(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    return [address for address in inner if address is not None]


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".")
