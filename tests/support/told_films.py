"""Films of which the stages have told everything up to review, without a stage having worked: for tests of what comes after."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

from heaters_contracts import ids
from heaters_contracts.fact import Fact, Told, tell
from heaters_contracts.facts import (
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    VideoDownloaded,
    VideoPlanned,
    VideoRequested,
)
from heaters_contracts.facts.segment import Cut
from heaters_contracts.facts.video import Technical
from heaters_contracts.ingest import UrlSource
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Segment, Span

TICKS = 512
TIME_BASE = (1, 12_800)


def ref(key: str) -> ObjectRef:
    return ObjectRef(key=key, bytes=1000, sha256=hashlib.sha256(key.encode()).hexdigest())


@dataclass(frozen=True)
class ToldFilm:
    """A film of two segments with a clip every so many frames."""

    name: str
    clips: int
    clip_frames: int = 40

    @property
    def id(self) -> UUID:
        return ids.video_id("tests", self.name)

    @property
    def frames(self) -> int:
        return self.clips * self.clip_frames

    @property
    def source(self) -> ObjectRef:
        return ref(f"videos/{self.id}/source.mp4")

    def spans(self) -> list[Span]:
        edges = range(0, self.frames + 1, self.clip_frames)
        return [Span(start=a, end=b) for a, b in pairwise(edges)]

    def segments(self) -> Sequence[Segment]:
        half = self.frames // 2
        return [
            Segment(index=n, first_frame=a, frames=b - a, start_ticks=a * TICKS, end_ticks=b * TICKS)
            for n, (a, b) in enumerate(((0, half), (half, self.frames)))
        ]

    def facts(self) -> Iterator[Told[Fact]]:
        requested = self._tell(
            VideoRequested(source=UrlSource(url="https://films.example/a.mp4"), requester="tests", request_id=self.name)
        )
        downloaded = self._tell(VideoDownloaded(source=self.source, title=self.name), requested)
        yield from (requested, downloaded)
        for segment in self.segments():
            planned = self._tell(
                SegmentPlanned(source=self.source, segment=segment, time_base=TIME_BASE, frames_known=self.frames),
                downloaded,
            )
            at = f"videos/{self.id}/{segment.index}"
            preprocessed = self._tell(
                SegmentPreprocessed(
                    segment=segment,
                    profile="p1",
                    proxy=ref(f"{at}/proxy.mp4"),
                    packets=ref(f"{at}/packets.npz"),
                    tiny=ref(f"{at}/tiny.npz"),
                    width_px=64,
                    height_px=36,
                ),
                planned,
            )
            cuts = [span.start for span in self.spans() if segment.first_frame <= span.start < segment.span.end]
            detected = SegmentScenesDetected(
                segment=segment,
                detector="told",
                cuts=tuple(Cut(frame=frame, start=frame, end=frame + 1) for frame in cuts if frame),
            )
            yield from (planned, preprocessed, self._tell(detected, preprocessed))
        yield self._tell(
            VideoPlanned(
                source=self.source,
                technical=Technical(container="mp4", codec="h264", width_px=64, height_px=36),
                frames=self.frames,
                time_base=TIME_BASE,
                frame_table=ref(f"videos/{self.id}/frames.npz"),
                segments=tuple(self.segments()),
            ),
            downloaded,
        )

    def _tell(self, fact: Fact, cause: Told[Fact] | None = None) -> Told[Fact]:
        return tell(
            fact, video_id=self.id, lane="interactive", cause=cause.id if cause else None, time=datetime.now(UTC)
        )
