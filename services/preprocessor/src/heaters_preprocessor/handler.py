"""Plan a video, preprocess its segments, store its master."""

from collections.abc import AsyncIterator

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import (
    SegmentPlanned,
    SegmentPreprocessed,
    VideoDownloaded,
    VideoMasterStored,
    VideoPlanned,
)
from heaters_contracts.facts.segment import CONTEXT_FRAMES
from heaters_contracts.objects import ObjectRef, frame_table_key, master_key, segment_key
from heaters_edges.child import each_in_child, in_child
from heaters_edges.failure import Busy
from heaters_edges.objects import Objects, sha256_of_file

from heaters_preprocessor.settings import PreprocessorSettings
from heaters_preprocessor.transcode import FoundSegment, make_segment, make_whole_master, scan

SOURCE = "source"
"""The profile of a segment for which nothing was encoded."""


async def plan(told: Told[VideoDownloaded], *, objects: Objects, settings: PreprocessorSettings) -> AsyncIterator[Fact]:
    """Each segment as soon as the scan has passed it, then the whole plan."""
    fact = told.fact
    async with objects.local(fact.source) as (source,):
        with objects.desk() as desk:
            table = desk / "frames.npz"
            found_all = each_in_child(
                scan,
                source,
                table,
                first_s=settings.first_segment_s,
                growth=settings.segment_growth,
                longest_s=settings.longest_segment_s,
                context_frames=CONTEXT_FRAMES,
                reuse=settings.reuse,
            )
            async for found in found_all:
                if isinstance(found, FoundSegment):
                    yield SegmentPlanned(
                        source=fact.source,
                        segment=found.segment,
                        time_base=found.time_base,
                        frames_known=found.frames_known,
                        source_is_proxy=found.source_is_proxy,
                        options=fact.options,
                    )
                    continue
                digest = sha256_of_file(table)
                stored = await objects.put(table, frame_table_key(told.video_id, digest), sha256=digest)
                yield VideoPlanned(
                    source=fact.source,
                    technical=found.technical,
                    frames=found.frames,
                    time_base=found.time_base,
                    frame_table=stored,
                    segments=found.segments,
                    source_is_proxy=found.source_is_proxy,
                    options=fact.options,
                )


async def preprocess(
    told: Told[SegmentPlanned], *, objects: Objects, profile: str, parts_from_bytes: int
) -> SegmentPreprocessed:
    """A segment's proxy, packet index, tiny array, storyboard and waveform.

    A long film that this node does not hold is not fetched for the sake of one of its minutes: what the segment needs of it is.
    """
    fact, index = told.fact, told.fact.segment.index
    made_by = SOURCE if fact.source_is_proxy else profile
    async with objects.readable(fact.source, parts_from_bytes=parts_from_bytes) as source:
        with objects.desk() as desk:
            made = await in_child(  # type: ignore[call-arg]  # the child is given its progress
                make_segment,
                source,
                fact.segment,
                desk,
                frames_known=fact.frames_known,
                context_frames=CONTEXT_FRAMES,
                source_is_proxy=fact.source_is_proxy,
            )
            stored: dict[str, ObjectRef] = {}
            files = {"proxy": made.proxy, "packets": made.packets, "tiny": made.tiny}
            for kind, path in (files | {"storyboard": made.storyboard, "waveform": made.waveform}).items():
                if path is not None:
                    digest = sha256_of_file(path)
                    key = segment_key(told.video_id, kind, made_by, index, digest, path.suffix)
                    stored[kind] = await objects.put(path, key, sha256=digest)

    return SegmentPreprocessed(
        segment=fact.segment,
        profile=made_by,
        proxy=stored.get("proxy", fact.source),
        packets=stored["packets"],
        tiny=stored["tiny"],
        storyboard=stored["storyboard"],
        waveform=stored.get("waveform"),
        frames_damaged=made.frames_damaged,
        width_px=made.width_px,
        height_px=made.height_px,
        options=fact.options,
    )


async def store_master(
    told: Told[VideoPlanned], *, objects: Objects, settings: PreprocessorSettings
) -> AsyncIterator[Fact]:
    """The lossless master, unless masters are switched off: then nothing is told."""
    fact = told.fact
    if not settings.master:
        return
    async with objects.local(fact.source) as (source,):
        with objects.desk() as desk:
            objects.require_space(settings.master_room * fact.source.bytes)
            # Not on the desk: what is done of a long master must be there when another attempt begins.
            pieces = settings.cache_dir / "masters" / f"{told.video_id}-{fact.source.sha256[:16]}"
            try:
                made = await in_child(  # type: ignore[call-arg]  # the child is given its progress
                    make_whole_master, source, desk / "master.mkv", pieces, fact.frames
                )
            except BlockingIOError:
                # Whoever lost hold of this message is still at it, maybe for hours: no reason to give the message up.
                raise Busy(
                    f"another process of this node makes the master of {told.video_id}", retry_after_s=60
                ) from None
            stored = await objects.put(
                made.path,
                master_key(told.video_id, made.sha256),
                sha256=made.sha256,
                storage_class=settings.master_storage_class or None,
                keep=False,
            )

    yield VideoMasterStored(
        master=stored, frames=made.frames, storage_class=settings.master_storage_class or "STANDARD"
    )
