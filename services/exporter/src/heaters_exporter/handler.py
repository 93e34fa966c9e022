"""Make an approved clip a file."""

from heaters_contracts.fact import Told
from heaters_contracts.facts import ClipApproved, ClipExported
from heaters_contracts.facts.clip import Proof
from heaters_contracts.objects import clip_key
from heaters_edges.child import in_child
from heaters_edges.objects import Objects

from heaters_exporter.cut import cut_clip


async def export(told: Told[ClipApproved], *, objects: Objects) -> ClipExported:
    """The clip, frame-exact and proven."""
    fact = told.fact
    refs = [ref for part in fact.parts for ref in (part.packets, part.proxy)]
    async with objects.local(*refs) as paths:
        with objects.desk() as desk:
            parts = list(zip(paths[::2], paths[1::2], strict=True))
            made = await in_child(cut_clip, parts, fact.span.start, fact.span.end, desk / "clip.mp4")
            key = clip_key(told.video_id, fact.clip_id, "export", made.sha256, ".mp4")
            stored = await objects.put(made.path, key, sha256=made.sha256)

    return ClipExported(
        clip_id=fact.clip_id,
        span=fact.span,
        object=stored,
        proof=Proof(
            frames_decoded=made.proof.frames_decoded,
            frames_copied=made.frames_copied,
            frames_encoded=made.frames_encoded,
        ),
    )
