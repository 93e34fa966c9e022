"""What runs in child processes: pictures out of a clip, and vectors out of pictures. The service itself imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heaters_media.keyframes import keyframes, pick

from heaters_embedder.core import pack, pool
from heaters_embedder.model import load


@dataclass(frozen=True, slots=True)
class Embedded:
    """A clip's vector."""

    model: str
    dimensions: int
    vector: str
    """Unit length; little-endian float16, base64."""


def take_keyframes(clip: Path, frames: int, count: int) -> list[tuple[int, bytes]]:
    """(frame of the clip, JPEG) of each keyframe, in order. Raises BadMedia."""
    chosen = pick(frames, count)
    return list(zip(chosen, keyframes(clip, chosen), strict=True))


def embed_pictures(pictures: Sequence[Path], model: str, threads: int) -> Embedded:
    """One vector for all pictures of a clip.

    Raises:
        UnreadableImage: a picture is none.
        UnusableVector: the model gave nonsense.
    """
    embedder = load(model, threads)
    vector = pool(embedder.embed([path.read_bytes() for path in pictures]))
    return Embedded(embedder.model, embedder.dimensions, pack(vector))
