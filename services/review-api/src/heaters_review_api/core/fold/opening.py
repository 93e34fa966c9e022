"""Which clips are open for review: where the cuts stand, and what lies between them."""

from collections.abc import Iterable
from dataclasses import asdict, replace

from heaters_contracts import ids
from heaters_contracts.fact import Fact, Told
from heaters_contracts.spans import Span

from heaters_review_api.core import tiling
from heaters_review_api.core.fold.standing import bare, stand_again, withdrawn
from heaters_review_api.core.measures import measured
from heaters_review_api.core.tables import Clip, CutRow, Segment, Tables


def retile(t: Tables, told: Told[Fact]) -> None:
    """Open the clips whose ends are both certain, and supersede those whose cuts are gone."""
    source = t.video.source_object
    if source is None:
        return  # nothing was scanned yet, so nothing can be finished
    finished = [segment for run in tiling.runs(t.segments) for segment in run]
    cuts = tiling.standing_cuts(finished, _touches(t), t.video.frames)
    for gone in t.cuts.keys() - cuts.keys():
        del t.cuts[gone]
    for frame, (cut, by) in cuts.items():
        row = CutRow(t.video.id, frame, cut.kind, cut.start, cut.end, cut.confidence, by)
        if t.cuts.get(frame) != row:
            t.cuts[frame] = row

    open_now = {}
    for span in tiling.open_spans(t.segments, cuts, t.video.frames):
        open_now[ids.clip_id(t.video.id, source.key, source.bytes, span)] = span
    for id_, clip in list(t.clips.items()):
        if clip.live and id_ not in open_now:
            t.clips[id_] = replace(bare(withdrawn(t, clip, told)), live=False)
    for id_, span in open_now.items():
        known = t.clips.get(id_)
        before = known or Clip(id_, t.video.id, t.video.requested_sequence or 0, span.start, span.end)
        sides = [cuts[frame].cut.confidence if frame in cuts else None for frame in (span.start, span.end)]
        certainty = min((side for side in sides if side is not None), default=1.0)
        opened = _opened(finished, span)
        shown = (before.live, before.confidence_in, before.confidence_out, before.certainty, before.opened_sequence)
        # Most stay as they are, and to make a row anew costs more than all else that is done for it.
        if known is None or shown != (True, *sides, certainty, opened):
            # Its measures can only have changed if one of its segments was told anew.
            measures = asdict(measured(finished, span)) if before.opened_sequence != opened else {}
            t.clips[id_] = replace(
                before,
                live=True,
                confidence_in=sides[0],
                confidence_out=sides[1],
                certainty=certainty,
                opened_sequence=opened,
                **measures,
            )
        if known is not None and not known.live:
            stand_again(t, id_, told)


def _touches(t: Tables) -> list[tiling.Touch]:
    """What people said of the cuts, in the order in which they said it."""
    standing = sorted((row for row in t.decisions.values() if row.stands), key=lambda row: (row.sequence, row.part))
    return [
        tiling.Touch(
            row.start_frame,
            row.end_frame,
            row.cuts,
            by=row.by if row.clip_id is None else None,
            confirms=row.action == "confirm_cut",
        )
        for row in standing
    ]


def _opened(finished: Iterable[Segment], span: Span) -> int:
    """When the last scene detection was told that a clip waited for: of the segments with its frames, and with the one after."""
    return max(
        (s.detected_sequence or 0 for s in finished if s.first_frame <= span.end and span.start < s.end_frame),
        default=0,
    )
