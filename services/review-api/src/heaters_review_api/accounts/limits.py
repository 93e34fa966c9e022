"""How often somebody may ask: a bucket of tokens each, refilled at a steady rate. Kept in memory, by each replica for itself."""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_MOST_KEPT = 50_000


def neighbourhood(address: str) -> str:
    """Whom an address stands for: in IPv6 whoever has one has the 2^64 beside it, too (RFC 4291, 2.5.4)."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


class Limit:
    """So many at once, and so many a second for ever.

    Args:
        burst: how many may be asked at once after a rest.
        per_s: how many come back each second.
    """

    def __init__(self, *, burst: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, who: str) -> float:
        """0 if they may now, and that counts; else after how many seconds they may."""
        now = self._clock()
        left, at = self._left.pop(who, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        may = left >= 1
        self._left[who] = (left - 1 if may else left, now)
        while len(self._left) > _MOST_KEPT:
            self._left.popitem(last=False)  # who has not asked for longest has the fullest bucket
        return 0.0 if may else (1 - left) / self._per_s
