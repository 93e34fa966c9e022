"""What came of an approval: the file, its pictures, what it looks like to a model."""

import base64
import binascii
import math
import struct

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import ClipEmbedded, ClipExported, ClipKeyframed, StageModelChosen, StageModelRequested
from msgspec.structs import replace

from heaters_review_api.core.fold.history import at_of, cause_of, is_replayed
from heaters_review_api.core.fold.standing import discard, objects_of
from heaters_review_api.core.tables import Clip, Embedding, SearchModel, Tables


def exported(t: Tables, fact: ClipExported, told: Told[Fact]) -> None:
    """An approved clip is a file."""
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.order_id is None or cause_of(t, told) != clip.order_id:
        discard(t, [fact.object])
    elif clip.export_id is None or is_replayed(t, told):
        after = _without_pictures(clip)
        after = replace(after, export_id=told.id, exported_at=at_of(told), export_object=fact.object, proof=fact.proof)
        _replace(t, clip, after)


def keyframed(t: Tables, fact: ClipKeyframed, told: Told[Fact]) -> None:
    """A file's key frames are pictures."""
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.export_id is None or cause_of(t, told) != clip.export_id:
        discard(t, (keyframe.object for keyframe in fact.keyframes))
    elif clip.keyframe_id is None or is_replayed(t, told):
        after = _without_pictures(clip)
        after = replace(after, keyframe_id=told.id, keyframed_at=at_of(told), keyframes=fact.keyframes)
        _replace(t, clip, after)


def _without_pictures(clip: Clip) -> Clip:
    """A clip whose pictures are still to be taken; its embeddings of before are found until there are newer ones."""
    return replace(clip, keyframe_id=None, keyframed_at=None, keyframes=(), embed_id=None, embedded_at=None)


def _replace(t: Tables, before: Clip, after: Clip) -> None:
    """Put newer results in the place of those before; objects that the clip has no more are marked to be discarded."""
    t.clips[after.id] = after
    discard(t, objects_of(before))
    for ref in objects_of(after):
        t.discarded.pop(ref.key, None)


def embedded(t: Tables, fact: ClipEmbedded, told: Told[Fact]) -> None:
    """A clip can be found by what it looks like."""
    clip = t.clips.get(fact.clip_id)
    if clip is None or clip.keyframe_id is None or clip.keyframe_id not in (cause_of(t, told), fact.keyframed):
        if fact.frame_vectors is not None:
            discard(t, [fact.frame_vectors])
        return
    vector = _vector(fact)
    if vector is None:
        t.events[told.id] = replace(
            t.events[told.id],
            note=f"its vector is not {fact.dimensions} finite values of float16 in base64, or all are zero",
        )
        return
    t.embeddings[clip.id, fact.model, fact.strategy] = Embedding(
        clip.id,
        fact.model,
        fact.strategy,
        t.video.id,
        fact.dimensions,
        vector,
        fact.frame_vectors,
        told.id,
        fact.frames,
        fact.labels,
    )
    if fact.frame_vectors is not None and fact.frame_vectors not in clip.frame_vectors:
        clip = replace(clip, frame_vectors=(*clip.frame_vectors, fact.frame_vectors))
        t.discarded.pop(fact.frame_vectors.key, None)
    if clip.embed_id is None or is_replayed(t, told):
        clip = replace(clip, embed_id=told.id, embedded_at=at_of(told), model=fact.model)
    t.clips[clip.id] = clip


def model_said(t: Tables, fact: StageModelRequested | StageModelChosen, told: Told[Fact]) -> None:
    """A person wants a model for every clip, or for every search."""
    key = (fact.model, fact.strategy)
    row = replace(t.search_models.get(key, SearchModel(*key)), by=fact.by, at=at_of(told))
    if isinstance(fact, StageModelRequested):
        row = replace(row, dimensions=fact.dimensions, requested_sequence=told.sequence)
    else:
        row = replace(row, near_duplicate=fact.near_duplicate, chosen_sequence=told.sequence)
    t.search_models[key] = row


def _vector(fact: ClipEmbedded) -> bytes | None:
    try:
        vector = base64.b64decode(fact.vector, validate=True)
    except binascii.Error:
        return None
    if len(vector) != 2 * fact.dimensions:
        return None
    values = struct.unpack(f"<{fact.dimensions}e", vector)
    return vector if all(map(math.isfinite, values)) and any(values) else None
