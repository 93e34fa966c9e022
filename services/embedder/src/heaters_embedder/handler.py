"""Take keyframes of exported clips, embed them, and answer for the models."""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from heaters_contracts.asking import EmbedAnswer, EmbedQuestion
from heaters_contracts.fact import Told
from heaters_contracts.facts import ClipEmbedded, ClipExported, ClipKeyframed, VideoEmbeddingRequested
from heaters_contracts.facts.clip import Keyframe, Label
from heaters_contracts.facts.video import ClipToEmbed
from heaters_contracts.objects import clip_key
from heaters_contracts.spans import Span
from heaters_edges.child import ChildCrashed, TookTooLong, TooMuchMemory, in_child
from heaters_edges.job import Job, begin
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.resident import Resident
from pydantic import ValidationError

from heaters_embedder.core import batches
from heaters_embedder.pictures import Embedded, Spot, answer, embed_clips, take_pictures
from heaters_embedder.settings import EmbedderSettings

log = logging.getLogger(__name__)

_ANSWER_S = 120.0
"""A model that is loaded for the first time takes a while."""


@dataclass(frozen=True, slots=True)
class _Of:
    """What a clip's embedding is of."""

    video_id: UUID
    clip_id: UUID
    span: Span
    strategy: str
    frames: tuple[int, ...]


async def keyframe(told: Told[ClipExported], *, objects: Objects, settings: EmbedderSettings) -> ClipKeyframed:
    """A few pictures that stand for the clip."""
    fact = told.fact
    async with objects.local(fact.object) as (clip,):
        taken = await in_child(take_pictures, clip, settings.strategy, fact.span.frames)

    found = []
    with objects.desk() as desk:
        for number, picture in enumerate(taken.pictures):
            path = desk / f"{number}.jpg"
            path.write_bytes(picture.jpeg)
            digest = sha256_of_file(path)
            key = clip_key(told.video_id, fact.clip_id, f"keyframe-{picture.frame:06d}", digest, ".jpg")
            stored = await objects.put(path, key, sha256=digest)
            frame = fact.span.start + picture.frame
            found.append(
                Keyframe(frame=frame, object=stored, ticks=picture.ticks, sharpness=round(picture.sharpness, 2))
            )

    return ClipKeyframed(
        clip_id=fact.clip_id,
        span=fact.span,
        strategy=settings.strategy,
        keyframes=tuple(found),
        time_base=(taken.time_base.numerator, taken.time_base.denominator),
    )


async def embed(
    told: Told[ClipKeyframed], *, objects: Objects, resident: Resident, settings: EmbedderSettings
) -> AsyncIterator[ClipEmbedded]:
    """One vector of each model for the clip, so that it can be found."""
    fact = told.fact
    of = _Of(told.video_id, fact.clip_id, fact.span, fact.strategy, tuple(k.frame for k in fact.keyframes))
    async with objects.local(*(k.object for k in fact.keyframes)) as pictures:
        for model in settings.models:
            [made] = await resident.call(embed_clips, [pictures], model, spot_of(settings))
            yield await _embedded(of, made, objects)


async def reembed(
    told: Told[VideoEmbeddingRequested], *, objects: Objects, resident: Resident, settings: EmbedderSettings
) -> AsyncIterator[ClipEmbedded]:
    """Vectors of one more model, or of other pictures, for clips that are there already; several clips go through it together."""
    fact = told.fact
    same = fact.strategy == fact.taken
    sizes = [len(clip.keyframes) if same else settings.batch_pictures for clip in fact.clips]
    for batch in batches(sizes, most=settings.batch_pictures):
        clips = [fact.clips[n] for n in batch]
        pictures, frames = [], []
        for clip in clips:
            taken = await (_stored(clip, objects) if same else _decoded(clip, fact.strategy, objects))
            pictures.append([jpeg for _, jpeg in taken])
            frames.append(tuple(frame for frame, _ in taken))
        made = await resident.call(embed_clips, pictures, fact.model, spot_of(settings))
        for clip, of_frames, one in zip(clips, frames, made, strict=True):
            of = _Of(told.video_id, clip.clip_id, clip.span, fact.strategy, of_frames)
            yield await _embedded(of, one, objects, keyframed=clip.keyframed)


async def respond(question: bytes, *, resident: Resident, settings: EmbedderSettings) -> bytes:
    """Answer for a model; what is wrong with the question, or the model, stands in the answer."""
    begin(Job("ask", _ANSWER_S, settings.model_memory_bytes))
    try:
        read = EmbedQuestion.model_validate_json(question)
        said = await resident.call(answer, read, spot_of(settings))
    except ValidationError as problem:
        said = EmbedAnswer(problem=f"the question cannot be understood: {problem.errors(include_url=False)[0]['msg']}")
    except (ChildCrashed, TookTooLong, TooMuchMemory) as problem:
        said = EmbedAnswer(problem=f"the model did not answer: {problem}")
    return said.model_dump_json().encode()


def spot_of(settings: EmbedderSettings) -> Spot:
    """Where models are found on this machine, and what they may use."""
    return Spot(settings.torch_threads, settings.models_dir)


async def _stored(clip: ClipToEmbed, objects: Objects) -> Sequence[tuple[int, bytes]]:
    async with objects.local(*(k.object for k in clip.keyframes)) as paths:
        return [(k.frame, path.read_bytes()) for k, path in zip(clip.keyframes, paths, strict=True)]


async def _decoded(clip: ClipToEmbed, strategy: str, objects: Objects) -> Sequence[tuple[int, bytes]]:
    async with objects.local(clip.object) as (path,):
        taken = await in_child(take_pictures, Path(path), strategy, clip.span.frames)
    return [(clip.span.start + picture.frame, picture.jpeg) for picture in taken.pictures]


async def _embedded(of: _Of, made: Embedded, objects: Objects, *, keyframed: UUID | None = None) -> ClipEmbedded:
    log.info("a clip was embedded", extra={"clip": str(of.clip_id), "model": made.model, "device": made.device})
    with objects.desk() as desk:
        path = desk / "vectors.f16"
        path.write_bytes(made.frame_vectors)
        digest = sha256_of_file(path)
        key = clip_key(of.video_id, of.clip_id, "vectors", digest, ".f16")
        vectors = await objects.put(path, key, sha256=digest)
    return ClipEmbedded(
        clip_id=of.clip_id,
        span=of.span,
        model=made.model,
        strategy=of.strategy,
        dimensions=made.dimensions,
        vector=made.vector,
        frame_vectors=vectors,
        frames=of.frames,
        labels=tuple(Label(name=name, share=share) for name, share in made.labels),
        keyframed=keyframed,
    )
