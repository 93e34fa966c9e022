"""The job in hand: what it may use, what it has used, and where it says how far it is."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of a job is done, and how fast it goes; units are the job's own (bytes of a download, frames of a segment).

    Attributes:
        done: units that are done.
        total: units in all, or None where nobody knows.
        per_s: units a second, lately.
        left_s: seconds that the rest takes at this pace, or None.
    """

    done: int
    total: int | None
    per_s: float
    left_s: float | None


@dataclass(slots=True)
class Job:
    """One attempt at one message. Edges add to its counters as they move bytes and wait for children."""

    stage: str
    deadline_s: float
    memory_bytes: int
    report: Callable[[float], None] = lambda _: None
    """Takes the share that is done, 0 to 1; may be called often."""
    pace: Pace | None = None
    """How fast it goes, as it was told last."""
    cpu_s: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0
    reused: bool = False
    begun_at: float = field(default_factory=time.monotonic)
    children: set[int] = field(default_factory=set)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.deadline_s - (time.monotonic() - self.begun_at)


_current: ContextVar[Job | None] = ContextVar("job", default=None)


def current() -> Job:
    """The job in hand; outside of any, one without limits that nobody reads."""
    job = _current.get()
    return job if job is not None else Job(stage="none", deadline_s=float("inf"), memory_bytes=1 << 62)


def begin(job: Job) -> None:
    """Make a job the current one, for this task and those that it starts."""
    _current.set(job)
