"""Opening films, and what their headers say. The one place that opens a file somebody sent."""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from heaters_media.errors import BadMedia, NotAVideo, NoVideoStream, TooLarge, Undecodable, UnsupportedColours
from heaters_media.orientation import orientation
from heaters_media.readable import Readable

# Formats that hold pictures and sound in themselves. Absent on purpose: playlists (concat, hls, dash), which open other
# files, and the picture formats (png_pipe, image2), which open under any name.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,live_flv,asf,ogg,mxf,gif"
LONGEST_SIDE_PX = 8192
"""8K (7680x4320) and what cameras make of it; beyond that a film is refused by its header."""
LONGEST_DECODE_S = 10
"""CPU time that one packet may take; a frame of 8K takes a tenth of a second."""
_MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENFILE)

_COLOUR_SPACES = {
    8: "YCgCo",
    10: "BT.2020 with constant luminance",
    11: "Y'D'zD'x (SMPTE ST 2085)",
    12: "a matrix that follows from its primaries",
    13: "a matrix that follows from its primaries, with constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-R",
    17: "YCgCo-R",
}
"""Matrix coefficients (ITU-T H.273, table 4) that FFmpeg knows by name and its scaler cannot convert."""

StreamT = TypeVar("StreamT", bound=Stream)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The first sound track, as its header describes it."""

    codec: str
    rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What a film is, without reading it all.

    Attributes:
        container: FFmpeg's name of the format.
        codec: of the picture.
        width_px: as coded.
        height_px: as coded.
        display_width_px: upright, with square pixels.
        display_height_px: upright, with square pixels.
        rotation_deg: clockwise turn that makes the coded picture upright: 0, 90, 180 or 270.
        pixel_aspect: width and height of a pixel, as a ratio.
        time_base: seconds a tick, numerator and denominator.
        average_rate: frames a second, about; numerator and denominator. An encoder setting, never a position.
        frames_declared: what the header says, often wrong; None where it says nothing.
        pix_fmt: FFmpeg's name of the pixel format.
        color_range: FFmpeg's number; 2 is full range.
        color_space: FFmpeg's number of the matrix.
        color_primaries: FFmpeg's number.
        color_transfer: FFmpeg's number.
        interlaced: whether a frame is two fields.
        audio: the first sound track, or None.
        bytes: size of the file.
        mirrored: whether the coded picture is to be mirrored left to right before it is turned.
    """

    container: str
    codec: str
    width_px: int
    height_px: int
    display_width_px: int
    display_height_px: int
    rotation_deg: int
    pixel_aspect: tuple[int, int]
    time_base: tuple[int, int]
    average_rate: tuple[int, int]
    frames_declared: int | None
    pix_fmt: str
    color_range: int
    color_space: int
    color_primaries: int
    color_transfer: int
    interlaced: bool
    audio: AudioInfo | None
    bytes: int
    mirrored: bool = False

    @property
    def tick(self) -> Fraction:
        """Seconds a tick."""
        return Fraction(*self.time_base)

    @property
    def rate(self) -> Fraction:
        """Frames a second, about."""
        return Fraction(*self.average_rate)


@contextmanager
def open_media(path: Readable, *, options: Mapping[str, str] | None = None) -> Iterator[InputContainer]:
    """Open a film for reading: local files only, video formats only, and no picture larger than the limit.

    Errors of the decoder inside the block become Undecodable, so that nothing of PyAV leaves this package; a full disk or
    too little memory stays what it is, for that is not the film's fault.

    Args:
        path: the film.
        options: more for FFmpeg's reader.

    Raises:
        FileNotFoundError: there is no such file.
        NotAVideo: text, a picture, a playlist, or an unknown format.
        TooLarge: the header promises a picture beyond the limit.
        Undecodable: damaged data met inside the block.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path.name}")
    if path.stat().st_size == 0:
        raise NotAVideo("not a video: the file is empty")
    try:
        limits = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
        file: Any = f"file:{path.absolute()}" if isinstance(path, Path) else path.open("rb")
        container = av.open(file, "r", options={**(options or {}), **limits})
    except (FFmpegError, ValueError, UnicodeDecodeError) as wrong:
        raise NotAVideo(_why_not(path, wrong)) from None
    with container:
        for stream in container.streams.video:
            if has_codec(stream):
                check_size(stream.codec_context.width, stream.codec_context.height)
        try:
            yield container
        except FFmpegError as wrong:
            if isinstance(wrong, OSError) and wrong.errno in _MACHINE_ERRORS:
                raise OSError(wrong.errno, wrong.strerror) from None
            if isinstance(wrong, MemoryError):
                raise MemoryError(wrong.strerror) from None
            raise Undecodable(f"the file is damaged or in a form that cannot be read: {wrong.strerror}") from None


def check_size(width_px: int, height_px: int) -> None:
    """Refuse a picture that would take too much memory.

    Raises:
        TooLarge: a side is longer than the limit.
    """
    if max(width_px, height_px) > LONGEST_SIDE_PX:
        raise TooLarge(f"{width_px}x{height_px} is larger than the limit {LONGEST_SIDE_PX}x{LONGEST_SIDE_PX}")


def video_of(container: InputContainer, *, threads: int = 1) -> VideoStream:
    """The stream with the moving picture, ready to decode.

    Args:
        container: an open film.
        threads: of the decoder. One gives the same pictures as many, and costs the least CPU.

    Raises:
        NoVideoStream: sound only, or only a cover picture.
        Undecodable: the codec is unknown, or the header names no picture size.
    """
    attached = av.stream.Disposition.attached_pic
    moving = [stream for stream in container.streams.video if not stream.disposition & attached]
    if not moving:
        has = "sound" if container.streams.audio else "no picture and no sound"
        raise NoVideoStream(f"no video stream: the file has {has} only")
    stream = moving[0]
    if not has_codec(stream):
        raise Undecodable("the picture is in a codec that cannot be read")
    if stream.codec_context.width < 1 or stream.codec_context.height < 1:
        raise Undecodable("the header names no picture size")
    stream.codec_context.options = {"max_pixels": str(LONGEST_SIDE_PX * LONGEST_SIDE_PX)}
    stream.codec_context.thread_count = threads
    stream.thread_type = ThreadType.NONE if threads == 1 else ThreadType.AUTO
    return stream


def whole_packets(container: InputContainer, stream: StreamT) -> Iterator[Packet[StreamT]]:
    """Packets in decode order without those that were cut off in the middle, then the empty one that drains the decoder."""
    return (cast("Packet[StreamT]", packet) for packet in mixed_packets(container, stream))


def mixed_packets(container: InputContainer, *streams: Stream) -> Iterator[Packet[Stream]]:
    """Like whole_packets, of several streams, in the order in which they lie in the file."""
    undrained = {stream.index: stream for stream in streams}
    try:
        for packet in container.demux(*streams):
            if packet.is_corrupt:
                continue
            if packet.size == 0:
                undrained.pop(packet.stream_index, None)
            yield packet
    except IndexError:
        # PyAV 18 stumbles at the end of a film in which a stream began in the middle: its demux then drains streams that it
        # does not know. All packets have been read by then.
        for stream in undrained.values():
            last: Packet[Stream] = Packet()
            last.stream = stream
            yield last


def decode(packet: Packet[Any]) -> list[Any]:
    """A packet's frames; none where its data is damaged. What is the machine's fault and not the film's is raised.

    Raises:
        Undecodable: the packet took longer than any honest one. One that never ends is ended with its process, by the job's deadline.
    """
    began_s = time.thread_time()
    try:
        return list(packet.decode())
    except FFmpegError as wrong:
        if isinstance(wrong, MemoryError | OSError):
            raise
        return []
    finally:
        if (took_s := time.thread_time() - began_s) > LONGEST_DECODE_S:
            raise Undecodable(f"a single packet took {took_s:.0f} s to decode, where {LONGEST_DECODE_S} s are allowed")


def whole_frames(
    container: InputContainer, stream: VideoStream, saw: Callable[[Packet[VideoStream]], None] | None = None
) -> Iterator[VideoFrame]:
    """Frames in order of presentation, from wherever the container stands. A packet without a picture in it is passed over.

    Args:
        container: an open film.
        stream: of the picture.
        saw: told each packet before it is decoded.
    """
    # AVI knows when packets are decoded, and not when frames are shown: B-frames come out in order, each with another one's time.
    unordered = container.format.name == "avi" and stream.codec_context.name in ("h264", "hevc")
    times: deque[int] = deque()
    for packet in whole_packets(container, stream):
        if saw is not None:
            saw(packet)
        if unordered and packet.size and packet.pts is not None:
            times.append(packet.pts)
        for frame in decode(packet):
            if times:
                frame.pts = times.popleft()
            yield frame


def probe(path: Readable) -> Probe:
    """What a film is: its headers, and its first frame (rotation stands nowhere else).

    Raises:
        BadMedia: one of its subclasses says what is wrong.
    """
    with open_media(path) as container:
        stream = video_of(container)
        codec = stream.codec_context
        first = next(whole_frames(container, stream), None)
        if first is None:
            raise Undecodable("not a single frame could be decoded")
        check_size(first.width, first.height)
        _expect_convertible(first)
        rotation_deg, mirrored = orientation(first)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        width_px, height_px = display_size(first.width, first.height, aspect, rotation_deg)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        if stream.time_base is None:
            raise Undecodable("the picture has no time base")
        sound = container.streams.audio[0] if container.streams.audio else None
        audio = None
        if sound is not None and has_codec(sound) and sound.codec_context.sample_rate > 0:
            audio = AudioInfo(sound.codec_context.name, sound.codec_context.sample_rate, sound.codec_context.channels)
        return Probe(
            container=container.format.name,
            codec=codec.name,
            width_px=first.width,
            height_px=first.height,
            display_width_px=width_px,
            display_height_px=height_px,
            rotation_deg=rotation_deg,
            pixel_aspect=(aspect.numerator, aspect.denominator),
            time_base=(stream.time_base.numerator, stream.time_base.denominator),
            average_rate=(rate.numerator, rate.denominator),
            frames_declared=stream.frames or None,
            pix_fmt=first.format.name,
            color_range=int(codec.color_range),
            color_space=int(codec.colorspace),
            color_primaries=int(codec.color_primaries),
            color_transfer=int(codec.color_trc),
            # 0 is unknown, 1 progressive, the rest are orders of two fields (libavcodec/defs.h, AVFieldOrder).
            interlaced=codec.field_order > 1 or first.interlaced_frame,
            audio=audio,
            bytes=path.stat().st_size,
            mirrored=mirrored,
        )


def _expect_convertible(frame: VideoFrame) -> None:
    """Refuse a picture whose colours cannot be brought into any other form: neither proxy nor tiny frames could be made."""
    try:
        VideoReformatter().reformat(frame, width=16, height=16, format="rgb24", threads=1)
    except OSError as wrong:
        if wrong.errno != errno.EOPNOTSUPP:
            raise
        space = _COLOUR_SPACES.get(int(frame.colorspace), f"number {int(frame.colorspace)} of ITU-T H.273")
        raise UnsupportedColours(
            f"the picture's colour space is {space}, which is not supported: bring it into BT.709 or BT.2020 before"
        ) from None


def display_size(width_px: int, height_px: int, aspect: Fraction, rotation_deg: int) -> tuple[int, int]:
    """The size of a picture upright and with square pixels; pixels are only ever stretched, so nothing is lost."""
    if not Fraction(1, 16) <= aspect <= 16:
        aspect = Fraction(1)
    if aspect >= 1:
        width_px = round(width_px * aspect)
    else:
        height_px = round(height_px / aspect)
    return (height_px, width_px) if rotation_deg in (90, 270) else (width_px, height_px)


def has_codec(stream: Stream) -> bool:
    """Whether a decoder is known; streams without have no context at all, which the type stubs do not say."""
    return getattr(stream, "codec_context", None) is not None


def _why_not(path: Readable, wrong: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith((b"ffconcat", b"#EXTM3U")):
        return "not a video: a playlist that names other files"
    if (
        head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF"))
        and b"AVI" not in head[:16]
        and b"WAVE" not in head[:16]
    ):
        return "not a video: a single picture"
    if b"ftyp" in head[:16]:
        return "not a video that can be read: an MP4 file whose index is missing or damaged (was the upload cut off?)"
    if isinstance(wrong, PermissionError):
        return "not a video: the file may not be read"
    return "not a video: text or an unknown format"


__all__ = ["AudioInfo", "BadMedia", "Probe", "open_media", "probe"]
