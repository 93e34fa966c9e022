"""The objects of a video: what lies in the store because of it, and which stage put it there."""

from collections.abc import Iterable, Iterator
from typing import Literal
from uuid import UUID

from heaters_contracts.objects import ObjectRef
from msgspec import Struct

from heaters_review_api.core.tables import Clip, Discarded, Segment, Video

Kind = Literal[
    "source",
    "frame_table",
    "master",
    "proxy",
    "packets",
    "tiny",
    "storyboard",
    "waveform",
    "scores",
    "export",
    "keyframe",
    "frame_vectors",
    "discarded",
]


class Kept(Struct, frozen=True):
    """An object, what it is, and the kind of work that made it."""

    key: str
    bytes: int
    kind: Kind
    stage: str | None
    """None for what nobody wants any more: the stage is told by its fact."""
    segment: int | None = None
    clip_id: UUID | None = None


def objects_of(
    video: Video, segments: Iterable[Segment], clips: Iterable[Clip], discarded: Iterable[Discarded]
) -> list[Kept]:
    """All objects of a video, each once: what the facts name, in the order of the work."""
    found = [*_of_video(video)]
    for segment in segments:
        found += _of_segment(segment)
    for clip in clips:
        found += _of_clip(clip)
    known = {one.key for one in found}
    found += [Kept(one.key, one.bytes, "discarded", None) for one in discarded if one.key not in known]
    return list({one.key: one for one in reversed(found)}.values())[::-1]


def _of_video(video: Video) -> Iterator[Kept]:
    named: tuple[tuple[Kind, str, ObjectRef | None], ...] = (
        ("source", "download", video.source_object),
        ("frame_table", "plan", video.frame_table),
        ("master", "store_master", video.master),
    )
    for kind, stage, ref in named:
        if ref is not None:
            yield Kept(ref.key, ref.bytes, kind, stage)


def _of_segment(segment: Segment) -> Iterator[Kept]:
    named: tuple[tuple[Kind, str, ObjectRef | None], ...] = (
        ("proxy", "preprocess", segment.proxy),
        ("packets", "preprocess", segment.packets),
        ("tiny", "preprocess", segment.tiny),
        ("storyboard", "preprocess", segment.storyboard),
        ("waveform", "preprocess", segment.waveform),
        ("scores", "scenes", segment.scores),
    )
    for kind, stage, ref in named:
        if ref is not None:
            yield Kept(ref.key, ref.bytes, kind, stage, segment=segment.index)


def _of_clip(clip: Clip) -> Iterator[Kept]:
    if clip.export_object is not None:
        yield Kept(clip.export_object.key, clip.export_object.bytes, "export", "export", clip_id=clip.id)
    for keyframe in clip.keyframes:
        yield Kept(keyframe.object.key, keyframe.object.bytes, "keyframe", "keyframe", clip_id=clip.id)
    for ref in clip.frame_vectors:
        yield Kept(ref.key, ref.bytes, "frame_vectors", "embed", clip_id=clip.id)
