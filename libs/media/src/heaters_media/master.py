"""The master: what the film showed, without loss, in a form that outlives its codec.

FFV1 version 3 with slices and a checksum in each (RFC 9043), in Matroska. The original bytes are kept elsewhere with their
hash; Matroska's milliseconds are therefore good enough for the master's timestamps. Sound is copied packet for packet:
nothing is more lossless than the bytes themselves.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
from av.codec.codec import Codec
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from heaters_media.errors import FrameCountMismatch
from heaters_media.probe import mixed_packets, open_media, probe, video_of, whole_frames

_SLICES = 4
_PROGRESS_EVERY_FRAMES = 25


@dataclass(frozen=True, slots=True)
class Master:
    """A verified master.

    Attributes:
        path: the file.
        frames: how many; equal to the source's.
        bytes: of the file.
        sha256: of the file.
        frames_sha256: of all decoded pictures in order; equal for source and master.
    """

    path: Path
    frames: int
    bytes: int
    sha256: str
    frames_sha256: str


def make_master(source: Path, out: Path, progress: Callable[[int], None] | None = None) -> Master:
    """Write a film's master and verify it by decoding it again.

    Args:
        source: the film.
        out: a .mkv to write; it appears when it is whole and verified.
        progress: told the number of frames written, about once a second of film.

    Raises:
        FrameCountMismatch: the master does not decode to the source's pictures.
        BadMedia: the source cannot be read.
    """
    described = probe(source)
    part = out.with_name(out.name + ".part")
    seen = hashlib.sha256()
    frames = 0
    try:
        with open_media(source) as film, av.open(str(part), "w", format="matroska") as output:
            stream = video_of(film)
            pix_fmt = described.pix_fmt if _keeps(described.pix_fmt) else "yuv444p16le"
            options = {"level": "3", "slices": str(_SLICES), "slicecrc": "1", "g": "1", "coder": "1", "context": "0"}
            coded = output.add_stream("ffv1", rate=described.rate, options=options)
            coded.width, coded.height, coded.pix_fmt = described.width_px, described.height_px, pix_fmt
            coded.time_base = coded.codec_context.time_base = described.tick
            if stream.sample_aspect_ratio:  # a film that does not say has square pixels
                coded.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio
            coded.codec_context.color_range = described.color_range
            coded.codec_context.colorspace = described.color_space
            coded.codec_context.color_primaries = described.color_primaries
            coded.codec_context.color_trc = described.color_transfer
            if described.rotation_deg:
                coded.set_display_rotation(-described.rotation_deg % 360)  # counterclockwise
            sound = film.streams.audio[0] if described.audio is not None else None
            copied = output.add_stream_from_template(sound) if sound is not None else None
            wanted = (stream,) if sound is None else (stream, sound)
            for packet in mixed_packets(film, *wanted):
                if copied is not None and packet.stream is sound:
                    if packet.dts is not None:
                        packet.stream = copied
                        output.mux_one(packet)
                    continue
                for frame in _pictures(packet):
                    frames += 1
                    _hash_into(seen, frame)
                    frame.pict_type = PictureType.NONE
                    output.mux(coded.encode(frame))
                    if progress is not None and frames % _PROGRESS_EVERY_FRAMES == 0:
                        progress(frames)
            output.mux(coded.encode(None))
        again = hashlib.sha256()
        with open_media(part) as made:
            counted = _hash_all(again, made, video_of(made))
        if (counted, again.digest()) != (frames, seen.digest()):
            raise FrameCountMismatch(f"the master gives {counted} frames of the source's {frames}, or others")
        with part.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = part.stat().st_size
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return Master(path=out, frames=frames, bytes=size, sha256=sha256, frames_sha256=seen.hexdigest())


def _keeps(pix_fmt: str) -> bool:
    formats = Codec("ffv1", "w").video_formats or []
    return any(f.name == pix_fmt for f in formats)


def _pictures(packet: Packet[Stream]) -> list[VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
    except (av.error.InvalidDataError, av.error.EOFError):
        return []


def _hash_all(into: hashlib._Hash, container: InputContainer, stream: VideoStream) -> int:
    frames = 0
    for frame in whole_frames(container, stream):
        _hash_into(into, frame)
        frames += 1
    return frames


def _hash_into(into: hashlib._Hash, frame: VideoFrame) -> None:
    """The pixels of every plane, without the padding at the ends of lines."""
    for component, plane in enumerate(frame.planes):
        view = memoryview(plane)
        width = plane.buffer_size // plane.height if plane.line_size <= 0 else _line_bytes(frame, component)
        for y in range(plane.height):
            into.update(view[y * plane.line_size : y * plane.line_size + width])


def _line_bytes(frame: VideoFrame, component: int) -> int:
    plane = frame.planes[component]
    packed = (
        frame.format.padded_bits_per_pixel
        if len(frame.planes) == 1
        else 8 * ((frame.format.components[component].bits + 7) // 8)
    )
    return min(plane.line_size, -(-plane.width * packed // 8))
