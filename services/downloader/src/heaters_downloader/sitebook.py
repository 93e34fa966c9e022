"""What all downloaders know of each site together: who asks it now, and whether it wants to be left alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import uuid4

from heaters_edges.ending import end
from heaters_edges.failure import Busy, Unavailable
from heaters_edges.register import Shared

from heaters_downloader.core import Throttled
from heaters_downloader.core.sites import Site, SitePolicy, Wait, enter, is_given_up, leave, refuse, stay, succeed


class Sites:
    """The register of sites.

    Args:
        shared: where it lies.
        policy: how patient we are.
        clock: seconds of the wall clock.
    """

    def __init__(self, shared: Shared, policy: SitePolicy, *, clock: Callable[[], float] = time.time) -> None:
        self._shared = shared
        self._policy = policy
        self._clock = clock

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Ask a site for as long as the block lasts.

        Raises:
            Busy: not now: it rests, enough of us ask it, or it has just refused. The request waits, and uses up no attempt.
            Throttled: it has refused for so long that waiting is no use any more.
        """
        holder = uuid4().hex
        await self._enter(host, holder)
        alive = asyncio.create_task(self._stay(host, holder))
        try:
            yield
        except Throttled as problem:
            raise await self._refused(host, holder, problem) from problem
        except BaseException:
            with suppress(Unavailable):
                await self._change(host, lambda site: leave(site, holder))
            raise
        else:
            await self._change(host, lambda site: succeed(site, holder))
        finally:
            await end([alive])

    async def _enter(self, host: str, holder: str) -> None:
        def decide(known: bytes | None) -> tuple[bytes | None, Wait | None]:
            entered = enter(Site.read(known), holder, self._clock(), self._policy)
            return (None, entered) if isinstance(entered, Wait) else (entered.write(), None)

        if (wait := await self._shared.change(host, decide)) is not None:
            raise Busy(f"{host}: {wait.reason}", retry_after_s=wait.seconds)

    async def _stay(self, host: str, holder: str) -> None:
        while True:
            await asyncio.sleep(self._policy.lease_s / 3)
            until = self._clock() + self._policy.lease_s
            with suppress(Unavailable):
                await self._change(host, partial(stay, holder=holder, until=until))

    async def _refused(self, host: str, holder: str, problem: Throttled) -> Exception:
        def decide(known: bytes | None) -> tuple[bytes | None, Site]:
            now = self._clock()
            site = refuse(Site.read(known), holder, now, problem.reason, problem.retry_after_s, self._policy)
            return site.write(), site

        now = self._clock()
        site = await self._shared.change(host, decide)
        if is_given_up(site, now, self._policy):
            return problem
        return Busy(problem.reason, retry_after_s=max(1.0, site.rests_until - now))

    async def _change(self, host: str, to: Callable[[Site], Site]) -> None:
        await self._shared.change(host, lambda known: (to(Site.read(known)).write(), None))
