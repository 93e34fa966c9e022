"""Clips that last so long: exactly, by the times of their first and last frames, which only the ledgers know."""

import re
from dataclasses import dataclass
from fractions import Fraction

from heaters_review_api.db.queries import ClipCursor, ClipOfVideo, Queries, Wanted
from heaters_review_api.ledgers import Ledgers

_LOOKED_AT_ONCE = 250
_LOOKED_AT = 5000
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most that a clip may last, in seconds; both are included, and None is any."""

    least: Fraction | None = None
    most: Fraction | None = None

    def hold(self, ticks: tuple[int, int], time_base: tuple[int, int]) -> bool:
        """Whether [begin, end) in ticks lasts as long."""
        lasts = (ticks[1] - ticks[0]) * Fraction(*time_base)
        return (self.least is None or lasts >= self.least) and (self.most is None or lasts <= self.most)


def read_seconds(said: str) -> Fraction:
    """A decimal number of seconds, exactly.

    Raises:
        ValueError: it is none.
    """
    if not _SECONDS.fullmatch(said):
        raise ValueError(f"{said[:40]!r} is no number of seconds, such as 2 or 0.5")
    return Fraction(said)


class Lasting:
    """Finds clips by how long they last."""

    def __init__(self, queries: Queries, ledgers: Ledgers) -> None:
        self._queries = queries
        self._ledgers = ledgers

    async def clips(
        self, wanted: Wanted, bounds: Bounds, *, limit: int, after: ClipCursor | None
    ) -> tuple[list[ClipOfVideo], ClipOfVideo | None]:
        """Clips in the order of videos and frames. What has no known time yet lasts as long as nothing.

        Args:
            wanted: what else must hold.
            bounds: how long they last.
            limit: at most so many.
            after: where to go on.

        Returns:
            The clips, and the one behind which to go on; None at the end. Where few clips fit they may be fewer than the limit: no
            more than some thousands are looked at for one page.
        """
        fitting: list[ClipOfVideo] = []
        for _ in range(_LOOKED_AT // _LOOKED_AT_ONCE):
            looked = await self._queries.clips(limit=_LOOKED_AT_ONCE, wanted=wanted, after=after)
            for one in looked:
                ticks = await self._ledgers.ticks(one)
                if ticks is not None and one.time_base is not None and bounds.hold(ticks, one.time_base):
                    fitting.append(one)
                    if len(fitting) == limit:
                        return fitting, one
            if len(looked) < _LOOKED_AT_ONCE:
                return fitting, None
            last = looked[-1].clip
            after = (last.video_sequence, last.start_frame, last.id)
        return fitting, looked[-1]
