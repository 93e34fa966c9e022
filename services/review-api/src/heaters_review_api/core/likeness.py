"""Vectors: read, added up, compared, put into groups. Pure."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

_PACKED = np.dtype("<f2")
_AWAY = 0.5
"""How much an example of what is not wanted counts, beside one of what is: it says little of where to look instead."""
BINS = 20


class NoDirection(ValueError):
    """What was asked for cancels itself out."""


def unpack(data: bytes) -> Vector:
    """A vector from little-endian float16 values."""
    return np.frombuffer(data, _PACKED).astype(np.float32)


def pack(vector: Vector) -> bytes:
    """Little-endian float16 values of a vector."""
    return vector.astype(_PACKED).tobytes()


def wanted(like: Sequence[Vector], unlike: Sequence[Vector] = ()) -> Vector:
    """Where to look for what is like some vectors and unlike others (Rocchio's rule).

    Args:
        like: at least one; each counts alike.
        unlike: any number; together they count half.

    Returns:
        A unit vector.

    Raises:
        NoDirection: they cancel each other out.
        ValueError: nothing is wanted, or not all have one length.
    """
    if not like or len({len(vector) for vector in (*like, *unlike)}) != 1:
        raise ValueError("vectors of one length are needed, at least one of them of what is wanted")
    towards = np.mean([_unit(vector) for vector in like], axis=0)
    if unlike:
        towards = towards - _AWAY * np.mean([_unit(vector) for vector in unlike], axis=0)
    return _unit(towards)


def _unit(vector: Vector) -> Vector:
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length < 1e-6:
        raise NoDirection("the examples cancel each other out: nothing is left to look for")
    unit: Vector = (vector / length).astype(np.float32)
    return unit


def moment(vectors: bytes, dimensions: int, query: Vector) -> tuple[int, float] | None:
    """Which of a clip's frames is nearest to a query.

    Args:
        vectors: unit vectors one after the other, little-endian float16.
        dimensions: of each.
        query: a unit vector.

    Returns:
        The frame's place among them, and its cosine; None if the bytes are no such vectors.
    """
    if not vectors or len(vectors) % (dimensions * _PACKED.itemsize):
        return None
    cosines = np.frombuffer(vectors, _PACKED).astype(np.float32).reshape(-1, dimensions) @ query
    if not np.isfinite(cosines).all():
        return None
    best = int(cosines.argmax())
    return best, float(cosines[best])


def groups(pairs: Iterable[tuple[UUID, UUID]]) -> list[list[UUID]]:
    """What hangs together: each group sorted, the largest first."""
    root: dict[UUID, UUID] = {}

    def find(one: UUID) -> UUID:
        while root.setdefault(one, one) != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    for a, b in pairs:
        root[find(a)] = find(b)
    together: dict[UUID, list[UUID]] = {}
    for one in sorted(root):
        together.setdefault(find(one), []).append(one)
    return sorted(together.values(), key=lambda group: (-len(group), group[0]))


def histogram(similarities: Iterable[float]) -> list[int]:
    """How many cosines lie in each of BINS equal parts of 0 to 1; those below 0 are in the first."""
    counts = [0] * BINS
    for similarity in similarities:
        counts[min(BINS - 1, max(0, int(similarity * BINS)))] += 1
    return counts


def overlap(one: Iterable[Sequence[UUID]], other: Iterable[Sequence[UUID]]) -> float | None:
    """Which share of the neighbours that one space gives, another gives too; the mean over all clips that have any.

    Args:
        one: a clip's neighbours each.
        other: the same clips' neighbours in the other space, in the same order.
    """
    shares = [
        len(set(a) & set(b)) / max(len(a), len(b)) for a, b in zip(one, other, strict=True) if a or b
    ]  # fmt: skip
    return sum(shares) / len(shares) if shares else None
