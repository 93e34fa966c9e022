"""Gathers a part: the clips, their videos, what models see in them, and their exact times."""

from collections import OrderedDict
from fractions import Fraction
from uuid import UUID

from heaters_contracts.objects import ObjectRef
from heaters_edges.failure import MissingObject, WrongObject
from heaters_media.errors import BadLedger
from heaters_media.timecode import Pace, pace_of

from heaters_review_api.core import tables as core
from heaters_review_api.db.queries import ClipCursor, ClipOfVideo, Queries, Wanted
from heaters_review_api.exports.rows import Row, Seen, Times, seen_of
from heaters_review_api.ledgers import Ledgers

_KEPT = 4096


class Gatherer:
    """Reads what parts are made of."""

    def __init__(self, queries: Queries, ledgers: Ledgers) -> None:
        self._queries = queries
        self._ledgers = ledgers
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    async def rows(self, wanted: Wanted, after: ClipCursor | None, *, limit: int) -> tuple[list[Row], bool]:
        """Clips that are files, in the order of videos and frames; and whether there are more.

        Raises:
            TryLater, Unavailable: the store does not give the videos' ledgers now.
        """
        found = await self._queries.clips(limit=limit + 1, wanted=wanted, after=after)
        page = found[:limit]
        videos = await self._queries.videos_by_id({one.clip.video_id for one in page})
        seen: dict[UUID, tuple[Seen, ...]] = {}
        for clip_id, model, strategy, labels in await self._queries.labels([one.clip.id for one in page]):
            seen[clip_id] = seen.get(clip_id, ()) + seen_of(model, strategy, labels)
        rows = []
        for one in page:
            video = videos[one.clip.video_id]
            rows.append(Row(one.clip, video, await self._times(one, video), seen.get(one.clip.id, ())))
        return rows, len(found) > limit

    async def _times(self, one: ClipOfVideo, video: core.Video) -> Times | None:
        clip = one.clip
        try:
            if one.frame_table is None:
                ticks, base = await self._ledgers.times(one)
                first = ticks[0] if video.start_ticks is None else video.start_ticks
                return Times(ticks[0], ticks[-1], first, ticks[-1], base, None)
            table = await self._ledgers.frame_table(one.frame_table)
            return Times(
                start_ticks=table.ticks_of(clip.start_frame),
                end_ticks=table.ticks_of(clip.end_frame),
                first_ticks=int(table.pts[0]),
                last_ticks=table.end_ticks,
                time_base=table.time_base.as_integer_ratio(),
                pace=await self._pace(one.frame_table, video),
            )
        except (MissingObject, WrongObject, BadLedger, IndexError):
            return None

    async def _pace(self, ref: ObjectRef, video: core.Video) -> Pace:
        known = self._paces.get(ref.key)
        if known is None:
            announced = video.technical.average_rate if video.technical else None
            known = pace_of(await self._ledgers.frame_table(ref), Fraction(*announced) if announced else None)
        self._paces[ref.key] = known
        self._paces.move_to_end(ref.key)
        while len(self._paces) > _KEPT:
            self._paces.popitem(last=False)
        return known
