"""Sound by sample number: read exactly, encode onto one grid for the whole video."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from numpy.typing import NDArray

from heaters_media.probe import Probe, decode, open_media, whole_packets
from heaters_media.readable import Readable
from heaters_media.sound_grid import first_sample
from heaters_media.waveform import BUCKETS_PER_S, Waveform

PACKET_SAMPLES = 1024  # AAC-LC (ISO/IEC 14496-3)
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Samples a second that a proxy may have; sound of any other rate gets 48000."""
_LOOKED_AT = 64
"""Pieces of sound that are held until the waveform looks at them; 1.4 s at 48 kHz."""
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
    rate = described.audio.rate if described.audio.rate in AAC_RATES else 48000
    channels = min(2, max(1, described.audio.channels))
    return SoundRange(
        rate, channels, first_sample(start_ticks, described.tick, rate), first_sample(end_ticks, described.tick, rate)
    )


def sound_pieces(path: Readable, wanted: SoundRange, start: int, end: int) -> Iterator[NDArray[np.float32]]:
    """The first sound track's samples [start, end), piece by piece, so that no length of film fills the memory.

    Args:
        path: the film.
        wanted: rate and channels to give; more channels are mixed down.
        start: first sample; sample 0 is second 0 of the film, so negative ones may exist.
        end: past the last.

    Yields:
        float32, (channels, PACKET_SAMPLES), as many as cover the range; silence where the track has no sound.
    """
    piece = np.zeros((wanted.channels, PACKET_SAMPLES), np.float32)
    at = start  # of the piece in hand
    for position, samples in _decoded(path, wanted, start, end):
        done = max(0, at - position)  # a clock that went back a little: what was given stays given
        while done < samples.shape[1] and at < end:
            offset = position + done - at
            if offset == 0 and samples.shape[1] - done >= PACKET_SAMPLES:
                yield np.ascontiguousarray(samples[:, done : done + PACKET_SAMPLES])
                done += PACKET_SAMPLES
                at += PACKET_SAMPLES
                continue
            if offset < PACKET_SAMPLES:
                taken = samples[:, done : done + PACKET_SAMPLES - offset]
                piece[:, offset : offset + taken.shape[1]] = taken
                done += taken.shape[1]
                offset += taken.shape[1]
            if offset >= PACKET_SAMPLES:
                yield piece
                piece = np.zeros_like(piece)
                at += PACKET_SAMPLES
        if at >= end:
            return
    while at < end:
        yield piece
        piece = np.zeros_like(piece)
        at += PACKET_SAMPLES


def _decoded(path: Readable, wanted: SoundRange, start: int, end: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Runs of samples with their positions, from a little before `start` until past `end`."""
    rate = wanted.rate
    resampler, last_kind = _resampler(wanted), ("", "", 0)
    with open_media(path) as container:
        stream = container.streams.audio[0]
        if stream.time_base is None:
            return
        origin = int((Fraction(start, rate) - _RUN_UP_S) / stream.time_base)
        # Samples a tick, and how far a clock may be off: in integers, for this is asked of every packet.
        per_tick, jitter = stream.time_base * rate, int(_JITTER_S * rate)
        # AVI and FLV refuse to go before their first packet; a film that was just opened stands there anyhow.
        with suppress(FFmpegError):
            container.seek(origin, stream=stream, backward=True)
        expected: int | None = None
        for packet in whole_packets(container, stream):
            for frame in decode(packet):
                if frame.pts is not None:
                    at = (2 * frame.pts * per_tick.numerator + per_tick.denominator) // (2 * per_tick.denominator)
                    if expected is None or abs(at - expected) > jitter:
                        expected = at
                if expected is None:
                    continue
                kind = (frame.format.name, frame.layout.name, frame.sample_rate)
                if kind != last_kind:  # damaged sound may change its form from one frame to the next
                    last_kind, resampler = kind, _resampler(wanted)
                for made in resampler.resample(frame):
                    yield expected, _samples_of(made)
                    expected += made.samples
            if expected is not None and expected >= end:
                return
        if expected is not None:
            for made in resampler.resample(None):
                yield expected, _samples_of(made)
                expected += made.samples


def _samples_of(frame: AudioFrame) -> NDArray[np.float32]:
    """float32, (channels, samples): `to_ndarray` for planar floats, in a third of the time."""
    samples = np.empty((len(frame.planes), frame.samples), np.float32)
    for channel, plane in enumerate(frame.planes):
        samples[channel] = np.frombuffer(memoryview(plane), np.float32, frame.samples)
    return samples


def _resampler(wanted: SoundRange) -> AudioResampler:
    return AudioResampler(format="fltp", layout="stereo" if wanted.channels == 2 else "mono", rate=wanted.rate)


class Peaks:
    """Gathers a waveform from pieces of sound; samples outside the range's own buckets are passed over."""

    def __init__(self, wanted: SoundRange) -> None:
        self._rate = wanted.rate
        self._bucket = max(1, wanted.rate // BUCKETS_PER_S)
        self._first, past = (-(-sample // self._bucket) for sample in (wanted.start, wanted.end))
        self._low = np.zeros(past - self._first, np.float32)
        self._high = np.zeros(past - self._first, np.float32)
        self._held: list[NDArray[np.float32]] = []
        self._held_at = 0

    def add(self, at: int, samples: NDArray[np.float32]) -> None:
        """The next samples, of any channel count.

        Args:
            at: the first one's position; it follows the last one's.
            samples: (channels, n); must not change afterwards.
        """
        if not self._held:
            self._held_at = at
        self._held.append(samples)
        if len(self._held) == _LOOKED_AT:
            self._look()

    def _look(self) -> None:
        """Many pieces at once: each look costs as much as their samples do."""
        if not self._held:
            return
        samples, at = np.concatenate(self._held, axis=1), self._held_at
        self._held = []
        edges = np.arange(at // self._bucket, -(-(at + samples.shape[1]) // self._bucket), dtype=np.int64)
        begins = np.maximum(edges * self._bucket - at, 0)
        own = (edges >= self._first) & (edges < self._first + len(self._low))
        rows = edges[own] - self._first
        self._low[rows] = np.minimum(self._low[rows], np.minimum.reduceat(samples.min(axis=0), begins)[own])
        self._high[rows] = np.maximum(self._high[rows], np.maximum.reduceat(samples.max(axis=0), begins)[own])

    def waveform(self) -> Waveform:
        """What was gathered."""
        self._look()
        low, high = (np.clip(np.rint(peaks * 127), -127, 127).astype(np.int8) for peaks in (self._low, self._high))
        return Waveform(self._rate, self._bucket, self._first, low, high)


class SoundTrack:
    """The sound of one segment, encoded as AAC into its proxy.

    Packets lie on a grid that is the same for the whole video: a packet's first sample is a multiple of 1024. The encoder gets
    real samples before and after the range, so that each packet is what an encoder of the whole film could have made, and
    packets of neighbouring segments join without a gap (AAC's overlapping windows cancel between neighbours).
    """

    def __init__(self, output: OutputContainer, source: Readable, wanted: SoundRange, bits_per_s: int) -> None:
        self.range = wanted
        self.peaks = Peaks(wanted)
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
        layout = "stereo" if wanted.channels == 2 else "mono"
        for n, piece in enumerate(sound_pieces(self._source, wanted, run_up, stop)):
            self.peaks.add(run_up + n * PACKET_SAMPLES, piece)
            frame = AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate = wanted.rate
            frame.time_base = Fraction(1, wanted.rate)
            frame.pts = n * PACKET_SAMPLES
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
