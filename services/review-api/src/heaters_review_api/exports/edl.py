"""CMX 3600 edit decision lists: at most 999 events of one rate, with drop-frame timecode where that is the custom."""

import re

from heaters_media.timecode import Grid

from heaters_review_api.exports.body import Body
from heaters_review_api.exports.timelines import Event, reel

EVENTS_MOST = 999
"""An event's number has three digits."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")


def edl(grid: Grid, events: list[Event]) -> Body:
    """One list; the first event is recorded at one o'clock, as is the custom."""
    lines = ["TITLE: HEATERS CLIPS", f"FCM: {'DROP FRAME' if grid.drop else 'NON-DROP FRAME'}", ""]
    for number, event in enumerate(events, 1):
        at = grid.hour_frames + event.at
        times = " ".join(grid.name(frame) for frame in (event.first, event.last, at, at + event.frames))
        lines.append(f"{number:03d}  {reel(event):<8} {_tracks(event):<5} C        {times}")
        lines += [f"* {name}: {_line(said)}" for name, said in _comments(event) if said]
    text = "\r\n".join(lines) + "\r\n"
    return Body("text/plain; charset=utf-8", ".edl", (text.encode(),), len(events))


def _tracks(event: Event) -> str:
    audio = event.row.audio
    if audio is None:
        return "V"
    return "B" if audio.channels == 1 else "AA/V"


def _comments(event: Event) -> list[tuple[str, str | None]]:
    row, clip = event.row, event.row.clip
    decided = f"{clip.decided_by} {clip.decided_at.isoformat()}" if clip.decided_at else None
    source = row.video.source_object
    return [
        ("FROM CLIP NAME", row.title if event.medium == str(row.video.id) else row.file_name),
        ("SOURCE FILE", event.address),
        ("COMMENT", clip.note),
        ("HEATERS CLIP", str(clip.id)),
        ("HEATERS VIDEO", f"{row.video.id} SHA256 {source.sha256}" if source else str(row.video.id)),
        ("HEATERS FRAMES", f"{clip.start_frame} TO {clip.end_frame - 1}"),
        ("HEATERS APPROVED", decided),
        ("HEATERS TIMES", event.remark),
    ]


def _line(said: str) -> str:
    """On one line, whatever stands in it."""
    return _CONTROL.sub(" ", said)[:400]
