"""Films made on the spot, and what several tests need to divide them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from heaters_scenes.core import CONTEXT_FRAMES, FoundCut, Place

Film = Callable[..., np.ndarray]


def film(*shots: tuple[tuple[int, int, int], int]) -> np.ndarray:
    """A film of shots, each a colour and a length in frames, over one and the same moving noise."""
    noise = np.random.default_rng(7)
    rows = [
        np.clip(np.array(colour) + noise.integers(-6, 7, (27, 48, 3)), 0, 255)
        for colour, frames in shots
        for _ in range(frames)
    ]
    return np.array(rows, dtype=np.uint8)


def in_segments(detector: Any, frames: np.ndarray, edges: list[int]) -> tuple[list[FoundCut], np.ndarray]:
    """The cuts and scores of a film that is divided at these edges, each segment with its context."""
    cuts: list[FoundCut] = []
    scores = []
    for start, end in pairwise([0, *edges, len(frames)]):
        first = max(0, start - CONTEXT_FRAMES)
        rows = frames[first : end + CONTEXT_FRAMES]
        detection = detector.detect(rows, Place(first, len(rows), start, end - start, len(frames)))
        cuts += detection.cuts
        scores.append(detection.scores)
    return cuts, np.concatenate(scores)


@pytest.fixture(scope="session", name="film")
def film_fixture() -> Film:
    return film


@pytest.fixture(scope="session", name="in_segments")
def in_segments_fixture() -> Callable[..., Any]:
    return in_segments


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Three hundred frames of moving gradients: a hard cut at 60, a dissolve over 100 to 115, a flash at 150, a fade around 206."""
    rows = np.arange(27)[:, None, None]
    columns = np.arange(48)[None, :, None]
    rng = np.random.default_rng(3)

    def shot(number: int, frame: int) -> np.ndarray:
        turn = np.array([1.0, 2.0, 3.0]) * (number + 1)
        waves = np.sin(columns / (3 + number) + turn + frame / 40) + np.cos(rows / (2 + number) - turn)
        return 128 + 55 * waves

    def frame(n: int) -> np.ndarray:
        if n < 60:
            picture = shot(0, n)
        elif n < 116:
            share = np.clip((n - 99) / 17, 0, 1)
            picture = (1 - share) * shot(1, n) + share * shot(2, n)
        elif n < 206:
            picture = shot(2, n) if n != 150 else np.full((27, 48, 3), 250.0)
            picture = picture * np.clip((203 - n) / 12, 0, 1)
        else:
            picture = shot(4, n) * np.clip((n - 208) / 12, 0, 1)
        return picture + rng.normal(0, 1, (27, 48, 3))

    return np.array([np.clip(frame(n), 0, 255) for n in range(300)], dtype=np.uint8)
