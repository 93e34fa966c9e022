"""The ledger: the only source of time.

A frame index is a position; ticks and a time base are when it is shown; bytes are where it lies. Three tables hold that,
and no float second and no rate is needed to go from one to another. numpy only, so that reading a ledger costs no decoder.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heaters_media.columns import Ints, fraction, ints, pair, raw, reading_columns, save_columns
from heaters_media.errors import BadLedger

Bools = NDArray[np.bool_]


class _ByValue:
    """Equality by value for frozen dataclasses that hold arrays."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # arrays are compared, never hashed

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]  # every subclass is a dataclass


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable(_ByValue):
    """When each frame of a whole video is shown.

    Attributes:
        pts: int64, one a frame, strictly increasing, in ticks of the source.
        time_base: seconds a tick.
        end_ticks: when the last frame stops being shown; larger than the last pts.
    """

    pts: Ints
    time_base: Fraction
    end_ticks: int

    def __post_init__(self) -> None:
        if self.pts.dtype != np.int64 or self.pts.ndim != 1 or len(self.pts) == 0:
            raise BadLedger(f"a frame table needs at least one int64 pts, not {self.pts.dtype} {self.pts.shape}")
        if bool((np.diff(self.pts) <= 0).any()):
            raise BadLedger("the pts of a frame table must increase strictly")
        if self.end_ticks <= int(self.pts[-1]):
            raise BadLedger(
                f"a video cannot end at tick {self.end_ticks}, its last frame begins at {int(self.pts[-1])}"
            )
        if self.time_base <= 0:
            raise BadLedger(f"a time base must be positive, not {self.time_base}")

    @property
    def frames(self) -> int:
        """How many frames the video has."""
        return len(self.pts)

    def ticks_of(self, frame: int) -> int:
        """When a frame begins; for the index one past the last, when the video ends.

        Raises:
            IndexError: the frame is outside [0, frames].
        """
        if not 0 <= frame <= self.frames:
            raise IndexError(f"frame {frame} is outside a video of {self.frames} frames")
        return self.end_ticks if frame == self.frames else int(self.pts[frame])

    def frame_at(self, ticks: int) -> int:
        """The frame shown at a tick, clipped to the video's first and last frame."""
        return max(0, min(self.frames, int(np.searchsorted(self.pts, ticks, side="right"))) - 1)

    def save(self, path: Path) -> None:
        """Write the table as a compact .npz (differences of differences compress to almost nothing)."""
        save_columns(
            path,
            first=np.array([self.pts[0], self.end_ticks], np.int64),
            steps=np.diff(self.pts),
            time_base=pair(self.time_base),
        )

    @classmethod
    def load(cls, source: Path | bytes) -> Self:
        """Read and check a table.

        Raises:
            BadLedger: not a frame table, or one that breaks its laws.
        """
        with reading_columns(source) as arrays:
            first, steps = ints(arrays, "first"), ints(arrays, "steps")
            if len(first) != 2:
                raise BadLedger("not a frame table: it has no first and last tick")
            pts = np.concatenate([first[:1], first[0] + np.cumsum(steps, dtype=np.int64)])
            return cls(pts=pts, time_base=fraction(arrays, "time_base"), end_ticks=int(first[1]))


@dataclass(frozen=True, slots=True, eq=False)
class AudioPackets(_ByValue):
    """Where the sound of one proxy segment lies.

    Packets lie on one grid for the whole video: each starts at a multiple of `packet_samples`, whichever segment made it, so
    that packets of neighbouring segments join without a gap.

    Attributes:
        rate: samples a second; sample 0 is tick 0 of the video.
        packet_samples: samples a packet.
        start_sample: first sample of the segment's own range, [start_sample, end_sample).
        end_sample: end of that range.
        pts: int64, first sample of each packet; the first packet only warms the decoder up.
        offset_bytes: int64, where each packet begins in the object.
        size_bytes: int64.
        sample_entry: the track's MP4 sample entry (`mp4a` with its `esds`), the codec configuration.
    """

    rate: int
    packet_samples: int
    start_sample: int
    end_sample: int
    pts: Ints
    offset_bytes: Ints
    size_bytes: Ints
    sample_entry: bytes

    def __post_init__(self) -> None:
        if not len(self.pts) == len(self.offset_bytes) == len(self.size_bytes):
            raise BadLedger("the columns of an audio packet index differ in length")
        if self.rate <= 0 or self.packet_samples <= 0:
            raise BadLedger(f"an audio rate of {self.rate} with {self.packet_samples} samples a packet cannot be")
        if len(self.pts) and bool((np.diff(self.pts) != self.packet_samples).any()):
            raise BadLedger("audio packets must follow each other without a gap")
        _check_places(self.offset_bytes, self.size_bytes)


@dataclass(frozen=True, slots=True, eq=False)
class Packets(_ByValue):
    """Where each frame of one proxy segment lies, and what a player needs to know of it.

    Columns are in decode order, which is the order of presentation where there are no B-frames.

    Attributes:
        first_frame: index of the segment's first frame in the whole video.
        frames: how many frames the segment has.
        time_base: seconds a tick, the source's.
        rate: frames a second, about; what the encoder was told, for who must encode in the same way. Never a position.
        start_ticks: pts of the first frame.
        end_ticks: when the last frame ends: the next segment's first pts.
        width_px: of the picture, upright, square pixels.
        height_px: of the picture.
        pts: int64, ticks of the whole video.
        dts: int64, ticks of the whole video.
        key: bool, whether decoding can begin here.
        offset_bytes: int64, where the packet begins in the object.
        size_bytes: int64.
        sample_entry: the track's MP4 sample entry (`avc1` with its `avcC`), the codec configuration.
        audio: the sound, or None.
    """

    first_frame: int
    frames: int
    time_base: Fraction
    rate: Fraction
    start_ticks: int
    end_ticks: int
    width_px: int
    height_px: int
    pts: Ints
    dts: Ints
    key: Bools
    offset_bytes: Ints
    size_bytes: Ints
    sample_entry: bytes
    audio: AudioPackets | None = None

    def __post_init__(self) -> None:
        lengths = {len(c) for c in (self.pts, self.dts, self.key, self.offset_bytes, self.size_bytes)}
        if lengths != {self.frames} or self.frames < 1 or self.first_frame < 0:
            raise BadLedger(f"a packet index of {self.frames} frames has columns of {sorted(lengths)}")
        if not bool(self.key[0]):
            raise BadLedger("a segment must begin with a key frame")
        shown = np.sort(self.pts)
        if bool((np.diff(shown) <= 0).any()) or bool((np.diff(self.dts) <= 0).any()):
            raise BadLedger("pts must be distinct, and dts must increase")
        if int(shown[0]) != self.start_ticks or int(shown[-1]) >= self.end_ticks:
            raise BadLedger(
                f"frames at ticks {int(shown[0])} to {int(shown[-1])} do not fit a segment of "
                f"[{self.start_ticks}, {self.end_ticks})"
            )
        if self.time_base <= 0 or self.rate <= 0 or self.width_px < 1 or self.height_px < 1:
            raise BadLedger(
                f"{self.width_px}x{self.height_px} with a time base of {self.time_base} and a rate of {self.rate} cannot be"
            )
        _check_places(self.offset_bytes, self.size_bytes)

    def save(self, path: Path) -> None:
        """Write the index as a compact .npz."""
        arrays: dict[str, Any] = {
            "numbers": np.array(
                [self.first_frame, self.frames, self.start_ticks, self.end_ticks, self.width_px, self.height_px],
                np.int64,
            ),
            "time_base": pair(self.time_base),
            "rate": pair(self.rate),
            "pts": np.diff(self.pts, prepend=self.start_ticks),
            "lag": self.pts - self.dts,
            "key": np.packbits(self.key),
            "offset_bytes": self.offset_bytes,
            "size_bytes": self.size_bytes,
            "sample_entry": np.frombuffer(self.sample_entry, np.uint8),
        }
        if self.audio is not None:
            a = self.audio
            first = int(a.pts[0]) if len(a.pts) else 0
            arrays |= {
                "audio_numbers": np.array([a.rate, a.packet_samples, a.start_sample, a.end_sample, first], np.int64),
                "audio_offset_bytes": a.offset_bytes,
                "audio_size_bytes": a.size_bytes,
                "audio_sample_entry": np.frombuffer(a.sample_entry, np.uint8),
            }
        save_columns(path, **arrays)

    @classmethod
    def load(cls, source: Path | bytes) -> Self:
        """Read and check an index.

        Raises:
            BadLedger: not a packet index, or one that breaks its laws.
        """
        with reading_columns(source) as arrays:
            numbers = ints(arrays, "numbers")
            if len(numbers) != 6:
                raise BadLedger("not a packet index: its six numbers are missing")
            first_frame, frames, start_ticks, end_ticks, width_px, height_px = (int(n) for n in numbers)
            pts = start_ticks + np.cumsum(ints(arrays, "pts"), dtype=np.int64)
            lag = ints(arrays, "lag")
            key = raw(arrays, "key")
            if len(lag) != len(pts) or not 0 < frames <= 8 * len(key):
                raise BadLedger(f"a packet index of {frames} frames has {len(pts)} pts and {len(lag)} dts")
            audio = None
            if "audio_numbers" in arrays:
                audio_numbers = ints(arrays, "audio_numbers")
                if len(audio_numbers) != 5:
                    raise BadLedger("not an audio packet index: its five numbers are missing")
                rate, packet_samples, start_sample, end_sample, first = (int(n) for n in audio_numbers)
                offsets = ints(arrays, "audio_offset_bytes")
                audio = AudioPackets(
                    rate=rate,
                    packet_samples=packet_samples,
                    start_sample=start_sample,
                    end_sample=end_sample,
                    pts=first + packet_samples * np.arange(len(offsets), dtype=np.int64),
                    offset_bytes=offsets,
                    size_bytes=ints(arrays, "audio_size_bytes"),
                    sample_entry=raw(arrays, "audio_sample_entry").tobytes(),
                )
            return cls(
                first_frame=first_frame,
                frames=frames,
                time_base=fraction(arrays, "time_base"),
                rate=fraction(arrays, "rate"),
                start_ticks=start_ticks,
                end_ticks=end_ticks,
                width_px=width_px,
                height_px=height_px,
                pts=pts,
                dts=pts - lag,
                key=np.unpackbits(key, count=frames).astype(np.bool_),
                offset_bytes=ints(arrays, "offset_bytes"),
                size_bytes=ints(arrays, "size_bytes"),
                sample_entry=raw(arrays, "sample_entry").tobytes(),
                audio=audio,
            )


def _check_places(offset_bytes: Ints, size_bytes: Ints) -> None:
    if bool((size_bytes <= 0).any()) or bool((offset_bytes < 0).any()):
        raise BadLedger("every packet needs a place and a size")
