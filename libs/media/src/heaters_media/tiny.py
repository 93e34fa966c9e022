"""The tiny array: every frame as 48x27 RGB, for detection without a second decode. numpy only."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from heaters_media.columns import UNREADABLE
from heaters_media.errors import BadLedger

WIDTH_PX = 48
HEIGHT_PX = 27


@dataclass(frozen=True, slots=True, eq=False)
class Tiny:
    """The frames of one segment, and context around it, very small.

    A row depends on nothing but its frame: whichever segment made it, it is the same.

    Attributes:
        frames: uint8, (n, 27, 48, 3), RGB, upright; row 0 is frame `first_frame` of the whole video.
        first_frame: of row 0, context included.
        segment_first: first frame of the segment itself.
        segment_frames: frames of the segment itself.
        total_frames: frames of the whole video.
    """

    frames: NDArray[np.uint8]
    first_frame: int
    segment_first: int
    segment_frames: int
    total_frames: int

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.shape[1:] != (HEIGHT_PX, WIDTH_PX, 3):
            raise BadLedger(f"a tiny array is uint8 (n, 27, 48, 3), not {self.frames.dtype} {self.frames.shape}")
        end, segment_end = self.first_frame + len(self.frames), self.segment_first + self.segment_frames
        if not 0 <= self.first_frame <= self.segment_first < segment_end <= end <= self.total_frames:
            raise BadLedger(
                f"frames [{self.first_frame}, {end}) do not hold the segment [{self.segment_first}, {segment_end}) "
                f"of a video of {self.total_frames}"
            )

    def save(self, path: Path) -> None:
        """Write an .npz beside and rename it; compressed at the lowest level, which takes half the time and saves as much."""
        part = path.with_name(path.name + ".part")
        columns = {
            "frames": self.frames,
            "first_frame": np.int64(self.first_frame),
            "segment_first": np.int64(self.segment_first),
            "segment_frames": np.int64(self.segment_frames),
            "total_frames": np.int64(self.total_frames),
        }
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as npz:
            for name, column in columns.items():
                with npz.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(column), allow_pickle=False)
        os.replace(part, path)

    @classmethod
    def load(cls, source: Path | bytes) -> Self:
        """Read and check a tiny array.

        Raises:
            BadLedger: not a tiny array, or one whose numbers contradict each other.
        """
        try:
            with np.load(io.BytesIO(source) if isinstance(source, bytes) else source, allow_pickle=False) as npz:
                return cls(
                    frames=npz["frames"],
                    first_frame=int(npz["first_frame"]),
                    segment_first=int(npz["segment_first"]),
                    segment_frames=int(npz["segment_frames"]),
                    total_frames=int(npz["total_frames"]),
                )
        except BadLedger:
            raise
        except FileNotFoundError:
            raise
        except UNREADABLE as wrong:
            raise BadLedger(f"not a tiny array: {wrong}") from wrong
