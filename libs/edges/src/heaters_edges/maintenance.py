"""Maintenance: the one place that schedules what has to be done again and again, and says when it was and how it ended."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge

from heaters_edges.failure import reason_of
from heaters_edges.telemetry import REGISTRY

log = logging.getLogger(__name__)

FOUR_HOURS_S = 4 * 3600.0
LAST_RUN = Gauge(
    "heaters_maintenance_last_run_seconds", "When a chore ran last, unix time", ["chore"], registry=REGISTRY
)
RAN_WELL = Gauge("heaters_maintenance_ok", "1 if a chore's last run ended well", ["chore"], registry=REGISTRY)
RUNS = Counter("heaters_maintenance_runs", "Runs of chores, by how they ended", ["chore", "outcome"], registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to be done when a service starts, and every few hours.

    Attributes:
        name: for people and metrics.
        what: what it does, in a sentence.
        run: does it; returns what came of it, in a sentence. Safe to repeat, and to run in several replicas at once.
        every_s: from one end to the next beginning.
    """

    name: str
    what: str
    run: Callable[[], Awaitable[str]]
    every_s: float = FOUR_HOURS_S


@dataclass(frozen=True, slots=True)
class Ran:
    """How a chore's last run was."""

    began: datetime
    took_s: float
    ok: bool
    result: str


class NoSuchChore(LookupError):
    """There is no chore of this name."""


class Maintenance:
    """Does a service's chores, one at a time. One that fails is told, and tried again when its time comes."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = {chore.name: chore for chore in chores}
        self._last: dict[str, Ran] = {}
        self._one = asyncio.Lock()

    async def run(self) -> None:
        """Do all of them now, and each again when its time comes; for ever."""
        due = dict.fromkeys(self._chores, 0.0)
        while True:
            for name, at in due.items():
                if at <= time.monotonic():
                    await self.now(name)
                    due[name] = time.monotonic() + self._chores[name].every_s
            await asyncio.sleep(max(0.05, min(due.values()) - time.monotonic()) if due else 3600)

    async def now(self, name: str) -> Ran:
        """Do one at once.

        Raises:
            NoSuchChore: see there.
        """
        chore = self._chores.get(name)
        if chore is None:
            raise NoSuchChore(f"there is no chore {name!r}; there are {', '.join(self._chores)}")
        async with self._one:
            began, since = datetime.now(UTC), time.monotonic()
            try:
                result, ok = await chore.run(), True
            except Exception as problem:  # noqa: BLE001 - whatever went wrong with one chore is told, and the others go on
                result, ok = reason_of(problem), False
            ran = self._last[name] = Ran(began, round(time.monotonic() - since, 3), ok, result)
        LAST_RUN.labels(name).set(began.timestamp())
        RAN_WELL.labels(name).set(ok)
        RUNS.labels(name, "done" if ok else "failed").inc()
        fields = {"chore": name, "seconds": ran.took_s, "result": result}
        if ok:
            log.info("a chore is done", extra=fields)
        else:
            log.warning("a chore failed, will be tried again", extra=fields)
        return ran

    def report(self) -> list[tuple[Chore, Ran | None]]:
        """Every chore, and its last run; None if it never ran in this process."""
        return [(chore, self._last.get(name)) for name, chore in self._chores.items()]
