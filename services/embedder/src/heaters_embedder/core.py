"""What becomes of vectors: pooled over a clip's keyframes, and packed into a fact."""

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heaters_embedder.errors import UnusableVector

Vectors = npt.NDArray[np.float32]

_PACKED = np.dtype("<f2")
_ZERO = 1e-6
"""A length below this has no direction left in float32."""


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Scale each row to length 1.

    Args:
        vectors: shape (n, dimensions), any floating type.

    Returns:
        float32, the same shape.

    Raises:
        UnusableVector: not two-dimensional or empty; a row with NaN or an infinity; a row of length 0.
    """
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise UnusableVector(f"vectors must have the shape (n, dimensions), none 0, not {vectors.shape}")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise UnusableVector(f"vector {bad[0]} of {len(vectors)} holds NaN or an infinity")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if lengths.min() < _ZERO:
        raise UnusableVector(f"vector {int(lengths.argmin())} of {len(vectors)} has length 0, and so no direction")
    scaled: Vectors = (vectors / lengths).astype(np.float32)
    return scaled


def pool(vectors: npt.NDArray[np.floating]) -> Vectors:
    """One vector for a clip: the mean direction of its keyframes' vectors, each counting alike.

    Args:
        vectors: one row a keyframe, shape (n, dimensions), n at least 1.

    Returns:
        A unit vector, float32, shape (dimensions,).

    Raises:
        UnusableVector: as `unit`; or the rows cancel each other out.
    """
    mean = unit(vectors).mean(axis=0, dtype=np.float64)
    if np.linalg.norm(mean) < _ZERO:
        raise UnusableVector(f"{len(vectors)} vectors cancel each other out: their mean has no direction")
    pooled: Vectors = unit(mean[np.newaxis])[0]
    return pooled


def pack(vector: npt.NDArray[np.floating]) -> str:
    """Text of a vector: base64 (RFC 4648, section 4) of little-endian float16 values, 2 bytes each.

    Args:
        vector: shape (dimensions,). Unit vectors of up to some thousand values lose less than 0.001 of their direction.

    Raises:
        UnusableVector: not one-dimensional or empty; a value that float16 cannot hold.
    """
    if vector.ndim != 1 or vector.size == 0:
        raise UnusableVector(f"a vector must have the shape (dimensions,), not {vector.shape}")
    if not (np.abs(vector) <= np.finfo(_PACKED).max).all():
        raise UnusableVector("the vector holds NaN, an infinity or a value beyond float16")
    return base64.b64encode(vector.astype(_PACKED).tobytes()).decode("ascii")


def unpack(text: str, dimensions: int) -> Vectors:
    """The vector that `pack` made this text of, as float32.

    Args:
        text: base64 of little-endian float16 values.
        dimensions: how many values are expected.

    Raises:
        UnusableVector: not base64; another number of values; NaN or an infinity.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnusableVector(f"not base64: {error}") from error
    if len(data) != dimensions * _PACKED.itemsize:
        raise UnusableVector(f"{dimensions} values need {dimensions * _PACKED.itemsize} bytes, not {len(data)}")
    vector = np.frombuffer(data, _PACKED).astype(np.float32)
    if not np.isfinite(vector).all():
        raise UnusableVector("the vector holds NaN or an infinity")
    return vector


def packed_rows(vectors: npt.NDArray[np.floating]) -> bytes:
    """Vectors one after the other, as `pack` writes one, without the base64.

    Raises:
        UnusableVector: not two-dimensional; a value that float16 cannot hold.
    """
    if vectors.ndim != 2 or not (np.abs(vectors) <= np.finfo(_PACKED).max).all():
        raise UnusableVector(f"vectors of the shape {vectors.shape} cannot be packed")
    return vectors.astype(_PACKED).tobytes()


def top(
    beliefs: npt.NDArray[np.floating], labels: Sequence[str], *, most: int = 5, least: float = 0.1
) -> tuple[tuple[str, float], ...]:
    """The labels that a model believes in most.

    Args:
        beliefs: a share for each label.
        labels: their names.
        most: so many at most.
        least: none of less than this share.

    Returns:
        (label, share), the strongest first.
    """
    order = np.argsort(-beliefs, kind="stable")[:most]
    return tuple((labels[n], round(float(beliefs[n]), 4)) for n in order if beliefs[n] >= least)


def batches(sizes: Sequence[int], *, most: int) -> list[range]:
    """Divide clips into batches by how many pictures they have.

    Args:
        sizes: pictures of each clip.
        most: pictures in a batch; a clip with more is a batch by itself.

    Returns:
        Ranges of places in `sizes`, in order, without a gap.
    """
    found, first, pictures = [], 0, 0
    for place, size in enumerate(sizes):
        if pictures and pictures + size > most:
            found.append(range(first, place))
            first, pictures = place, 0
        pictures += size
    return [*found, range(first, len(sizes))] if sizes else []
