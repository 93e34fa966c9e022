"""Take keyframes of exported clips, and embed them."""

from heaters_contracts.fact import Told
from heaters_contracts.facts import ClipEmbedded, ClipExported, ClipKeyframed
from heaters_contracts.facts.clip import Keyframe
from heaters_contracts.objects import clip_key
from heaters_edges.child import in_child
from heaters_edges.objects import Objects, sha256_of_file

from heaters_embedder.pictures import embed_pictures, take_keyframes
from heaters_embedder.settings import EmbedderSettings


async def keyframe(told: Told[ClipExported], *, objects: Objects, settings: EmbedderSettings) -> ClipKeyframed:
    """A few pictures that stand for the clip."""
    fact = told.fact
    async with objects.local(fact.object) as (clip,):
        taken = await in_child(take_keyframes, clip, fact.span.frames, settings.keyframes)

    found = []
    with objects.desk() as desk:
        for number, (frame, jpeg) in enumerate(taken):
            path = desk / f"{number}.jpg"
            path.write_bytes(jpeg)
            digest = sha256_of_file(path)
            key = clip_key(told.video_id, fact.clip_id, f"keyframe-{frame:06d}", digest, ".jpg")
            found.append(Keyframe(frame=fact.span.start + frame, object=await objects.put(path, key, sha256=digest)))

    return ClipKeyframed(
        clip_id=fact.clip_id, span=fact.span, strategy=f"spread-{settings.keyframes}", keyframes=tuple(found)
    )


async def embed(told: Told[ClipKeyframed], *, objects: Objects, settings: EmbedderSettings) -> ClipEmbedded:
    """One vector for the clip, so that it can be found."""
    fact = told.fact
    async with objects.local(*(k.object for k in fact.keyframes)) as pictures:
        made = await in_child(embed_pictures, pictures, settings.model, settings.torch_threads)

    return ClipEmbedded(
        clip_id=fact.clip_id,
        span=fact.span,
        model=made.model,
        strategy=fact.strategy,
        dimensions=made.dimensions,
        vector=made.vector,
    )
