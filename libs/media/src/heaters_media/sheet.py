"""Makes a segment's storyboard while its frames pass by."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from heaters_media.storyboard import Storyboard

LONGEST_PX = 160
MOST_TILES = 120
_COLUMNS = 10
_QUALITY = 70


class FrameTaker(Protocol):
    """Looks at the frames that a segment's proxy shows, one by one."""

    def add(self, frame: VideoFrame, pts: int, /) -> None:
        """The next frame, upright, with square pixels, and its pts in ticks of the video."""


class StoryboardMaker:
    """Takes the proxy's frames one by one and keeps about one a second.

    The distance depends on the segment's length only, so that no film, however long its frames or its segments, makes more than
    MOST_TILES.
    """

    def __init__(self, first_frame: int, start_ticks: int, end_ticks: int, tick: Fraction) -> None:
        self._frame = first_frame
        self._next_ticks = start_ticks
        self._step_ticks = max(int(1 / tick), -(-(end_ticks - start_ticks) // MOST_TILES), 1)
        self._frames: list[int] = []
        self._tiles: list[NDArray[np.uint8]] = []
        self._scaler = VideoReformatter()

    def add(self, frame: VideoFrame, pts: int) -> None:
        """The segment's next frame, upright, with square pixels, and its pts in ticks of the video."""
        if pts >= self._next_ticks:
            self._frames.append(self._frame)
            self._tiles.append(self._small(frame))
            self._next_ticks += ((pts - self._next_ticks) // self._step_ticks + 1) * self._step_ticks
        self._frame += 1

    def jpeg(self) -> bytes:
        """The sheet with its index."""
        height, width = self._tiles[0].shape[:2]
        columns = min(_COLUMNS, len(self._tiles))
        sheet = np.zeros((-(-len(self._tiles) // columns) * height, columns * width, 3), np.uint8)
        index = Storyboard(tuple(self._frames), columns, width, height)
        for number, tile in enumerate(self._tiles):
            left, top = index.tile_px(number)
            sheet[top : top + height, left : left + width] = tile
        out = io.BytesIO()
        Image.fromarray(sheet).save(out, "JPEG", quality=_QUALITY, comment=index.comment())
        return out.getvalue()

    def _small(self, frame: VideoFrame) -> NDArray[np.uint8]:
        scale = min(Fraction(1), Fraction(LONGEST_PX, max(frame.width, frame.height)))
        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        small = self._scaler.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=Interpolation.AREA, threads=1
        )
        return np.asarray(small.to_ndarray(), np.uint8)
