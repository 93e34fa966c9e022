"""How long stages worked on a video, and how long it waited for them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from heaters_review_api.core.tables import Event


@dataclass(frozen=True, slots=True)
class StageTime:
    """What a stage has worked on a video: jobs, and the seconds from each one's start to its end, summed."""

    seconds: float
    jobs: int


def stage_times(events: Collection[Event]) -> dict[str, StageTime]:
    """What each stage has worked on a video.

    A job is one cause: a plan tells many facts of one job, and it lasts from its start to its last fact's end.
    """
    jobs: dict[tuple[str, UUID | None], tuple[datetime, datetime]] = {}
    for event in events:
        if event.stage and event.started and event.finished and event.type != "stage.failed":
            began, ended = jobs.get((event.stage, event.cause), (event.started, event.finished))
            jobs[event.stage, event.cause] = (min(began, event.started), max(ended, event.finished))
    times: dict[str, StageTime] = {}
    for (stage, _), (began, ended) in jobs.items():
        known = times.get(stage, StageTime(0.0, 0))
        times[stage] = StageTime(round(known.seconds + (ended - began).total_seconds(), 6), known.jobs + 1)
    return times


def waiting_s(events: Collection[Event]) -> float | None:
    """Time on the way to review in which nobody worked: for download, plan, preprocess and scenes, the start of the work minus the
    time at which the stream stored its cause.

    Only the first fact of each stage counts, so the sum means what it says for a video of one segment; with several, segments wait
    for each other on purpose. None until a scene detection was told.
    """
    by_id = {event.fact_id: event for event in events}
    first: dict[str, Event] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        if event.stage and event.started and event.type != "stage.failed":
            first.setdefault(event.stage, event)
    if "scenes" not in first:
        return None
    total = 0.0
    for stage in ("download", "plan", "preprocess", "scenes"):
        begun = first.get(stage)
        cause = by_id.get(begun.cause) if begun and begun.cause else None
        if begun and begun.started and cause:
            total += max(0.0, (begun.started - cause.at).total_seconds())
    return round(total, 6)
