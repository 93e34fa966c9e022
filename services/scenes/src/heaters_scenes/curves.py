"""What the frames of a segment look and sound like, for whoever measures spans of them later."""

from itertools import pairwise

import numpy as np
from heaters_contracts.curves import Curves, pack
from heaters_media.ledger import Packets
from heaters_media.tiny import Tiny
from heaters_media.waveform import Waveform, loudest

from heaters_scenes.core import Floats
from heaters_scenes.measure import luma, luma_changes, sharpness


def curves_of(tiny: Tiny, packets: Packets | None, waveform: Waveform | None) -> Curves:
    """The curves of a segment's own frames.

    Args:
        tiny: with context, from which the first frame's motion comes.
        packets: when each frame is shown.
        waveform: None where there is no sound.
    """
    start = tiny.segment_first - tiny.first_frame
    own = slice(start, start + tiny.segment_frames)
    before = max(0, start - 1)
    motion = luma_changes(tiny.frames[before : own.stop])[start - before :]
    frames = tiny.frames[own]
    made = [_rooted(motion), np.rint(luma(frames)).astype(np.uint8).tobytes(), _rooted(sharpness(frames))]
    if packets is not None and waveform is not None:
        times = [*np.sort(packets.pts).tolist(), packets.end_ticks]
        peaks = loudest([waveform], list(pairwise(times)), packets.time_base)
        made.append(bytes(2 * (peak or 0) for peak in peaks))
    return pack(tiny.segment_frames, made)


def _rooted(values: Floats) -> bytes:
    """As `heaters_contracts.curves.root` has it, for all at once."""
    return bytes(np.minimum(255, np.rint(16 * np.sqrt(np.maximum(values, 0)))).astype(np.uint8))
