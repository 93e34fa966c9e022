"""Pictures that stand for a clip, pictures of chosen frames, and an exact count of all."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.container.input import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from heaters_media.errors import FrameCountMismatch, NoTimestamps, Undecodable
from heaters_media.orientation import orientation
from heaters_media.probe import display_size, open_media, video_of, whole_frames, whole_packets
from heaters_media.strategies import Look, Strategy, candidates, choose, look

JPEG_QUALITY = 90
_LOOK_PX = 320


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a clip.

    Attributes:
        frame: of the clip.
        ticks: when it is shown, after the clip's first frame, in ticks of the clip.
        sharpness: mean square of the Laplacian of its luma at 320 px.
        jpeg: upright, square pixels.
    """

    frame: int
    ticks: int
    sharpness: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures that stand for a clip, in order, and seconds a tick of it."""

    time_base: Fraction
    pictures: tuple[Picture, ...]


def take(path: Path, strategy: Strategy, *, frames: int, longest_px: int = 512) -> Pictures:
    """The pictures that stand for an exported clip.

    The clip's packets are its ledger: a scan gives every frame's time, and only the groups of pictures in which candidates lie are
    decoded.

    Args:
        path: a clip without an edit list, as `export` makes it.
        strategy: which pictures.
        frames: how many the clip was proven to have.
        longest_px: the longer side at most; smaller pictures are not enlarged.

    Raises:
        FrameCountMismatch: the file has another number of frames.
        BadMedia: one of its subclasses says what is wrong.
    """
    with open_media(path) as container:
        stream = video_of(container)
        scanned = [(p.pts, p.is_keyframe, p.duration or 0) for p in whole_packets(container, stream) if p.size]
        pts = sorted(at for at, *_ in scanned if at is not None)
        if len(pts) != frames or len(set(pts)) != frames:
            raise FrameCountMismatch(f"the clip has {len(set(pts))} frames with a time of their own, not {frames}")
        if stream.time_base is None:
            raise NoTimestamps("the clip has no time base")
        end = max(at + lasts for at, _, lasts in scanned if at is not None)
        duration_s = (end - pts[0]) * stream.time_base
        keys = sorted(at for at, key, _ in scanned if key and at is not None)
        parts = candidates(strategy, frames=frames, duration_s=duration_s)
        wanted = sorted({pts[frame] for part in parts for frame in part})
        looked = _look_at(container, stream, wanted, keys, longest_px)
        places = {at: index for index, at in enumerate(pts)}
        taken = choose([[looked[pts[frame]][0] for frame in part] for part in parts], refuses=not strategy.places)
        chosen = [pts[parts[part][candidate]] for part, candidate in taken]
        return Pictures(
            stream.time_base,
            tuple(Picture(places[at], at - pts[0], looked[at][0].sharpness, looked[at][1]) for at in chosen),
        )


def _look_at(
    container: InputContainer, stream: VideoStream, wanted: Sequence[int], keys: Sequence[int], longest_px: int
) -> dict[int, tuple[Look, bytes]]:
    """What the frames at some times look like, and their JPEGs."""
    found: dict[int, tuple[Look, bytes]] = {}
    scaler, small = VideoReformatter(), VideoReformatter()
    aspect = stream.sample_aspect_ratio or Fraction(1)

    def keep(until: int) -> None:
        for frame in whole_frames(container, stream):
            if frame.pts in missing:
                found[frame.pts] = (_look(frame, small), jpeg_of(frame, scaler, aspect, longest_px))
            if frame.pts is not None and frame.pts >= until:
                return

    groups: dict[int, list[int]] = {}
    for at in wanted:
        groups.setdefault(bisect_right(keys, at), []).append(at)
    missing = set(wanted)
    for place, group in groups.items():
        container.seek(keys[max(0, place - 1)] if keys else group[0], stream=stream, backward=True)
        keep(group[-1])
        missing -= found.keys()
    if missing:
        # A reader that cannot seek where it was asked to: from the beginning, it comes by everything.
        container.seek(keys[0] if keys else wanted[0], stream=stream, backward=True)
        keep(wanted[-1])
        missing -= found.keys()
    if missing:
        raise Undecodable(f"{len(missing)} of {len(wanted)} pictures of the clip could not be decoded")
    return found


def _look(frame: VideoFrame, small: VideoReformatter) -> Look:
    width = min(_LOOK_PX, frame.width)
    height = max(1, round(frame.height * width / frame.width))
    grey = small.reformat(frame, width=width, height=height, format="gray", interpolation=Interpolation.AREA, threads=1)
    return look(np.asarray(grey.to_ndarray(), np.uint8))


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
