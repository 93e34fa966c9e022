"""Encodes a segment's proxy, and indexes what it wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from heaters_media import mp4
from heaters_media.errors import FrameCountMismatch
from heaters_media.ledger import AudioPackets, Packets
from heaters_media.picture import Picture
from heaters_media.plan import PlannedSegment
from heaters_media.probe import Probe
from heaters_media.profiles import ProxyProfile
from heaters_media.readable import Readable
from heaters_media.sheet import FrameTaker
from heaters_media.sound import PACKET_SAMPLES, SoundTrack, range_of
from heaters_media.waveform import Waveform


class ProxyWriter:
    """Encodes frames and sound into the proxy, and keeps what its index needs."""

    def __init__(
        self,
        path: Path,
        source: Readable,
        described: Probe,
        segment: PlannedSegment,
        profile: ProxyProfile,
        board: FrameTaker | None = None,
    ) -> None:
        self._board = board
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._segment, self._tick, self._rate = segment, described.tick, described.rate
        self._picture = Picture(described, profile)
        self._output: OutputContainer = av.open(
            str(self._part), "w", format="mp4", options={"movflags": "+faststart"} if profile.faststart else {}
        )
        self._video = add_video(self._output, self._picture, described, profile)
        wanted = range_of(described, segment.start_ticks, segment.end_ticks)
        self._sound = None
        self._samples_a_tick = described.tick * (wanted.rate if wanted else 1)
        if wanted is not None and wanted.end > wanted.start:
            self._sound = SoundTrack(self._output, source, wanted, profile.audio_bits_per_s)
        self._sound_packets: Iterator[Packet[AudioStream]] = iter(())
        self._next_sound: Packet[AudioStream] | None = None
        self._pts: list[int] = []
        self._held: Packet[VideoStream] | None = None

    def __enter__(self) -> ProxyWriter:
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

    def saw(self, packet: Packet[VideoStream]) -> None:
        """Packets of the source are of no use here."""

    def add(self, frame: VideoFrame) -> None:
        """Encode the segment's next frame."""
        for made in self._picture(frame):
            self._encode(made)

    def _encode(self, frame: VideoFrame) -> None:
        assert frame.pts is not None  # noqa: S101  # Picture keeps it
        self._pts.append(frame.pts)
        if self._board is not None:
            self._board.add(frame, frame.pts)
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
        while self._next_sound is not None and self._is_before(self._next_sound, held.pts):
            self._output.mux_one(self._next_sound)
            self._next_sound = next(self._sound_packets, None)
        self._output.mux_one(held)

    def _is_before(self, sound: Packet[AudioStream], pts: int) -> bool:
        """Whether sound is heard before a picture is shown. In integers, for each packet is asked."""
        return (sound.pts or 0) * self._samples_a_tick.denominator <= pts * self._samples_a_tick.numerator

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

    def waveform(self) -> Waveform | None:
        """The sound's peaks, once the proxy is finished; None where there is no sound."""
        return None if self._sound is None else self._sound.peaks.waveform()


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
