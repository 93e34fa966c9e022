"""OpenTimelineIO: one track of clips, each with the video that it was cut from and its own file as media.

Written here and not by the library, which holds a whole timeline in memory twice; a test reads it back with the library.
"""

import json
from typing import Any

from heaters_media.timecode import Grid

from heaters_review_api.exports.body import Body
from heaters_review_api.exports.rows import as_json
from heaters_review_api.exports.timelines import Event, Media

EVENTS_MOST = 1000


def otio(grid: Grid, events: list[Event], media: Media) -> Body:
    """One timeline. Clips whose rate timecode cannot count are timed in ticks of their video, exactly."""
    track = {
        **_item("Track.1", "V1"),
        "kind": "Video",
        "source_range": None,
        "children": [_clip(grid, event, media) for event in events],
    }
    stack = {**_item("Stack.1", "tracks"), "source_range": None, "children": [track]}
    whole: dict[str, Any] = {
        "OTIO_SCHEMA": "Timeline.1",
        "name": "Heaters clips",
        "metadata": {},
        "global_start_time": None,
    }
    text = json.dumps({**whole, "tracks": stack}, ensure_ascii=False)
    return Body("application/vnd.opentimelineio+json", ".otio", (text.encode(),), len(events))


def _item(schema: str, name: str) -> dict[str, Any]:
    return {"OTIO_SCHEMA": schema, "name": name, "metadata": {}, "effects": [], "markers": [], "enabled": True}


def _clip(grid: Grid, event: Event, media: Media) -> dict[str, Any]:
    row, times = event.row, event.times
    clip, video = row.clip, row.video
    num, den = times.time_base
    if event.pace.is_exact:
        rate: float = float(grid.rate) if grid.rate.denominator > 1 else int(grid.rate)
        span, whole = (clip.start_frame, clip.end_frame), (0, video.frames or clip.end_frame)
    else:
        # Ticks times the time base's numerator, at its denominator: whole numbers, however odd the time base is.
        rate = den
        ticks = (times.start_ticks, times.end_ticks, times.first_ticks, times.last_ticks)
        start, end, first, last = (n * num - times.first_ticks * num for n in ticks)
        span, whole = (start, end), (first, last)
    # A clip's own file begins where the clip does, so one range is right for both media.
    named = {
        "source": _medium(row.title, row.address or row.title, _range(*whole, rate)),
        "clips": _medium(str(clip.id), row.file_name, _range(*span, rate)),
    }
    return {
        **_item("Clip.2", f"{row.title} {clip.start_frame}"),
        "source_range": _range(*span, rate),
        "media_references": {"DEFAULT_MEDIA": named[media], "other": named["clips" if media == "source" else "source"]},
        "active_media_reference_key": "DEFAULT_MEDIA",
        "metadata": {"heaters": as_json(row)},
    }


def _range(start: int, end: int, rate: float) -> dict[str, Any]:
    def time(value: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": value}

    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(end - start)}


def _medium(name: str, address: str, available: dict[str, Any]) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "ExternalReference.1",
        "name": name,
        "metadata": {},
        "target_url": address,
        "available_range": available,
        "available_image_bounds": None,
    }
