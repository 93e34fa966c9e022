"""How a site is treated: how many of us may ask it at once, and when it is left alone.

A circuit breaker for each site. A site that asks for patience (429) or takes us for a robot is not asked again before the time
it names, or a time that doubles with each refusal; then by one of us alone, until that one succeeds. Requests that wait
meanwhile wait, and use up no attempt.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """How patient we are.

    Attributes:
        at_once: how many of all downloaders may ask one site at a time.
        lease_s: whoever asks is believed to be alive for so long without a sign.
        rest_s: the first rest after a refusal; it doubles with each.
        rest_most_s: the longest.
        patience_s: a site that has refused for so long without a success is given up: attempts count again.
        busy_s: when to look again whether there is room.
    """

    at_once: int = 4
    lease_s: float = 60.0
    rest_s: float = 30.0
    rest_most_s: float = 3600.0
    patience_s: float = 24 * 3600.0
    busy_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Site:
    """What is known of a site. Times are seconds of the wall clock, for several machines share it.

    Attributes:
        holders: who asks it now -> until when that is believed.
        refusals: in a row.
        since: when the first of them was.
        rests_until: nobody asks before.
        reason: what it said last.
    """

    holders: Mapping[str, float] = field(default_factory=dict)
    refusals: int = 0
    since: float = 0.0
    rests_until: float = 0.0
    reason: str = ""

    @classmethod
    def read(cls, data: bytes | None) -> "Site":
        """As it was written; a new one where nothing was."""
        return cls() if not data else cls(**json.loads(data))

    def write(self) -> bytes:
        """As bytes."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: why, and for how many seconds."""

    reason: str
    seconds: float


def enter(site: Site, holder: str, now: float, policy: SitePolicy) -> Site | Wait:
    """Somebody wants to ask a site: it may, or waits."""
    if site.rests_until > now:
        return Wait(f"the site is left alone: {site.reason}", site.rests_until - now)
    holders = {name: until for name, until in site.holders.items() if until > now and name != holder}
    room = 1 if site.refusals else policy.at_once
    if len(holders) >= room:
        return Wait(f"{len(holders)} of us ask this site already", policy.busy_s)
    return replace(site, holders={**holders, holder: now + policy.lease_s})


def stay(site: Site, *, holder: str, until: float) -> Site:
    """Somebody is still at it."""
    return replace(site, holders={**site.holders, holder: until})


def leave(site: Site, holder: str) -> Site:
    """Somebody has ended, for better or worse."""
    return replace(site, holders={name: until for name, until in site.holders.items() if name != holder})


def succeed(site: Site, holder: str) -> Site:
    """The site has answered: what it refused before is forgotten."""
    return replace(leave(site, holder), refusals=0, since=0.0, rests_until=0.0, reason="")


def refuse(site: Site, holder: str, now: float, reason: str, asked_s: float | None, policy: SitePolicy) -> Site:
    """The site wants to be left alone, for as long as it asks or for twice as long as last time."""
    rest_s = asked_s if asked_s else min(policy.rest_s * 2.0 ** min(site.refusals, 32), policy.rest_most_s)
    return replace(
        leave(site, holder),
        refusals=site.refusals + 1,
        since=site.since if site.refusals else now,
        rests_until=max(site.rests_until, now + min(rest_s, policy.patience_s)),
        reason=reason[:300],
    )


def is_given_up(site: Site, now: float, policy: SitePolicy) -> bool:
    """Whether we have waited long enough in vain."""
    return bool(site.refusals) and now - site.since > policy.patience_s
