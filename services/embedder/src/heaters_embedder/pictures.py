"""What runs in child processes: pictures out of a clip, and vectors out of pictures and texts.

PyAV and torch are imported inside the functions: the children come from a process that has them already (`PRELOAD`), and
the service itself, which only waits for them, stays small.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heaters_contracts.asking import EmbedAnswer, EmbedQuestion

if TYPE_CHECKING:
    from heaters_media.keyframes import Pictures

    from heaters_embedder.model import Machine

PRELOAD = ("heaters_media.keyframes", "heaters_embedder.model")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where models are found, and how many threads they may use; `model.Machine` without torch."""

    threads: int
    models_dir: Path | None

    def machine(self) -> "Machine":
        """As the models want it."""
        from heaters_embedder.model import Machine

        return Machine(self.threads, self.models_dir)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a model made of a clip's pictures."""

    model: str
    dimensions: int
    vector: str
    """Unit length; little-endian float16, base64."""
    frame_vectors: bytes
    """A unit vector for each picture; little-endian float16, one after the other."""
    labels: tuple[tuple[str, float], ...]
    """Name and share, the strongest first."""
    device: str = "cpu"
    """What the model ran on: `cuda` or `cpu`."""


def take_pictures(clip: Path, strategy: str, frames: int) -> "Pictures":
    """The pictures that stand for a clip. Raises BadMedia."""
    from heaters_media.keyframes import take
    from heaters_media.strategies import strategy_named

    return take(clip, strategy_named(strategy), frames=frames)


def embed_clips(clips: Sequence[Sequence[Path | bytes]], model: str, spot: Spot) -> list[Embedded]:
    """One vector for each clip, of all its pictures; they go through the model together.

    Args:
        clips: each clip's pictures, as files or as their bytes; at least one.
        model: its name, or exactly `name@version`.
        spot: where to look, and what may be used.

    Raises:
        UnreadableImage: a picture is none.
        UnusableVector: the model gave nonsense.
        UnknownModel: there is no such model here.
        UnusableWeights: it cannot be loaded.
    """
    from heaters_embedder.core import pack, packed_rows, pool, top
    from heaters_embedder.model import load

    machine = spot.machine()
    embedder = load(model, machine)
    pictures = [one if isinstance(one, bytes) else one.read_bytes() for clip in clips for one in clip]
    seen = embedder.see(pictures)
    made, at = [], 0
    for clip in clips:
        rows = slice(at, at + len(clip))
        at += len(clip)
        vectors = seen.vectors[rows]
        labels = top(seen.beliefs[rows].mean(axis=0), embedder.labels) if seen.beliefs is not None else ()
        made.append(
            Embedded(
                embedder.model,
                embedder.dimensions,
                pack(pool(vectors)),
                packed_rows(vectors),
                labels,
                machine.device.type,
            )
        )
    return made


def answer(question: EmbedQuestion, spot: Spot) -> EmbedAnswer:
    """Where texts and pictures lie for a model; what is wrong stands in the answer."""
    from heaters_embedder.core import pack
    from heaters_embedder.errors import PROBLEMS
    from heaters_embedder.model import load

    try:
        embedder = load(question.model, spot.machine())
        rows = list(embedder.read(question.texts)) if question.texts else []
        if question.pictures:
            rows += list(embedder.see([base64.b64decode(text, validate=True) for text in question.pictures]).vectors)
        return EmbedAnswer(
            model=embedder.model,
            dimensions=embedder.dimensions,
            reads_texts=embedder.reads_texts,
            vectors=tuple(pack(row) for row in rows),
        )
    except PROBLEMS as problem:
        return EmbedAnswer(problem=str(problem))
