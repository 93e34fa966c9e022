"""Pictures of chosen frames, and an exact count of all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image, ImageOps

from heaters_media.orientation import orientation
from heaters_media.probe import display_size, open_media, video_of, whole_frames

JPEG_QUALITY = 90


def pick(frames: int, count: int = 3) -> tuple[int, ...]:
    """Which frames stand for a clip: evenly spread, none at its very ends, where a dissolve may still show the neighbour.

    Args:
        frames: of the clip; at least 1.
        count: how many are wanted; a shorter clip gives fewer.

    Returns:
        Frame indices, strictly increasing: 25, 50 and 75 % for three, the middle for one.

    Raises:
        ValueError: no frames, or none wanted.
    """
    if frames < 1 or count < 1:
        raise ValueError(f"cannot pick {count} of {frames} frames")
    return tuple(sorted({frames * n // (count + 1) for n in range(1, count + 1)}))


def keyframes(path: Path, frames: Sequence[int], longest_px: int = 512) -> tuple[bytes, ...]:
    """JPEGs of chosen frames, upright and with square pixels.

    Args:
        path: a film, decoded from its start up to the last frame wanted.
        frames: indices from 0, in any order.
        longest_px: the longer side at most; smaller pictures are not enlarged.

    Returns:
        One JPEG for each of `frames`, in their order.

    Raises:
        IndexError: the film has no such frame.
        BadMedia: one of its subclasses says what is wrong.
    """
    wanted = set(frames)
    if not wanted:
        return ()
    made: dict[int, bytes] = {}
    scaler = VideoReformatter()
    with open_media(path) as container:
        stream = video_of(container)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        index = -1
        for index, frame in enumerate(whole_frames(container, stream)):  # told in the error below
            if index in wanted:
                made[index] = jpeg_of(frame, scaler, aspect, longest_px)
                if len(made) == len(wanted):
                    break
    if len(made) != len(wanted):
        raise IndexError(f"frame {min(wanted - made.keys())} was asked of a film of {index + 1} frames")
    return tuple(made[frame] for frame in frames)


def count_frames(path: Path) -> int:
    """How many frames a decode gives.

    Raises:
        BadMedia: one of its subclasses says what is wrong.
    """
    with open_media(path) as container:
        return sum(1 for _ in whole_frames(container, video_of(container)))


def jpeg_of(frame: VideoFrame, scaler: VideoReformatter, aspect: Fraction, longest_px: int) -> bytes:
    """A frame as a JPEG, upright, with square pixels, never enlarged."""
    rotation_deg, mirrored = orientation(frame)
    width, height = display_size(frame.width, frame.height, aspect, rotation_deg)
    scale = min(Fraction(1), Fraction(longest_px, max(width, height)))
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    turned = rotation_deg in (90, 270)
    small = scaler.reformat(
        frame,
        width=height if turned else width,
        height=width if turned else height,
        format="rgb24",
        interpolation=Interpolation.AREA,
        threads=1,
    )
    image = Image.fromarray(np.asarray(small.to_ndarray(), np.uint8))
    if mirrored:
        image = ImageOps.mirror(image)
    if rotation_deg:
        image = image.rotate(-rotation_deg, expand=True)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
