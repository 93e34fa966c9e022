"""What follows from the rows: the states of clips and video, and which failures are open."""

from collections.abc import Mapping, Set
from uuid import UUID

from msgspec.structs import replace

from heaters_review_api.core.fold.failing import is_open, stands
from heaters_review_api.core.states import CLIP_STEPS, DECIDED_FOR_GOOD, VIDEO_FAILURES, ClipState, VideoState
from heaters_review_api.core.tables import Clip, Tables, Video


def current(t: Tables, clip_id: UUID) -> Clip | None:
    """A clip with the state that follows from its rows just now; states are written once a batch is applied."""
    clip = t.clips.get(clip_id)
    return None if clip is None else replace(clip, state=state_of(clip, given_up(t)))


def settle(t: Tables) -> None:
    """Derive what follows from the rows: which failures are still open, and the states of clips and video."""
    for failure in list(t.failures.values()):
        if failure.open != (still := is_open(t, failure)):
            t.failures[failure.id] = replace(failure, open=still)
    failed = given_up(t)
    for clip in list(t.clips.values()):
        if clip.state != (state := state_of(clip, failed)):
            t.clips[clip.id] = replace(clip, state=state)

    total = t.video.segments_total
    preprocessed = [s.preprocessed_at for s in t.segments.values() if s.preprocessed_at]
    detected = [s.detected_at for s in t.segments.values() if s.detected_at]
    settled = replace(
        t.video,
        segments_done=len(detected),
        preprocessed_at=max(preprocessed) if total and len(preprocessed) >= total else None,
        detected_at=max(detected) if total and len(detected) >= total else None,
        failures=sum(failure.open for failure in t.failures.values()),
    )
    standing = {failure.stage for failure in t.failures.values() if stands(t, failure)}
    settled = replace(settled, state=_video_state(settled, standing, t.clips))
    if settled != t.video:
        t.video = settled


def given_up(t: Tables) -> Set[tuple[str, UUID | None, UUID | None]]:
    """Stage, clip and cause of what failed and was not asked for again: a broken exporter fails on every clip of a video."""
    return {(f.stage, f.clip_id, f.cause) for f in t.failures.values() if f.settled != "retried"}


def state_of(clip: Clip, failed: Set[tuple[str, UUID | None, UUID | None]]) -> ClipState:
    """The state of a clip, as its row and what was given up say."""
    if not clip.live:
        return ClipState.SUPERSEDED
    if clip.verdict is None:
        return ClipState.PENDING_REVIEW
    if clip.verdict == "skip":
        return ClipState.REVIEW_SKIPPED
    if clip.verdict == "archive":
        return ClipState.REVIEW_ARCHIVED
    for stage, cause, done in (
        ("export", clip.order_id, clip.export_id),
        ("keyframe", clip.export_id, clip.keyframe_id),
        ("embed", clip.keyframe_id, clip.embed_id),
    ):
        if done is None:
            working, broken = CLIP_STEPS[stage]
            return broken if (stage, clip.id, cause) in failed else working
    return ClipState.EMBEDDED


def _video_state(video: Video, failed: Set[str], clips: Mapping[UUID, Clip]) -> VideoState:
    if video.requested_at is None:
        return VideoState.REJECTED if video.rejected_reason is not None else VideoState.NEW
    for stage, state in VIDEO_FAILURES.items():
        if stage in failed:
            return state
    if video.detected_at is not None:
        live = [clip for clip in clips.values() if clip.live]
        decided = bool(live) and all(clip.state in DECIDED_FOR_GOOD for clip in live)
        return VideoState.DONE if decided else VideoState.IN_REVIEW
    if video.preprocessed_at is not None:
        return VideoState.DETECTING_SCENES
    if video.twin is not None:
        return VideoState.LINKED
    if video.entries is not None:
        return VideoState.EXPANDED
    if video.downloaded_at is not None:
        return VideoState.PREPROCESSING
    return VideoState.DOWNLOADING
