"""One decode of a segment makes all that comes of it: the proxy, its packet index, and the tiny array."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from heaters_media import mp4
from heaters_media.errors import FrameCountMismatch, Undecodable
from heaters_media.ledger import AudioPackets, Packets
from heaters_media.picture import Picture, Shrinker
from heaters_media.plan import PlannedSegment
from heaters_media.probe import Probe, open_media, probe, video_of, whole_frames, whole_packets
from heaters_media.profiles import ProxyProfile
from heaters_media.sound import PACKET_SAMPLES, SoundTrack, range_of
from heaters_media.tiny import HEIGHT_PX, WIDTH_PX, Tiny

CONTEXT_FRAMES = 100
_PROGRESS_EVERY_FRAMES = 25


@dataclass(frozen=True, slots=True)
class PreprocessedSegment:
    """What a segment became. The three files lie in the folder that was asked for.

    Attributes:
        proxy: an MP4 whose first frame is at time 0 (the ledger knows where in the video that is).
        packets: the packet index of it, see ledger.Packets.
        tiny: see tiny.Tiny.
        frames: of the segment; equal to the plan's.
        width_px: of the proxy.
        height_px: of the proxy.
    """

    proxy: Path
    packets: Path
    tiny: Path
    frames: int
    width_px: int
    height_px: int


def preprocess(
    source: Path,
    segment: PlannedSegment,
    *,
    total_frames: int | None,
    out_dir: Path,
    profile: ProxyProfile,
    context_frames: int = CONTEXT_FRAMES,
    progress: Callable[[int, int], None] | None = None,
) -> PreprocessedSegment:
    """Make a segment's proxy, packet index and tiny array in one decode.

    Args:
        source: the film.
        segment: which part, as its plan told it.
        total_frames: of the whole film; None while the plan is still counting: context then goes as far as the film does, and
            the tiny array's own total is what was seen, exact if the film ended within the context.
        out_dir: where the three files go; must exist.
        profile: how to encode.
        context_frames: decoded before and after the segment, for the tiny array only.
        progress: told (frames done, frames of the segment) about once a second of film.

    Raises:
        FrameCountMismatch: the decode gave other frames than the plan counted.
        BadMedia: one of its other subclasses says what is wrong.
    """
    described = probe(source)
    before = min(context_frames, segment.first_frame)
    segment_end = segment.first_frame + segment.frames
    after = context_frames if total_frames is None else max(0, min(context_frames, total_frames - segment_end))
    shrink = Shrinker(described.rotation_deg)
    # One uint8 picture of 48x27 a frame: four kilobytes, so a minute is a few megabytes.
    tiny = np.zeros((before + segment.frames + after, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    row = 0

    proxy = out_dir / "proxy.mp4"
    with (
        open_media(source) as container,
        _ProxyWriter(proxy, source, described, segment, profile) as writer,
    ):
        stream = video_of(container, threads=profile.threads)
        done = 0
        for frame in _frames_around(container, stream, segment, before, after):
            assert frame.pts is not None  # noqa: S101  # _frames_around selects by it
            if row < len(tiny):
                tiny[row] = shrink(frame)
            row += 1
            if segment.start_ticks <= frame.pts < segment.end_ticks:
                writer.add(frame)
                done += 1
                if progress is not None and done % _PROGRESS_EVERY_FRAMES == 0:
                    progress(done, segment.frames)
        if total_frames is None and done == segment.frames:
            tiny = tiny[:row]
            total_frames = segment.first_frame - before + row
        if done != segment.frames or row != len(tiny) or total_frames is None:
            raise FrameCountMismatch(
                f"segment {segment.index} gave {done} frames where the plan counts {segment.frames}"
                f" ({row} with context, where {len(tiny)} were expected)"
            )
        packets = writer.finish()

    packets.save(out_dir / "packets.npz")
    Tiny(
        frames=tiny,
        first_frame=segment.first_frame - before,
        segment_first=segment.first_frame,
        segment_frames=segment.frames,
        total_frames=total_frames,
    ).save(out_dir / "tiny.npz")
    if progress is not None:
        progress(segment.frames, segment.frames)
    return PreprocessedSegment(
        proxy=proxy,
        packets=out_dir / "packets.npz",
        tiny=out_dir / "tiny.npz",
        frames=segment.frames,
        width_px=packets.width_px,
        height_px=packets.height_px,
    )


def _frames_around(
    container: InputContainer, stream: VideoStream, segment: PlannedSegment, before: int, after: int
) -> Iterator[VideoFrame]:
    """The segment's frames with so many before and after, in order of presentation.

    Decoding begins at a key frame early enough for all of them. Should it not give the frames that the packets promised (key
    frames that are none exist), it begins again at the start of the film.
    """
    begin = _seek_before(container, stream, segment, before)
    frames = _from(container, stream, begin)
    first = next(frames, None)
    if begin is not None and (first is None or first.pts is None or first.pts > begin):
        _seek(container, stream, _start_of(stream))
        frames = _from(container, stream, begin)
        first = next(frames, None)
    trailing = 0
    if first is not None:
        while first is not None:
            assert first.pts is not None  # noqa: S101  # selected by pts
            if first.pts >= segment.end_ticks:
                trailing += 1
                if trailing > after:
                    return
            yield first
            if trailing and trailing == after:
                return
            first = next(frames, None)


def _from(container: InputContainer, stream: VideoStream, begin: int | None) -> Iterator[VideoFrame]:
    for frame in whole_frames(container, stream):
        if frame.pts is not None and (begin is None or frame.pts >= begin):
            yield frame


def _start_of(stream: VideoStream) -> int:
    """A tick before everything, hidden frames and negative times included."""
    assert stream.time_base is not None  # noqa: S101  # the probe refuses films without
    return (stream.start_time or 0) - int(3600 / stream.time_base)


def _seek(container: InputContainer, stream: VideoStream, ticks: int) -> None:
    """Stand at a key frame at or before a tick; at the first one where the container cannot go so far back."""
    try:
        container.seek(ticks, stream=stream, backward=True)
    except FFmpegError:
        container.seek(stream.start_time or 0, stream=stream, backward=True)


def _seek_before(container: InputContainer, stream: VideoStream, segment: PlannedSegment, before: int) -> int | None:
    """Stand at a key frame with at least so many frames between it and the segment.

    Returns:
        pts of the first frame wanted, or None where that is the film's first.
    """
    if before == segment.first_frame:
        return None  # a film that was just opened stands at its start
    assert stream.time_base is not None  # noqa: S101  # the probe refuses films without
    rate = stream.average_rate or Fraction(25)
    step = max(1, int((before + 1) / rate / stream.time_base))
    target = segment.start_ticks - (step if before else 0)
    floor = _start_of(stream)
    while True:
        _seek(container, stream, max(target, floor))
        first_key: int | None = None
        times: list[int] = []
        for packet in whole_packets(container, stream):
            if packet.pts is None or packet.is_discard or packet.size == 0:
                continue
            if first_key is None:
                first_key = packet.pts if packet.is_keyframe else None
            if first_key is not None and first_key <= packet.pts <= segment.start_ticks:
                times.append(packet.pts)
            if packet.dts is not None and packet.dts > segment.start_ticks:
                break
        times.sort()
        if segment.start_ticks in times and len(times) > before:
            _seek(container, stream, max(target, floor))
            return times[len(times) - 1 - before]
        if target <= floor:
            raise Undecodable(f"the frames before segment {segment.index} cannot be found")
        step *= 2
        target -= step


class _ProxyWriter:
    """Encodes frames and sound into the proxy, and keeps what its index needs."""

    def __init__(
        self, path: Path, source: Path, described: Probe, segment: PlannedSegment, profile: ProxyProfile
    ) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._segment, self._tick, self._rate = segment, described.tick, described.rate
        self._picture = Picture(described, profile)
        self._output: OutputContainer = av.open(
            str(self._part), "w", format="mp4", options={"movflags": "+faststart"} if profile.faststart else {}
        )
        self._video = add_video(self._output, self._picture, described, profile)
        wanted = range_of(described, segment.start_ticks, segment.end_ticks)
        self._sound = None
        if wanted is not None and wanted.end > wanted.start:
            self._sound = SoundTrack(self._output, source, wanted, profile.audio_bits_per_s)
        self._sound_packets: Iterator[Packet[AudioStream]] = iter(())
        self._next_sound: Packet[AudioStream] | None = None
        self._pts: list[int] = []
        self._held: Packet[VideoStream] | None = None

    def __enter__(self) -> _ProxyWriter:
        if self._sound is not None:
            self._output.start_encoding()
            self._sound_packets = self._sound.packets()
            self._next_sound = next(self._sound_packets, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._part.unlink(missing_ok=True)
            # The trailer of half a file is of no use, and writing it may fail again; the container frees itself.
            self._output = None  # type: ignore[assignment]  # nobody uses a writer after its block

    def add(self, frame: VideoFrame) -> None:
        for made in self._picture(frame):
            self._encode(made)

    def _encode(self, frame: VideoFrame) -> None:
        assert frame.pts is not None  # noqa: S101  # Picture keeps it
        self._pts.append(frame.pts)
        frame.pts -= self._segment.start_ticks
        frame.time_base = self._tick
        frame.pict_type = PictureType.NONE  # else the film's own key frames would be forced on the proxy
        for packet in self._video.encode(frame):
            self._mux(packet)

    def _mux(self, packet: Packet[VideoStream] | None) -> None:
        """Write the packet before this one, now that its duration is known."""
        held, self._held = self._held, packet
        if held is None:
            return
        assert held.pts is not None  # noqa: S101  # x264 gives back what it got
        end = self._segment.end_ticks - self._segment.start_ticks
        held.duration = (end if packet is None or packet.pts is None else packet.pts) - held.pts
        while self._next_sound is not None and _before(self._next_sound, held):
            self._output.mux_one(self._next_sound)
            self._next_sound = next(self._sound_packets, None)
        self._output.mux_one(held)

    def finish(self) -> Packets:
        """Close the proxy and index it."""
        for made in self._picture(None):
            self._encode(made)
        for packet in self._video.encode(None):
            self._mux(packet)
        self._mux(None)
        while self._next_sound is not None:
            self._output.mux_one(self._next_sound)
            self._next_sound = next(self._sound_packets, None)
        self._output.close()
        os.replace(self._part, self._path)
        return _index(
            self._path,
            segment=self._segment,
            time_base=self._tick,
            rate=self._rate,
            size_px=(self._picture.width_px, self._picture.height_px),
            pts=np.array(self._pts, np.int64),
            sound=self._sound,
        )


def add_video(output: OutputContainer, picture: Picture, described: Probe, profile: ProxyProfile) -> VideoStream:
    """A proxy's encoder. Its parameter sets depend on the film's headers and the profile only, never on the segment."""
    stream = output.add_stream("libx264", rate=described.rate, options=profile.x264_options(described.rate))
    stream.width, stream.height, stream.pix_fmt = picture.width_px, picture.height_px, "yuv420p"
    codec = stream.codec_context
    stream.time_base = codec.time_base = described.tick
    codec.framerate = described.rate
    codec.sample_aspect_ratio = Fraction(1)
    codec.thread_count = profile.threads
    codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc = picture.color
    return stream


def _before(sound: Packet[AudioStream], picture: Packet[VideoStream]) -> bool:
    return (sound.pts or 0) * sound.time_base <= (picture.pts or 0) * picture.time_base


def _index(
    path: Path,
    *,
    segment: PlannedSegment,
    time_base: Fraction,
    rate: Fraction,
    size_px: tuple[int, int],
    pts: NDArray[np.int64],
    sound: SoundTrack | None,
) -> Packets:
    """The packet index of a finished proxy: places from its own index, times from what was encoded."""
    entries = mp4.sample_entries(path)
    # The muxer's edit list hides the sound's run-up, which the index must name all the same.
    with av.open(str(path), "r", format="mp4", options={"ignore_editlist": "1"}) as made:
        video = _places(made.streams.video[0])
        key = np.array([entry.is_keyframe for entry in made.streams.video[0].index_entries], np.bool_)
        audio = _places(made.streams.audio[0]) if sound is not None else None
    if len(video[0]) != segment.frames or (sound is not None and audio is not None and len(audio[0]) != len(sound.pts)):
        raise FrameCountMismatch(
            f"the proxy of segment {segment.index} holds {len(video[0])} frames where {segment.frames} were encoded"
        )
    return Packets(
        first_frame=segment.first_frame,
        frames=segment.frames,
        time_base=time_base,
        rate=rate,
        start_ticks=segment.start_ticks,
        end_ticks=segment.end_ticks,
        width_px=size_px[0],
        height_px=size_px[1],
        pts=pts,
        dts=pts,
        key=key,
        offset_bytes=video[0],
        size_bytes=video[1],
        sample_entry=mp4.without_bit_rate(entries["vide"]),
        audio=None
        if sound is None or audio is None
        else AudioPackets(
            rate=sound.range.rate,
            packet_samples=PACKET_SAMPLES,
            start_sample=sound.range.start,
            end_sample=sound.range.end,
            pts=np.array(sound.pts, np.int64),
            offset_bytes=audio[0],
            size_bytes=audio[1],
            sample_entry=entries["soun"],
        ),
    )


def _places(stream: av.stream.Stream) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = [(entry.pos, entry.size) for entry in stream.index_entries]
    table = np.array(rows, np.int64).reshape(-1, 2)
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
