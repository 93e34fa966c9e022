"""The way to review: what stages found out about a video and its segments."""

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import (
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    VideoDownloaded,
    VideoExpanded,
    VideoLinked,
    VideoMasterStored,
    VideoPlanned,
    VideoRejected,
    VideoRequested,
)
from heaters_contracts.spans import Segment as Place
from msgspec.structs import replace

from heaters_review_api.core.fold.history import at_of
from heaters_review_api.core.fold.opening import retile
from heaters_review_api.core.tables import Segment, Tables, Video
from heaters_review_api.core.tiling import Window


def requested(t: Tables, fact: VideoRequested, told: Told[Fact]) -> None:
    """The video was asked for; asked for again, it is what it was."""
    if t.video.requested_at is not None:
        return
    t.video = replace(
        t.video,
        lane=told.lane,
        requester=fact.requester,
        request_id=fact.request_id,
        requested_at=at_of(told),
        requested_sequence=told.sequence,
        source=fact.source,
        options=fact.options,
        rejected_reason=None,
    )


def erased(t: Tables, told: Told[Fact]) -> None:
    """Nothing of the video is left but this fact; whoever asks for it again begins anew."""
    clips = set(t.clips)
    t.video = Video(t.video.id, version=t.video.version)
    t.events = {told.id: t.events[told.id]}
    t.segments, t.cuts, t.clips, t.failures = {}, {}, {}, {}
    t.decisions, t.reversals, t.discarded, t.embeddings = {}, {}, {}, {}
    t.forgotten |= clips


def rejected(t: Tables, fact: VideoRejected) -> None:
    """A request was refused; one that was taken in before stands."""
    if t.video.requested_at is None:
        t.video = replace(
            t.video,
            requester=fact.requester,
            request_id=fact.request_id,
            options=fact.options,
            rejected_reason=fact.reason,
        )


def downloaded(t: Tables, fact: VideoDownloaded, told: Told[Fact]) -> None:
    """The source is in the store."""
    if told.sequence <= (t.video.downloaded_sequence or 0):
        return
    before = t.video.source_object
    t.video = replace(
        t.video,
        title=fact.title,
        source_object=fact.source,
        downloaded_at=at_of(told),
        downloaded_sequence=told.sequence,
        twin=None,
        entries=None,
    )
    if before != fact.source:
        retile(t, told)  # a clip's id follows from the source


def led_elsewhere(t: Tables, fact: VideoLinked | VideoExpanded, told: Told[Fact]) -> None:
    """What was asked for is here as another video, or as several."""
    if told.sequence > (t.video.downloaded_sequence or 0):
        t.video = replace(
            t.video,
            title=fact.title,
            downloaded_at=at_of(told),
            downloaded_sequence=told.sequence,
            twin=fact.twin if isinstance(fact, VideoLinked) else None,
            entries=len(fact.entries) if isinstance(fact, VideoExpanded) else None,
        )


def planned(t: Tables, fact: VideoPlanned, told: Told[Fact]) -> None:
    """The whole of the video was scanned."""
    if told.sequence <= (t.video.planned_sequence or 0):
        return
    for place in fact.segments:
        t.segments[place.index] = _segment(t, place, planned=True)
    for index in [index for index in t.segments if index >= len(fact.segments)]:
        del t.segments[index]  # of a plan before
    t.video = replace(
        t.video,
        source_object=t.video.source_object or fact.source,
        technical=fact.technical,
        frames=fact.frames,
        time_base_num=fact.time_base[0],
        time_base_den=fact.time_base[1],
        start_ticks=fact.segments[0].start_ticks,
        end_ticks=fact.segments[-1].end_ticks,
        frame_table=fact.frame_table,
        segments_total=len(fact.segments),
        planned_at=at_of(told),
        planned_sequence=told.sequence,
    )
    retile(t, told)


def master_stored(t: Tables, fact: VideoMasterStored, told: Told[Fact]) -> None:
    """The lossless master is in the store."""
    if told.sequence > (t.video.master_sequence or 0):
        t.video = replace(t.video, master=fact.master, master_stored_at=at_of(told), master_sequence=told.sequence)


def thaw_requested(t: Tables, told: Told[Fact]) -> None:
    """Exports wait for the original from now on."""
    t.video = replace(t.video, thaw_requested_at=t.video.thaw_requested_at or at_of(told))


def thawed(t: Tables) -> None:
    """The original can be read again; whoever waited goes on by itself."""
    t.video = replace(t.video, thaw_requested_at=None)


def segment_planned(t: Tables, fact: SegmentPlanned, told: Told[Fact]) -> None:
    """A segment may be made; the rest of the video may still be scanned."""
    segment = _segment(t, fact.segment, planned=True)
    if segment.planned_at is None:
        t.segments[segment.index] = replace(segment, planned_at=at_of(told))
    t.video = replace(
        t.video,
        source_object=t.video.source_object or fact.source,
        time_base_num=fact.time_base[0],
        time_base_den=fact.time_base[1],
    )


def preprocessed(t: Tables, fact: SegmentPreprocessed, told: Told[Fact]) -> None:
    """A segment's proxy, pictures and sound are in the store."""
    segment = _segment(t, fact.segment)
    if not _is_at(segment, fact.segment) or told.sequence <= (segment.preprocessed_sequence or 0):
        return
    t.segments[segment.index] = replace(
        segment,
        preprocessed_at=at_of(told),
        preprocessed_sequence=told.sequence,
        profile=fact.profile,
        proxy=fact.proxy,
        packets=fact.packets,
        tiny=fact.tiny,
        storyboard=fact.storyboard,
        waveform=fact.waveform,
        width_px=fact.width_px,
        height_px=fact.height_px,
    )


def scenes_detected(t: Tables, fact: SegmentScenesDetected, told: Told[Fact]) -> None:
    """The cuts of a segment are found: clips may open, and others move."""
    segment = _segment(t, fact.segment)
    if _is_at(segment, fact.segment) and told.sequence > (segment.detected_sequence or 0):
        t.segments[segment.index] = replace(
            segment,
            detected_at=at_of(told),
            detected_sequence=told.sequence,
            detector=fact.detector,
            cuts=fact.cuts,
            scores=fact.scores,
            curves=fact.curves,
        )
        retile(t, told, Window(segment.first_frame, segment.end_frame))


def _is_at(segment: Segment, place: Place) -> bool:
    """Whether a result is of the plan that stands: a film may be divided differently when its plan is replayed."""
    return (segment.first_frame, segment.frames) == (place.first_frame, place.frames)


def _segment(t: Tables, place: Place, *, planned: bool = False) -> Segment:
    """The segment of a place; a newer plan begins anew where it divides the film differently."""
    known = t.segments.get(place.index)
    if known is not None and (not planned or _is_at(known, place)):
        return known
    return Segment(t.video.id, place.index, place.first_frame, place.frames, place.start_ticks, place.end_ticks)
