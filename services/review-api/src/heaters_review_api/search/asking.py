"""What only a model can answer: the vector of a text or a picture. The embedder answers over the bus; here is no model."""

import base64
import binascii
import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from heaters_contracts.asking import EMBED_SUBJECT, EmbedAnswer, EmbedQuestion
from heaters_edges.bus import NoAnswer
from pydantic import ValidationError

from heaters_review_api.core.likeness import Vector, unpack
from heaters_review_api.db.search import Space

_KEPT = 512


class Unanswered(Exception):
    """No embedder answers, or the model that is asked for cannot: the message is for a person."""


class Asker(Protocol):
    """Who carries a question to whoever can answer it."""

    async def ask(self, subject: str, data: bytes, *, timeout_s: float) -> bytes:
        """The answer's bytes."""


class Asking:
    """Asks the embedder, and remembers what it said last: a page is asked for again with the next cursor."""

    def __init__(self, asker: Asker, *, timeout_s: float) -> None:
        self._asker = asker
        self._timeout_s = timeout_s
        self._kept: OrderedDict[tuple[str, str], Vector] = OrderedDict()

    async def text(self, space: Space, text: str) -> Vector:
        """Where a text lies in a space.

        Raises:
            Unanswered: nobody can say.
        """
        return await self._one(space, "text:" + text, EmbedQuestion(model=space.model, texts=(text,)))

    async def picture(self, space: Space, jpeg: bytes) -> Vector:
        """Where a picture lies in a space. Raises what `text` raises."""
        name = "picture:" + hashlib.sha256(jpeg).hexdigest()
        question = EmbedQuestion(model=space.model, pictures=(base64.b64encode(jpeg).decode(),))
        return await self._one(space, name, question)

    async def describe(self, model: str, *, timeout_s: float) -> EmbedAnswer:
        """What a model is that a person names: its version, its dimensions. Loads it, so it may take a while.

        Raises:
            Unanswered: nobody can say; the reason is the embedder's own.
        """
        return await self._ask(EmbedQuestion(model=model), timeout_s=timeout_s)

    async def _one(self, space: Space, name: str, question: EmbedQuestion) -> Vector:
        key = (space.model, name)
        if key not in self._kept:
            answer = await self._ask(question, timeout_s=self._timeout_s)
            self._kept[key] = _vector(answer.vectors, space)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _ask(self, question: EmbedQuestion, *, timeout_s: float) -> EmbedAnswer:
        try:
            data = await self._asker.ask(EMBED_SUBJECT, question.model_dump_json().encode(), timeout_s=timeout_s)
            answer = EmbedAnswer.model_validate_json(data)
        except NoAnswer as problem:
            raise Unanswered(f"No embedder answers: {problem}. Is one running?") from None
        except (ValidationError, json.JSONDecodeError) as problem:
            raise Unanswered(f"An embedder of another release answered: {problem}") from None
        if answer.problem is not None:
            raise Unanswered(answer.problem)
        return answer


def _vector(vectors: Sequence[str], space: Space) -> Vector:
    try:
        (text,) = vectors
        vector = unpack(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise Unanswered("The embedder gave no vector.") from None
    if len(vector) != space.dimensions or not np.isfinite(vector).all() or not vector.any():
        raise Unanswered(f"The embedder gave {len(vector)} values where {space.model} has {space.dimensions}.")
    return vector
