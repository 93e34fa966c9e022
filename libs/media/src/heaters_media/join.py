"""Picture and sound that came apart, or in a stream's wrapping, put into one plain file. Packets are copied, never encoded."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from heaters_media.errors import Undecodable
from heaters_media.probe import mixed_packets, open_media, video_of

_IN_MP4 = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "aac", "mp3", "opus", "ac3", "eac3", "flac", "alac"})
"""What MP4 holds and players know; it keeps a stream's own time base, where Matroska counts milliseconds."""
_OVERLAP_S = 1
"""Sound may go on for so long after the picture where a broadcast's clock begins anew."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """What a file holds, as its packets and headers say.

    Attributes:
        container: mp4, mkv, or FFmpeg's name of what else it is.
        video: codec of the picture.
        width_px: as coded.
        height_px: as coded.
        rate: frames a second, about, numerator and denominator; None where nothing says it.
        audio: codec of the first sound track, or None.
        duration_ms: of the picture, as the header says; None where it does not.
    """

    container: str
    video: str
    width_px: int
    height_px: int
    rate: tuple[int, int] | None
    audio: str | None
    duration_ms: int | None


def tracks_of(path: Path) -> Tracks:
    """What a file holds.

    Raises:
        BadMedia: one of its subclasses says what is wrong.
    """
    with open_media(path) as container:
        return _tracks(container, container.format.name)


def join(sources: Sequence[Path], stem: Path) -> tuple[Path, Tracks]:
    """Copy the picture of the first file that has one, and every sound track, into one new file.

    It is an MP4 where that can hold the codecs, else a Matroska. A stream that does not begin at zero (as broadcasts do not)
    begins there afterwards; how picture and sound lie to each other stays.

    Args:
        sources: local files, read once, packet by packet.
        stem: the new file without its ending, in an existing folder.

    Returns:
        The file, and what it holds.

    Raises:
        BadMedia: a source is no film, or none of them has a picture.
    """
    with ExitStack() as opened:
        films = [opened.enter_context(open_media(source)) for source in sources]
        chosen = _chosen(films)
        fits = all(stream.codec_context.name in _IN_MP4 for _, stream in chosen)
        out = stem.with_name(f"{stem.name}.{'mp4' if fits else 'mkv'}")
        with av.open(str(out), "w", format="mp4" if fits else "matroska") as output:
            into: dict[tuple[int, int], Any] = {}
            for film, stream in chosen:
                copied = output.add_stream_from_template(stream)
                if stream.time_base is not None:
                    copied.time_base = stream.time_base
                into[film, stream.index] = copied
            begin = _begin(films)
            for number, packet in heapq.merge(
                *(_packets(number, film, chosen, begin) for number, film in enumerate(films)), key=_when
            ):
                packet.stream = into[number, packet.stream_index]
                output.mux(packet)
    return out, tracks_of(out)


def _chosen(films: Sequence[InputContainer]) -> list[tuple[int, Stream]]:
    """The picture first, then the sounds, each with the number of its film."""
    with_picture = [number for number, film in enumerate(films) if film.streams.video]
    if not with_picture:
        video_of(films[0])  # says that it has none
    pictures: list[tuple[int, Stream]] = [(n, video_of(films[n])) for n in with_picture[:1]]
    sounds: list[tuple[int, Stream]] = [
        (number, stream)
        for number, film in enumerate(films)
        for stream in film.streams.audio
        if getattr(stream, "codec_context", None) is not None
    ]
    return pictures + sounds


def _begin(films: Sequence[InputContainer]) -> Fraction:
    """When the earliest stream of a broadcast begins, in seconds; 0 for formats that begin where they mean to."""
    starts = [
        stream.start_time * stream.time_base
        for film in films
        if film.format.name == "mpegts"
        for stream in (*film.streams.video, *film.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def _packets(
    number: int, film: InputContainer, chosen: Sequence[tuple[int, Stream]], begin: Fraction
) -> Iterator[tuple[int, Any]]:
    """The packets of one film in the order in which they are decoded."""
    own = [stream for film_number, stream in chosen if film_number == number]
    if not own:
        return
    packets = mixed_packets(film, *own)
    for packet in _continued(packets) if film.format.name == "mpegts" else packets:
        if packet.dts is None and packet.pts is None:
            if packet.size:
                raise Undecodable("packets without any time cannot be put into one file")
            continue
        if begin and packet.time_base:
            shift = int(begin / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        yield number, packet


def _continued(packets: Iterator[Any]) -> Iterator[Any]:
    """A broadcast whose clock begins anew in the middle (as after an advertisement), with a clock that goes on.

    Where a stream's times go back, what follows is put right after what was there; the other streams follow by the same distance, so
    that picture and sound stay together. What of them would lie before their own last packet is left out.
    """
    shifts = [Fraction(0)]
    own: dict[int, Fraction] = {}  # stream -> its shift
    last: dict[int, tuple[Fraction, Fraction]] = {}  # stream -> when its last packet is decoded, and when that one ends
    for packet in packets:
        if packet.dts is None or not packet.time_base:
            yield packet
            continue
        at, index, tick = packet.dts * packet.time_base, packet.stream_index, packet.time_base
        shift = own.get(index, Fraction(0))
        if index in last:
            begun, ended = last[index]
            if at + shift < begun:
                if at + shifts[-1] < begun - _OVERLAP_S:
                    shifts.append(ended - at)
                shift = own[index] = shifts[-1]
            if at + shift <= begun:
                continue
        last[index] = (at + shift, at + shift + max(packet.duration or 0, 1) * tick)
        packet.dts += round(shift / tick)
        packet.pts = None if packet.pts is None else packet.pts + round(shift / tick)
        yield packet


def _when(item: tuple[int, Any]) -> Fraction:
    packet = item[1]
    ticks: int = packet.dts if packet.dts is not None else packet.pts
    time_base: Fraction = packet.time_base
    return ticks * time_base


def _tracks(container: InputContainer, name: str) -> Tracks:
    video: VideoStream = video_of(container)
    rate = video.average_rate or video.guessed_rate
    sounds = [s for s in container.streams.audio if getattr(s, "codec_context", None) is not None]
    ticks = video.duration
    duration_ms = int(ticks * video.time_base * 1000) if ticks is not None and video.time_base is not None else None
    if duration_ms is None and container.duration is not None:
        duration_ms = container.duration // 1000  # FFmpeg counts a container's duration in microseconds
    return Tracks(
        container={"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "mkv"}.get(name, name),
        video=video.codec_context.name,
        width_px=video.codec_context.width,
        height_px=video.codec_context.height,
        rate=(rate.numerator, rate.denominator) if rate else None,
        audio=sounds[0].codec_context.name if sounds else None,
        duration_ms=duration_ms,
    )
