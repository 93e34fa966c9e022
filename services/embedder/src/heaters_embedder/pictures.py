"""What runs in child processes: pictures out of a clip, and vectors out of pictures.

PyAV and torch are imported inside the functions: the children come from a process that has them already (`PRELOAD`), and
the service itself, which only waits for them, stays small.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PRELOAD = ("heaters_media.keyframes", "heaters_embedder.model")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A clip's vector."""

    model: str
    dimensions: int
    vector: str
    """Unit length; little-endian float16, base64."""


def take_keyframes(clip: Path, frames: int, count: int) -> list[tuple[int, bytes]]:
    """(frame of the clip, JPEG) of each keyframe, in order. Raises BadMedia."""
    from heaters_media.keyframes import keyframes, pick

    chosen = pick(frames, count)
    return list(zip(chosen, keyframes(clip, chosen), strict=True))


def embed_pictures(pictures: Sequence[Path], model: str, threads: int) -> Embedded:
    """One vector for all pictures of a clip.

    Raises:
        UnreadableImage: a picture is none.
        UnusableVector: the model gave nonsense.
    """
    from heaters_embedder.core import pack, pool
    from heaters_embedder.model import load

    embedder = load(model, threads)
    vector = pool(embedder.embed([path.read_bytes() for path in pictures]))
    return Embedded(embedder.model, embedder.dimensions, pack(vector))
