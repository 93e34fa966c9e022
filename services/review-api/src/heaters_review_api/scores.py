"""How near every frame of a video is to a cut: the segments' scores as one curve, small enough to be drawn whole."""

import asyncio
import hashlib
import io
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from heaters_contracts.objects import ObjectRef
from heaters_edges.objects import Objects
from heaters_media.errors import BadLedger

from heaters_review_api.core.tables import Segment, Video
from heaters_review_api.db.queries import Queries
from heaters_review_api.timeline import NoSuchSpan

THRESHOLD = 128
"""The least value of a frame that is a candidate for a cut, whatever the detector."""

_ANY_FRAME = 2**31 - 1
_KEPT = 64
_AT_ONCE = 8
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Part:
    """Who scored frames [start, end)."""

    start: int
    end: int
    detector: str


@dataclass(frozen=True, slots=True)
class Curve:
    """The scores of frames [start, end).

    Attributes:
        start: first frame.
        end: past the last.
        values: one byte a frame, see `quantised`; 0 where nobody has scored yet.
        parts: which detector scored which frames, in order; frames in no part are not scored yet.
        etag: the name of exactly this.
    """

    start: int
    end: int
    values: bytes
    parts: tuple[Part, ...]
    etag: str


def quantised(scores: _Floats) -> npt.NDArray[np.uint8]:
    """Scores, of which 1 is just a candidate, as one byte each: 255 * s / (1 + s).

    So the threshold lies in the middle, `THRESHOLD`, nothing is clipped, and the order stays: 0 is 0, 1/3 is 64, 1 is 128, 3 is 191.
    """
    kept = np.nan_to_num(np.maximum(scores, 0.0).astype(np.float64), posinf=1e6)
    return np.asarray(np.rint(255 * kept / (1 + kept)), np.uint8)


class Scores:
    """Joins segments' scores, and keeps the curves that were asked for last."""

    def __init__(self, objects: Objects, queries: Queries) -> None:
        self._objects = objects
        self._queries = queries
        self._kept: OrderedDict[str, Curve] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def curve(self, video: Video, *, start: int, end: int | None) -> Curve:
        """The scores of a video, or of its frames [start, end).

        Raises:
            NoSuchSpan: the frames are not in the video, or not counted yet.
            BadLedger: an object does not hold a score for each frame of its segment.
        """
        segments = await self._queries.segments(video.id, 0, _ANY_FRAME)
        known = video.frames or (segments[-1].end_frame if segments else 0)
        end = known if end is None else end
        if not 0 <= start < end <= known:
            raise NoSuchSpan(f"Frames [{start}, {end}) are not in the {known} that are counted of video {video.id}.")
        scored = [s for s in segments if s.scores and s.first_frame < end and s.end_frame > start]
        said = f"{start}-{end}-{'|'.join(s.scores.key for s in scored if s.scores)}"
        etag = f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'
        if (curve := self._kept.get(etag)) is None:
            curve = await self._joined(scored, start, end, etag)
        self._kept[etag] = curve
        self._kept.move_to_end(etag)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return curve

    async def _joined(self, segments: list[Segment], start: int, end: int, etag: str) -> Curve:
        values = np.zeros(end - start, np.uint8)
        parts = []
        for segment, scores in zip(
            segments, await asyncio.gather(*(self._read(s, s.scores) for s in segments if s.scores)), strict=True
        ):
            first, last = max(start, segment.first_frame), min(end, segment.end_frame)
            values[first - start : last - start] = quantised(
                scores[first - segment.first_frame : last - segment.first_frame]
            )
            parts.append(Part(first, last, segment.detector or ""))
        return Curve(start, end, values.tobytes(), tuple(parts), etag)

    async def _read(self, segment: Segment, ref: ObjectRef) -> _Floats:
        async with self._turns:
            data = await self._objects.read(ref)
        try:
            scores = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError, SyntaxError) as wrong:
            raise BadLedger(f"{ref.key} holds no scores: {wrong}") from wrong
        if not isinstance(scores, np.ndarray) or scores.dtype != np.float32 or scores.shape != (segment.frames,):
            raise BadLedger(f"{ref.key} does not hold a score for each of {segment.frames} frames")
        return scores
