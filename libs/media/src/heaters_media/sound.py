"""Sound by sample number: read exactly, encode onto one grid for the whole video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

from heaters_media.probe import Probe, open_media, whole_packets
from heaters_media.sound_grid import first_sample

PACKET_SAMPLES = 1024  # AAC-LC (ISO/IEC 14496-3)
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_RUN_UP_S = Fraction(1, 2)  # decoded and thrown away before the first wanted sample, for codecs that overlap
_JITTER_S = Fraction(1, 25)  # pts that are rounded to milliseconds move by less than this; a real gap is longer


@dataclass(frozen=True, slots=True)
class SoundRange:
    """Samples [start, end) of a video; sample 0 is tick 0."""

    rate: int
    channels: int
    start: int
    end: int


def range_of(described: Probe, start_ticks: int, end_ticks: int) -> SoundRange | None:
    """The samples that begin within [start_ticks, end_ticks), as a proxy holds them; None where the film is silent."""
    if described.audio is None:
        return None
    rate = described.audio.rate if described.audio.rate in _AAC_RATES else 48000
    channels = min(2, max(1, described.audio.channels))
    return SoundRange(
        rate, channels, first_sample(start_ticks, described.tick, rate), first_sample(end_ticks, described.tick, rate)
    )


def read_samples(path: Path, rate: int, channels: int, start: int, end: int) -> NDArray[np.float32]:
    """The first sound track's samples [start, end).

    Args:
        path: the film.
        rate: samples a second to give.
        channels: 1 or 2; more are mixed down.
        start: first sample; sample 0 is second 0 of the film, so negative ones may exist.
        end: past the last.

    Returns:
        float32, (channels, end - start); silence where the track has no sound.
    """
    out = np.zeros((channels, end - start), np.float32)
    resampler = AudioResampler(format="fltp", layout="stereo" if channels == 2 else "mono", rate=rate)
    with open_media(path) as container:
        stream = container.streams.audio[0]
        if stream.time_base is None:
            return out
        origin = int((Fraction(start, rate) - _RUN_UP_S) / stream.time_base)
        container.seek(origin, stream=stream, backward=True)
        expected: int | None = None
        for packet in whole_packets(container, stream):
            try:
                frames = packet.decode()
            except (av.error.InvalidDataError, av.error.EOFError):
                continue
            for frame in frames:
                if frame.pts is not None:
                    at = round(frame.pts * stream.time_base * rate)
                    if expected is None or abs(at - expected) > _JITTER_S * rate:
                        expected = at
                if expected is None:
                    continue
                for piece in resampler.resample(frame):
                    expected = _place(out, piece, expected, start)
            if expected is not None and expected >= end:
                return out
        if expected is not None:
            for piece in resampler.resample(None):
                expected = _place(out, piece, expected, start)
    return out


def _place(out: NDArray[np.float32], piece: AudioFrame, at: int, start: int) -> int:
    samples = np.asarray(piece.to_ndarray(), np.float32)
    low, high = max(at, start), min(at + piece.samples, start + out.shape[1])
    if low < high:
        out[:, low - start : high - start] = samples[:, low - at : high - at]
    return at + piece.samples


class SoundTrack:
    """The sound of one segment, encoded as AAC into its proxy.

    Packets lie on a grid that is the same for the whole video: a packet's first sample is a multiple of 1024. The encoder gets
    real samples before and after the range, so that each packet is what an encoder of the whole film could have made, and
    packets of neighbouring segments join without a gap (AAC's overlapping windows cancel between neighbours).
    """

    def __init__(self, output: OutputContainer, source: Path, wanted: SoundRange, bits_per_s: int) -> None:
        self.range = wanted
        self._source = source
        self._stream = output.add_stream("aac", rate=wanted.rate)
        self._stream.codec_context.layout = "stereo" if wanted.channels == 2 else "mono"
        self._stream.codec_context.bit_rate = bits_per_s * wanted.channels // 2
        self._stream.codec_context.time_base = Fraction(1, wanted.rate)
        self.pts: list[int] = []

    def packets(self) -> Iterator[Packet[AudioStream]]:
        """Packets that cover the range, and one before that warms the decoder up; pts count from the range's start."""
        wanted = self.range
        grid = wanted.start // PACKET_SAMPLES * PACKET_SAMPLES
        run_up = grid - 3 * PACKET_SAMPLES
        stop = -(-wanted.end // PACKET_SAMPLES) * PACKET_SAMPLES + PACKET_SAMPLES
        samples = read_samples(self._source, wanted.rate, wanted.channels, run_up, stop)
        for at in range(run_up, stop, PACKET_SAMPLES):
            piece = np.ascontiguousarray(samples[:, at - run_up : at - run_up + PACKET_SAMPLES])
            frame = AudioFrame.from_ndarray(piece, format="fltp", layout="stereo" if wanted.channels == 2 else "mono")
            frame.sample_rate = wanted.rate
            frame.time_base = Fraction(1, wanted.rate)
            frame.pts = at - run_up
            yield from self._kept(self._stream.encode(frame), run_up, grid)
        yield from self._kept(self._stream.encode(None), run_up, grid)

    def _kept(self, packets: list[Packet[AudioStream]], run_up: int, grid: int) -> Iterator[Packet[AudioStream]]:
        for packet in packets:
            if packet.pts is None:
                continue
            at = packet.pts + run_up
            if grid - PACKET_SAMPLES <= at < self.range.end:
                self.pts.append(at)
                packet.pts = packet.dts = at - self.range.start
                packet.duration = PACKET_SAMPLES
                packet.time_base = Fraction(1, self.range.rate)
                yield packet
