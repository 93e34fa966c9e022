"""Labelled films, and how detected shots are compared with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
Shots = Sequence[Sequence[int]]
"""First and last frame of each, both included; frames between two shots are a gradual transition."""

FOOTAGE = Path(__file__).parents[2] / "shared" / "footage"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A film as a tiny array, and its shots."""

    name: str
    frames: Frames
    shots: Shots


def labelled_films() -> list[Labelled]:
    """The labelled films beside the checkout; none where there are none."""
    if not (FOOTAGE / "shots-dev.npz").exists():
        return []
    labels = json.loads((FOOTAGE / "shots-dev-labels.json").read_text())
    with np.load(FOOTAGE / "shots-dev.npz") as arrays:
        return [Labelled(name, arrays[name], labels[name]) for name in arrays.files]


def transitions(shots: Shots, tolerance: int) -> npt.NDArray[np.float64]:
    """Where one shot becomes the next, as TransNetV2's metric has it: spans that are half a tolerance wider on both sides."""
    edges = np.array([[a[1], b[0]] for a, b in pairwise(shots)], np.float64).reshape(-1, 2)
    return np.asarray(edges + np.array([0.5 - tolerance / 2, tolerance / 2 - 0.5]))


def compare(labels: Shots, found: Shots, tolerance: int) -> npt.NDArray[np.int64]:
    """Right, false and missed transitions, by TransNetV2's own rule: in order, each of one kind meets at most one of the other."""
    real, seen = transitions(labels, tolerance), transitions(found, tolerance)
    i = j = right = 0
    while i < len(real) and j < len(seen):
        if seen[j, 1] < real[i, 0]:
            j += 1
        elif seen[j, 0] > real[i, 1]:
            i += 1
        else:
            i, j, right = i + 1, j + 1, right + 1
    return np.array([right, len(seen) - right, len(real) - right])


def f1(counts: npt.NDArray[np.int64]) -> float:
    """Of (right, false, missed)."""
    right, false, missed = (int(n) for n in counts)
    return 2 * right / (2 * right + false + missed) if right else 0.0


def pooled(films: Sequence[Labelled], found: Mapping[str, Shots], tolerance: int) -> npt.NDArray[np.int64]:
    """The counts of each film, one a row."""
    return np.array([compare(film.shots, found[film.name], tolerance) for film in films])


def highest_likely_difference(ours: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The 95% interval of the difference of two pooled F1, by a paired bootstrap over films (Efron and Tibshirani, chapter 13).

    Args:
        ours: counts of each film, one a row.
        other: of the same films.
    """
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(ours), (4000, len(ours)))
    differences = [f1(ours[pick].sum(0)) - f1(other[pick].sum(0)) for pick in picks]
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Made:
    """A film put together from pieces of single shots: what was done at which frames."""

    frames: Frames
    events: Sequence[tuple[str, int, int]]
    """Kind, first frame, frame after the last."""


CUTS = ("hard", "dissolve 8", "dissolve 16", "dissolve 32", "fade black", "fade white")
_DISTURBED_FRAMES = {"flash": 2, "whip pan": 10, "freeze": 12}
NO_CUTS = tuple(_DISTURBED_FRAMES)


def made_film(pieces: Sequence[Frames], seed: int) -> Made:
    """Join single shots by transitions of each kind, and disturb others in their middle by what is none, at a random quality.

    Args:
        pieces: of 60 frames or more.
        seed: which film.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pieces))
    rows: list[npt.NDArray[np.float64]] = [_disturbed(pieces[order[0]].astype(float), "", rng)]
    events: list[tuple[str, int, int]] = []
    kinds = [*CUTS, *NO_CUTS]
    for number, index in enumerate(order[1:]):
        kind = kinds[(number + seed) % len(kinds)]
        piece = pieces[index].astype(float)
        if kind in NO_CUTS:
            middle = len(piece) // 2
            done = sum(map(len, rows))
            # Only what is disturbed: pieces of films have changes of their own nearby.
            events += [("hard", done, done + 1), (kind, done + middle, done + middle + _DISTURBED_FRAMES[kind])]
            rows.append(_disturbed(piece, kind, rng))
            continue
        before = rows.pop()
        joint, start, end = _joined(before, piece, kind)
        done = sum(map(len, rows))
        events.append((kind, done + start, done + end))
        rows.append(joint)
    whole = np.concatenate(rows)
    contrast, noise, steps = rng.uniform(0.7, 1.1), rng.uniform(0.0, 3.0), rng.integers(1, 9)
    worse = 128 + contrast * (whole - 128) + rng.normal(0, noise, whole.shape)
    return Made(np.clip(np.round(worse / steps) * steps, 0, 255).astype(np.uint8), events)


def _joined(
    before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], kind: str
) -> tuple[npt.NDArray[np.float64], int, int]:
    """Two pieces as one, and the frames of the transition in it."""
    if kind == "hard":
        return np.concatenate([before, after]), len(before), len(before) + 1
    if kind.startswith("dissolve"):
        length = int(kind.split()[1])
        share = ((np.arange(length) + 1) / (length + 1))[:, None, None, None]
        mixed = (1 - share) * before[-length:] + share * after[:length]
        start = len(before) - length
        return np.concatenate([before[:-length], mixed, after[length:]]), start, start + length
    level = 0.0 if kind == "fade black" else 255.0
    away = np.linspace(1, 0, 12)[:, None, None, None]
    out = level + away * (before[-12:] - level)
    into = level + away[::-1] * (after[:12] - level)
    still = np.full((4, *before.shape[1:]), level)
    start = len(before) - 12
    return np.concatenate([before[:-12], out, still, into, after[12:]]), start, start + 28


def _disturbed(piece: npt.NDArray[np.float64], kind: str, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    middle = len(piece) // 2
    changed = piece.copy()
    if kind == "flash":
        end = middle + _DISTURBED_FRAMES[kind]
        changed[middle:end] = 0.2 * changed[middle:end] + 0.8 * 255
    if kind == "whip pan":
        for n in range(frames := _DISTURBED_FRAMES[kind]):
            moved = np.roll(changed[middle + n], int(48 * (n + 1) / frames), axis=1)
            changed[middle + n] = sum(np.roll(moved, k, axis=1) for k in range(-4, 5)) / 9
    if kind == "freeze":
        changed[middle : middle + _DISTURBED_FRAMES[kind]] = changed[middle]
    return changed


def by_kind(film: Made, found: Sequence[tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Of each kind how many events there are, and how many of them have a cut in their frames (within two)."""
    counts: dict[str, tuple[int, int]] = {}
    for kind, start, end in film.events:
        hit = any(a < end + 2 and b > start - 2 for a, b in found)
        known, hits = counts.get(kind, (0, 0))
        counts[kind] = (known + 1, hits + hit)
    return counts
