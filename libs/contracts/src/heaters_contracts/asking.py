"""Questions with an answer at once: no facts, and nothing is kept of them. The embedder answers for its models."""

from typing import Annotated

from pydantic import Field

from heaters_contracts.model import Model

EMBED_SUBJECT = "ask.heaters.embed"
"""Core NATS, request and reply; embedders share it as one queue group."""
EMBED_QUEUE = "embedders"
EMBED_MOST_PICTURES = 8
"""A question fits into a NATS message of 1 MiB."""


class EmbedQuestion(Model):
    """Where texts or pictures lie for a model; with neither, only what the model is."""

    model: Annotated[str, Field(max_length=300)]
    """A name, or `name@version`: then exactly that version answers, or none."""
    texts: Annotated[tuple[Annotated[str, Field(max_length=2000)], ...], Field(max_length=EMBED_MOST_PICTURES)] = ()
    pictures: Annotated[tuple[str, ...], Field(max_length=EMBED_MOST_PICTURES)] = ()
    """JPEG files in base64."""


class EmbedAnswer(Model):
    """The answer, or the problem that stands in its place."""

    problem: str | None = None
    """Why there is no answer, for a person; then nothing else is said."""
    model: str = ""
    """`name@version`."""
    dimensions: int = 0
    reads_texts: bool = False
    vectors: tuple[str, ...] = ()
    """Of the texts, then of the pictures: unit length, little-endian float16, base64."""
