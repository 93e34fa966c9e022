"""The master: what the film showed, without loss, in a form that outlives its codec.

FFV1 version 3 with slices and a checksum in each (RFC 9043), in Matroska. The original bytes are kept elsewhere with their
hash; Matroska's milliseconds are therefore good enough for the master's timestamps. Sound is copied packet for packet:
nothing is more lossless than the bytes themselves.

It takes longer than all else that is done to a film, so it is made in pieces that outlive a killed process: whoever begins again
goes on after the last whole piece.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.codec import Codec
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from heaters_media.columns import ints, raw, reading_columns, save_columns
from heaters_media.errors import BadLedger, FrameCountMismatch
from heaters_media.plan import Plan, PlannedSegment, plan
from heaters_media.preprocess import frames_of
from heaters_media.probe import (
    Probe,
    has_codec,
    mixed_packets,
    open_media,
    probe,
    video_of,
    whole_frames,
    whole_packets,
)

PIECE_S = 30
_SLICES = 4
_PROGRESS_EVERY_FRAMES = 25
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Master:
    """A verified master.

    Attributes:
        path: the file.
        frames: how many; equal to the source's.
        bytes: of the file.
        sha256: of the file.
        frames_sha256: of the digests of all decoded pictures in order; equal for source and master.
    """

    path: Path
    frames: int
    bytes: int
    sha256: str
    frames_sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A finished stretch of the master: a file, and what its frames were in the source."""

    path: Path
    pts: NDArray[np.int64]
    digests: bytes

    def save(self) -> None:
        """Write what is known of the piece; it is whole once this exists."""
        save_columns(self.path.with_suffix(".npz"), pts=self.pts, digests=np.frombuffer(self.digests, np.uint8))

    @classmethod
    def load(cls, path: Path) -> _Piece | None:
        """A piece from an earlier attempt; None if it was not finished."""
        try:
            with reading_columns(path.with_suffix(".npz")) as arrays:
                piece = cls(path, ints(arrays, "pts"), raw(arrays, "digests").tobytes())
        except (FileNotFoundError, BadLedger):
            return None
        return piece if path.is_file() else None


def make_master(
    source: Path,
    out: Path,
    progress: Callable[[int], None] | None = None,
    *,
    pieces_dir: Path | None = None,
    piece_s: Fraction | int = PIECE_S,
) -> Master:
    """Write a film's master and verify it by decoding it again.

    Args:
        source: the film.
        out: a .mkv to write; it appears when it is whole and verified.
        progress: told the number of frames written, about once a second of film.
        pieces_dir: where pieces wait for the rest; of this film alone, and gone when the master is done. Given again after
            a kill, it saves what was done. None begins anew each time.
        piece_s: length of a piece, about.

    Raises:
        FrameCountMismatch: the master does not decode to the source's pictures.
        BadMedia: the source cannot be read.
    """
    folder = pieces_dir or out.with_name(out.name + ".pieces")
    folder.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    described = probe(source)
    try:
        pieces: list[_Piece] = []
        frames = 0
        for segment in plan(source, lengths_s=[Fraction(piece_s)]):
            if isinstance(segment, Plan):
                break
            path = folder / f"{segment.index:05d}.mkv"
            pieces.append(_Piece.load(path) or _encode(source, described, segment, path, frames, progress))
            frames += len(pieces[-1].pts)
        _join(source, described, pieces, part)
        wanted = b"".join(piece.digests for piece in pieces)
        with open_media(part) as made:
            again = b"".join(_digest(frame) for frame in whole_frames(made, video_of(made)))
        if again != wanted:
            raise FrameCountMismatch(
                f"the master gives {len(again) // _DIGEST_BYTES} frames of the source's {frames}, or others"
            )
        with part.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = part.stat().st_size
        os.replace(part, out)
        shutil.rmtree(folder)
    except FrameCountMismatch:
        shutil.rmtree(folder, ignore_errors=True)  # a piece is wrong; begin anew next time
        raise
    finally:
        part.unlink(missing_ok=True)
        if pieces_dir is None:
            shutil.rmtree(folder, ignore_errors=True)
    return Master(path=out, frames=frames, bytes=size, sha256=sha256, frames_sha256=hashlib.sha256(wanted).hexdigest())


def _encode(
    source: Path,
    described: Probe,
    segment: PlannedSegment,
    path: Path,
    before: int,
    progress: Callable[[int], None] | None,
) -> _Piece:
    """Encode one piece; `before` frames were written already."""
    part = path.with_suffix(".part")
    pts: list[int] = []
    digests: list[bytes] = []
    with open_media(source) as film, av.open(str(part), "w", format="matroska") as output:
        stream = video_of(film)
        coded = _add_picture(output, described, stream)
        for frame in frames_of(film, stream, segment):
            assert frame.pts is not None  # noqa: S101  # frames_of selects by it
            pts.append(frame.pts)
            digests.append(_digest(frame))
            frame.pts -= segment.start_ticks  # a file of its own; the join gives each its time back
            frame.pict_type = PictureType.NONE
            output.mux(coded.encode(frame))
            if progress is not None and (before + len(pts)) % _PROGRESS_EVERY_FRAMES == 0:
                progress(before + len(pts))
        output.mux(coded.encode(None))
    os.replace(part, path)
    piece = _Piece(path, np.array(pts, np.int64), b"".join(digests))
    piece.save()
    return piece


def _add_picture(output: OutputContainer, described: Probe, stream: VideoStream) -> VideoStream:
    pix_fmt = described.pix_fmt if _keeps(described.pix_fmt) else "yuv444p16le"
    options = {"level": "3", "slices": str(_SLICES), "slicecrc": "1", "g": "1", "coder": "1", "context": "0"}
    coded = output.add_stream("ffv1", rate=described.rate, options=options)
    coded.width, coded.height, coded.pix_fmt = described.width_px, described.height_px, pix_fmt
    coded.time_base = coded.codec_context.time_base = described.tick
    if stream.sample_aspect_ratio is not None:  # a film need not declare one
        coded.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio
    coded.codec_context.color_range = described.color_range
    coded.codec_context.colorspace = described.color_space
    coded.codec_context.color_primaries = described.color_primaries
    coded.codec_context.color_trc = described.color_transfer
    if described.rotation_deg:
        coded.set_display_rotation(-described.rotation_deg % 360)  # counterclockwise
    return coded


def _join(source: Path, described: Probe, pieces: list[_Piece], out: Path) -> None:
    """All pieces' packets and all of the source's sound tracks in one file, in the order of time."""
    with open_media(source) as film, av.open(str(out), "w", format="matroska") as output:
        with open_media(pieces[0].path) as first:
            template = video_of(first)
            picture = output.add_stream_from_template(template)
            picture.time_base = described.tick
            if described.rotation_deg:
                picture.set_display_rotation(-described.rotation_deg % 360)
        tracks: list[Iterator[tuple[Fraction, int, Packet[Stream]]]] = [_pictures(pieces, described.tick, picture)]
        sounds = [sound for sound in film.streams.audio if has_codec(sound)]
        if sounds:
            copies = {sound.index: output.add_stream_from_template(sound) for sound in sounds}
            tracks.append(
                (packet.dts * packet.time_base, 1, _onto(packet, copies[packet.stream_index]))
                for packet in mixed_packets(film, *sounds)
                if packet.dts is not None
            )
        for _, _, packet in heapq.merge(*tracks, key=lambda item: item[:2]):
            output.mux_one(packet)


def _pictures(pieces: list[_Piece], tick: Fraction, picture: Stream) -> Iterator[tuple[Fraction, int, Packet[Stream]]]:
    for piece in pieces:
        with open_media(piece.path) as container:
            packets = (p for p in whole_packets(container, video_of(container)) if p.size)
            for pts, packet in zip(piece.pts.tolist(), packets, strict=True):
                packet.pts = packet.dts = pts
                packet.time_base = tick
                yield pts * tick, 0, _onto(packet, picture)


def _onto(packet: Packet[Any], stream: Stream) -> Packet[Stream]:
    packet.stream = stream
    return packet


def _keeps(pix_fmt: str) -> bool:
    formats = Codec("ffv1", "w").video_formats or []
    return any(f.name == pix_fmt for f in formats)


def _digest(frame: VideoFrame) -> bytes:
    """Of the pixels of every plane, without the padding at the ends of lines."""
    into = hashlib.sha256()
    for component, plane in enumerate(frame.planes):
        view = memoryview(plane)
        width = plane.buffer_size // plane.height if plane.line_size <= 0 else _line_bytes(frame, component)
        for y in range(plane.height):
            into.update(view[y * plane.line_size : y * plane.line_size + width])
    return into.digest()


def _line_bytes(frame: VideoFrame, component: int) -> int:
    plane = frame.planes[component]
    packed = (
        frame.format.padded_bits_per_pixel
        if len(frame.planes) == 1
        else 8 * ((frame.format.components[component].bits + 7) // 8)
    )
    return min(plane.line_size, -(-plane.width * packed // 8))
