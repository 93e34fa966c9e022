"""A whole film as tiny pictures, one after another, for who has a file and no segments."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heaters_media.errors import Undecodable
from heaters_media.picture import Shrinker
from heaters_media.probe import open_media, probe, video_of, whole_frames


def nominal_rate(source: Path) -> Fraction:
    """Frames a second, about: for timecodes that people read, never for a position.

    Raises:
        BadMedia: what is wrong with the film.
    """
    return probe(source).rate


def tiny_frames(source: Path, *, threads: int = 1) -> Iterator[NDArray[np.uint8]]:
    """Every frame as uint8 (27, 48, 3), RGB, upright, in order of presentation: the rows of a tiny array.

    Raises:
        BadMedia: what is wrong with the film.
    """
    described = probe(source)
    shrink = Shrinker(described.rotation_deg, mirrored=described.mirrored)
    seen = 0
    with open_media(source) as container:
        stream = video_of(container, threads=threads)
        for frame in whole_frames(container, stream, lambda _: None):
            if frame.pts is not None:
                seen += 1
                yield shrink(frame)
    if not seen:
        raise Undecodable(f"no frame of {source.name} can be decoded")
