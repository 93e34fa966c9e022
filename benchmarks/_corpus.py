"""A corpus of films as their facts tell of it, for benchmarks of the database: the same facts for the same number of films.

Each film has twelve segments and a hundred clips. Every second one is reviewed to its end: of its clips 80 are skipped, 15 archived
and 5 approved, exported and embedded. Some films are always in progress at once, so their facts lie between each other's, as a
stream has them. The last fact of every film is its master's, kept aside as `anchor`: whoever fills a real stream tells those of the films that wait, and no others.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from random import Random
from uuid import UUID

import numpy as np
from heaters_contracts import ids
from heaters_contracts.fact import Fact, Told, WorkDone, encode, tell
from heaters_contracts.facts import (
    ClipApproved,
    ClipArchived,
    ClipEmbedded,
    ClipExported,
    ClipKeyframed,
    ClipSkipped,
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    VideoDownloaded,
    VideoMasterStored,
    VideoPlanned,
    VideoRequested,
)
from heaters_contracts.facts.clip import Keyframe, Proof, ProxyPart
from heaters_contracts.facts.segment import Cut
from heaters_contracts.facts.video import Technical
from heaters_contracts.ingest import UrlSource
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Segment, Span
from heaters_edges.bus import Stored

CLIPS_PER_FILM = 100
FRAMES, TICKS_PER_FRAME = 15_000, 512
TIME_BASE = (1, 12_800)
DIMENSIONS = 1280
_SEGMENT_FRAMES = (150, 300, 600, 1200, *[1500] * 8, 750)
_AT_ONCE = 16
_DAWN = datetime(2026, 1, 5, 8, tzinfo=UTC)
_REVIEWERS = ("ana", "ben", "cleo", "dan", "eve")


def _ref(key: str, size_bytes: int) -> ObjectRef:
    return ObjectRef(key=key, bytes=size_bytes, sha256=hashlib.sha256(key.encode()).hexdigest())


def _segments() -> tuple[Segment, ...]:
    found, first = [], 0
    for index, frames in enumerate(_SEGMENT_FRAMES):
        found.append(
            Segment(
                index=index,
                first_frame=first,
                frames=frames,
                start_ticks=first * TICKS_PER_FRAME,
                end_ticks=(first + frames) * TICKS_PER_FRAME,
            )
        )
        first += frames
    if first != FRAMES:
        raise ValueError(f"the segments of a film have {first} frames, not {FRAMES}")
    return tuple(found)


SEGMENTS = _segments()


@dataclass(frozen=True, slots=True)
class Film:
    """One film of the corpus. Its facts follow from its number.

    Attributes:
        number: from 0; films of odd numbers are not reviewed yet.
        frame_table: the object that knows the times of its frames.
    """

    number: int
    frame_table: ObjectRef

    @property
    def id(self) -> UUID:
        """The video's id."""
        return ids.video_id("bench", str(self.number))

    @property
    def reviewed(self) -> bool:
        """Whether all its clips were decided."""
        return self.number % 2 == 0

    @property
    def source(self) -> ObjectRef:
        """The source object."""
        return _ref(f"videos/{self.id}/source.mp4", 80_000_000)

    def cuts(self) -> list[int]:
        """Frames of its cuts, strictly increasing."""
        return sorted(Random(self.number).sample(range(1, FRAMES), CLIPS_PER_FILM - 1))

    def spans(self) -> list[Span]:
        """Its clips, in order."""
        return [Span(start=a, end=b) for a, b in pairwise((0, *self.cuts(), FRAMES))]

    def clip_id(self, span: Span) -> UUID:
        """The id of a clip."""
        return ids.clip_id(self.id, self.source.key, self.source.bytes, span)

    def facts(self) -> Iterator[Told[Fact]]:
        """Everything that was told of it, in an order that keeps causes before effects; the master's is not among it."""
        requested = self._tell(
            VideoRequested(
                source=UrlSource(url=f"https://films.example/{self.number}.mp4"),
                requester="bench",
                request_id=str(self.number),
            ),
            None,
        )
        yield requested
        downloaded = self._tell(VideoDownloaded(source=self.source, title=f"Film {self.number}"), requested)
        yield downloaded
        yield from self._prepared(downloaded)
        if self.reviewed:
            yield from self._decided()

    def anchor(self) -> Told[Fact]:
        """The film's last fact: its master is stored."""
        fact = VideoMasterStored(
            master=_ref(f"videos/{self.id}/master.mkv", 900_000_000), frames=FRAMES, storage_class="GLACIER"
        )
        # A master's id follows from its cause alone, so each film's needs one of its own.
        return tell(fact, video_id=self.id, lane="bulk", cause=self.id, time=_DAWN)

    def _prepared(self, downloaded: Told[Fact]) -> Iterator[Told[Fact]]:
        cuts = self.cuts()
        for segment in SEGMENTS:
            planned = self._tell(
                SegmentPlanned(source=self.source, segment=segment, time_base=TIME_BASE, frames_known=FRAMES),
                downloaded,
            )
            yield planned
            at = f"videos/{self.id}/{segment.index}"
            preprocessed = self._tell(
                SegmentPreprocessed(
                    segment=segment,
                    profile="p1",
                    proxy=_ref(f"{at}/proxy.mp4", 30_000_000),
                    packets=_ref(f"{at}/packets.npz", 30_000),
                    tiny=_ref(f"{at}/tiny.npz", 6_000_000),
                    storyboard=_ref(f"{at}/storyboard.jpg", 300_000),
                    width_px=1920,
                    height_px=1080,
                ),
                planned,
            )
            yield preprocessed
            inside = [frame for frame in cuts if segment.span.start <= frame < segment.span.end]
            yield self._tell(
                SegmentScenesDetected(
                    segment=segment,
                    detector="adaptive@1",
                    cuts=tuple(
                        Cut(frame=frame, start=frame, end=frame + 1, confidence=(frame % 97) / 97) for frame in inside
                    ),
                ),
                preprocessed,
            )
        yield self._tell(
            VideoPlanned(
                source=self.source,
                technical=Technical(container="mp4", codec="h264", width_px=1920, height_px=1080),
                frames=FRAMES,
                time_base=TIME_BASE,
                frame_table=self.frame_table,
                segments=SEGMENTS,
            ),
            downloaded,
        )

    def _decided(self) -> Iterator[Told[Fact]]:
        by = _REVIEWERS[self.number // 2 % len(_REVIEWERS)]
        for n, span in enumerate(self.spans()):
            clip_id, key = self.clip_id(span), f"bench-{n}"
            if n % 20 == 0:
                yield from self._approved(clip_id, span, by, key)
            elif n % 20 in (5, 10, 15):
                yield self._tell(ClipArchived(clip_id=clip_id, span=span, by=by, idempotency_key=key), None)
            else:
                yield self._tell(ClipSkipped(clip_id=clip_id, span=span, by=by, idempotency_key=key), None)

    def _approved(self, clip_id: UUID, span: Span, by: str, key: str) -> Iterator[Told[Fact]]:
        parts = tuple(
            ProxyPart(
                segment=segment,
                proxy=_ref(f"videos/{self.id}/{segment.index}/proxy.mp4", 30_000_000),
                packets=_ref(f"videos/{self.id}/{segment.index}/packets.npz", 30_000),
            )
            for segment in SEGMENTS
            if segment.span.start < span.end and span.start < segment.span.end
        )
        approved = self._tell(
            ClipApproved(clip_id=clip_id, span=span, by=by, idempotency_key=key, parts=parts, tags=("bench",)), None
        )
        yield approved
        proof = Proof(frames_counted=span.frames, frames_copied=span.frames, frames_encoded=0)
        exported = self._tell(
            ClipExported(clip_id=clip_id, span=span, object=_ref(f"clips/{clip_id}.mp4", 4_000_000), proof=proof),
            approved,
        )
        yield exported
        keyframe = Keyframe(frame=span.start, object=_ref(f"clips/{clip_id}.jpg", 90_000))
        keyframed = self._tell(
            ClipKeyframed(clip_id=clip_id, span=span, strategy="middle", keyframes=(keyframe,)), exported
        )
        yield keyframed
        vector = np.random.default_rng(clip_id.int % 2**63).standard_normal(DIMENSIONS)
        unit = (vector / np.linalg.norm(vector)).astype("<f2")
        yield self._tell(
            ClipEmbedded(
                clip_id=clip_id,
                span=span,
                model="bench@1",
                strategy="middle",
                dimensions=DIMENSIONS,
                vector=base64.b64encode(unit.tobytes()).decode(),
            ),
            keyframed,
        )

    def _tell(self, fact: Fact, cause: Told[Fact] | None) -> Told[Fact]:
        work = None
        if cause is not None:
            ended = _DAWN + timedelta(minutes=self.number)
            work = WorkDone(
                started=ended - timedelta(seconds=3),
                finished=ended,
                attempt=1,
                cpu_s=2.5,
                read_bytes=30_000_000,
                written_bytes=10_000_000,
                host="bench-1",
            )
        time = _DAWN + timedelta(minutes=self.number)
        return tell(fact, video_id=self.id, lane="bulk", cause=cause.id if cause else None, time=time, work=work)


def films(clips: int, frame_tables: list[ObjectRef]) -> list[Film]:
    """Films with so many clips in all, rounded up; they take the frame tables in turn."""
    count = -(-clips // CLIPS_PER_FILM)
    return [Film(number, frame_tables[number % len(frame_tables)]) for number in range(count)]


def tell_all(corpus: Iterable[Film]) -> Iterator[tuple[Film, Told[Fact] | None]]:
    """What is told of films, sixteen in progress at once; None says that all of a film was told."""
    waiting = iter(corpus)
    telling = [(film, film.facts()) for film in islice(waiting, _AT_ONCE)]
    while telling:
        for one in list(telling):
            film, facts = one
            told = next(facts, None)
            if told is None:
                telling.remove(one)
                telling += [(film, film.facts()) for film in islice(waiting, 1)]
            yield film, told


def stored_at(sequence: int) -> datetime:
    """When the stream stored a message."""
    return _DAWN + timedelta(milliseconds=100 * sequence)


def stream(corpus: Iterable[Film], *, after: int = 0) -> Iterator[Stored]:
    """The facts of films as a stream keeps them, behind a sequence and without a gap."""
    sequence = after
    for _, told in tell_all(corpus):
        if told is not None:
            sequence += 1
            message = encode(told, source="bench")
            yield Stored(sequence, stored_at(sequence), message.subject, message.headers, message.data)


def facts_of(corpus: Iterable[Film]) -> int:
    """How many facts there are of films."""
    return sum(_FACTS[film.reviewed] for film in corpus)


_FACTS = {film.reviewed: sum(1 for _ in film.facts()) for film in (Film(n, _ref("none", 1)) for n in range(2))}
"""Every film that is reviewed has as many as the next, and so has every one that is not."""
