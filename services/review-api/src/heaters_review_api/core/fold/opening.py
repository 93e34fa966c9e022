"""Which clips are open for review: where the cuts stand, and what lies between them.

What happens in some frames moves no cut elsewhere, so only clips that lie in those frames or touch them are looked at: a change of cuts
costs the same in a film of ten clips and of ten thousand.
"""

from bisect import bisect_right
from dataclasses import asdict
from functools import lru_cache
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.fact import Fact, Told
from heaters_contracts.spans import Span
from msgspec.structs import replace

from heaters_review_api.core import tiling
from heaters_review_api.core.fold.standing import bare, stand_again, withdrawn
from heaters_review_api.core.measures import measured
from heaters_review_api.core.tables import Clip, CutRow, Decision, Segment, Tables
from heaters_review_api.core.tiling import Window

_clip_id = lru_cache(maxsize=1 << 16)(ids.clip_id)


def retile(t: Tables, told: Told[Fact], window: Window = tiling.EVERYWHERE) -> None:
    """Open the clips whose ends are both certain, and supersede those whose cuts are gone.

    Args:
        t: the video.
        told: the fact that moved something.
        window: the frames in which it may have moved cuts or made clips certain; both ends are among them.
    """
    source = t.video.source_object
    if source is None:
        return  # nothing was scanned yet, so nothing can be finished
    window = window.wider()
    runs = tiling.runs(t.segments)
    finished = [segment for run in runs for segment in run]
    near = [segment for segment in finished if window.touches(segment.first_frame, segment.end_frame)]
    cuts = tiling.standing_cuts(near, _touches(t, window.wider()), t.video.frames)
    for gone in [frame for frame in t.cuts if frame in window and frame not in cuts]:
        del t.cuts[gone]
    for frame, (cut, by) in cuts.items():
        if frame in window:
            row = CutRow(t.video.id, frame, cut.kind, cut.start, cut.end, cut.confidence, by)
            if t.cuts.get(frame) != row:
                t.cuts[frame] = row

    spans = tiling.open_spans(runs, t.cuts, t.video.frames, window)
    open_now = {_clip_id(t.video.id, source.key, source.bytes, span): span for span in spans}
    touching = [clip for clip in t.clips.values() if clip.live and window.touches(clip.start_frame, clip.end_frame)]
    for clip in touching:
        if clip.id not in open_now:
            t.clips[clip.id] = replace(bare(withdrawn(t, clip)), live=False)
    starts = [segment.first_frame for segment in finished]
    again = [id_ for id_, span in open_now.items() if _open(t, id_, span, _waited_for(finished, starts, span))]
    stand_again(t, again, told)


def _open(t: Tables, id_: UUID, span: Span, waited_for: list[Segment]) -> bool:
    """Bring a clip that is open to what its cuts say. True if it was superseded until now."""
    known = t.clips.get(id_)
    before = known or Clip(id_, t.video.id, t.video.requested_sequence or 0, span.start, span.end)
    sides = [cut.confidence if (cut := t.cuts.get(frame)) else None for frame in (span.start, span.end)]
    certainty = min((side for side in sides if side is not None), default=1.0)
    opened = max((segment.detected_sequence or 0 for segment in waited_for), default=0)
    shown = (before.live, before.confidence_in, before.confidence_out, before.certainty, before.opened_sequence)
    if known is None or shown != (True, *sides, certainty, opened):
        # Its measures can only have changed if one of its segments was told anew.
        measures = asdict(measured(waited_for, span)) if before.opened_sequence != opened else {}
        t.clips[id_] = replace(
            before,
            live=True,
            confidence_in=sides[0],
            confidence_out=sides[1],
            certainty=certainty,
            opened_sequence=opened,
            **measures,
        )
    return known is not None and not known.live


def _touches(t: Tables, window: Window) -> list[tiling.Touch]:
    """What people said of the cuts in a window, in the order in which they said it."""
    standing = [row for row in t.decisions.values() if row.stands and window.touches(row.start_frame, row.end_frame)]
    standing.sort(key=_place)
    return [
        tiling.Touch(
            row.start_frame,
            row.end_frame,
            row.cuts,
            by=row.by if row.clip_id is None else None,
            confirms=row.action == "confirm_cut",
            sequence=row.sequence,
        )
        for row in standing
    ]


def _place(row: Decision) -> tuple[int, int]:
    return row.sequence, row.part


def _waited_for(finished: list[Segment], starts: list[int], span: Span) -> list[Segment]:
    """The segments whose scene detections a clip waited for: those with its frames, and the one after."""
    return finished[bisect_right(starts, span.start) - 1 : bisect_right(starts, span.end)]
