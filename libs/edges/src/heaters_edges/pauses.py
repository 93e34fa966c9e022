"""Which stages rest, in a bucket that workers read before each fetch; and the breaker that lets one rest by itself."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from heaters_contracts.model import Model
from heaters_contracts.pipeline import PAUSED_BUCKET
from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from pydantic import AwareDatetime, ValidationError

from heaters_edges.bus import Bus, BusError

log = logging.getLogger(__name__)

_TRIES = 8
_LONGEST_COOLDOWN_S = 1800.0


class Pause(Model):
    """What was said last of a stage."""

    paused: bool
    by: str = ""
    reason: str = ""
    until: AwareDatetime | None = None
    """When it tries again by itself; None: not before somebody resumes it."""
    sequence: int = 0
    """Of the fact that said so: of two, the later one counts, in whatever order they are set down."""

    def is_over(self, now: datetime) -> bool:
        """Whether its cool-down has passed."""
        return self.until is not None and self.until <= now


class Pauses:
    """The bucket, as workers and review-api see it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def of(self, stage: str) -> Pause | None:
        """Why a stage rests; None while it works.

        Raises:
            NatsError, APIError: the bucket cannot be read.
        """
        bucket = await self._bus.bucket(PAUSED_BUCKET)
        try:
            entry = await bucket.get(stage)
        except KeyNotFoundError:
            return None
        said = _read(entry.value or b"")
        return said if said.paused else None

    async def set(self, stage: str, pause: Pause) -> bool:
        """Set down what a fact says of a stage, unless a later one is set down already; returns whether it was.

        Raises:
            BusError: the bucket did not take it.
        """
        try:
            bucket = await self._bus.bucket(PAUSED_BUCKET)
            for _ in range(_TRIES):
                data = pause.model_dump_json().encode()
                with suppress(KeyWrongLastSequenceError):
                    try:
                        entry = await bucket.get(stage)
                    except KeyNotFoundError:
                        await bucket.create(stage, data)
                        return True
                    if _read(entry.value or b"").sequence >= pause.sequence:
                        return False
                    await bucket.update(stage, data, last=entry.revision)
                    return True
        except (NatsError, APIError, OSError, TimeoutError) as problem:
            raise BusError(f"whether {stage} rests could not be set down: {problem}") from problem
        raise BusError(f"whether {stage} rests could not be set down: others do so all the time")


def _read(data: bytes) -> Pause:
    """An entry; one that was written by hand is a pause, and its text the reason."""
    try:
        return Pause.model_validate_json(data)
    except ValidationError:
        return Pause(paused=True, reason=data.decode("utf-8", "replace"))


class Breaker:
    """Notices a burst: messages of several videos that a stage gave up one after the other, without one success between.

    The message that makes it a burst is not given up: the stage rests, and then tries it again. What fails right after such a rest
    is given up, and the stage rests again, twice as long: a broken stage costs one message a rest, not its backlog.
    """

    def __init__(self, *, most: int, cooldown_s: float) -> None:
        self._most = most
        self._cooldown_s = cooldown_s
        self._failed: dict[UUID, None] = {}
        self._rests = 0

    def succeeded(self) -> None:
        """A message was done: whatever failed before was those messages' fault."""
        self._failed.clear()
        self._rests = 0

    def failed(self, video_id: UUID) -> float | None:
        """A message of a video failed for good; returns how long the stage should rest, in seconds, or None.

        Args:
            video_id: of the message. One broken film may fail in all its segments, and is no burst.
        """
        self._failed[video_id] = None
        if self._most == 0 or (not self._rests and len(self._failed) < self._most):
            return None
        self._rests += 1
        return float(min(self._cooldown_s * 2 ** (self._rests - 1), _LONGEST_COOLDOWN_S))

    @property
    def is_probing(self) -> bool:
        """Whether the stage has rested and not done anything since."""
        return self._rests > 0

    @property
    def videos(self) -> Sequence[UUID]:
        """Of which messages failed since the last success."""
        return list(self._failed)
