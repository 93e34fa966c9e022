"""Make an approved clip a file."""

from collections.abc import AsyncIterator
from pathlib import Path

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import ClipApproved, ClipExported, VideoThawed, VideoThawRequested
from heaters_contracts.facts.clip import Proof
from heaters_contracts.objects import ObjectRef, clip_key
from heaters_edges.child import in_child
from heaters_edges.failure import Archived, Permanent, Waiting
from heaters_edges.objects import Objects
from heaters_edges.resident import Resident
from heaters_media.cut import ExportPlan, plan_export
from heaters_media.ledger import Packets

from heaters_exporter.cut import cut_proxy, cut_source
from heaters_exporter.settings import ExporterSettings

_READ_BYTES = 64 * 1024**2
"""At most so much of a proxy is in this process at once."""


class NoSource(Permanent):
    """An export of the original's quality was asked for, and the approval does not name the original."""


async def export(
    told: Told[ClipApproved], *, objects: Objects, resident: Resident, settings: ExporterSettings
) -> AsyncIterator[Fact]:
    """The clip, frame-exact and proven; where it waits for its original to thaw, that is told first.

    Clips from an original are made in a child that stays, so that several of one video share what was found out about it.

    Raises:
        Waiting: the original lies in cold storage, and was asked for.
    """
    fact = told.fact
    packets = [Packets.load(await objects.read(part.packets)) for part in fact.parts]
    plan = plan_export(packets, fact.span.start, fact.span.end)
    original = _original(fact)
    with objects.desk() as desk:
        if original is None:
            pieces = await _pieces(plan, [part.proxy for part in fact.parts], desk, objects)
            made = await in_child(cut_proxy, plan, pieces, desk / "clip.mp4")
        else:
            try:
                async with objects.local(original) as (source,):
                    if await objects.thawed(original):
                        yield VideoThawed(object=original)
                    made = await resident.call(cut_source, source, original.sha256, plan, desk / "clip.mp4")
            except Archived as cold:
                await objects.thaw(original, days=settings.thaw_days)
                yield VideoThawRequested(object=original)
                raise Waiting(str(cold), again_in_s=settings.thaw_poll_s) from cold
        key = clip_key(told.video_id, fact.clip_id, "export", made.sha256, ".mp4")
        stored = await objects.put(made.path, key, sha256=made.sha256)

    yield ClipExported(
        clip_id=fact.clip_id,
        span=fact.span,
        object=stored,
        proof=Proof(
            frames_counted=made.proof.frames_counted,
            frames_copied=made.frames_copied,
            frames_encoded=made.frames_encoded,
            frames_seen=made.proof.frames_decoded,
            copied_sha256=made.proof.copied_sha256 if made.frames_copied else None,
        ),
    )


def _original(fact: ClipApproved) -> ObjectRef | None:
    """What to export from instead of the proxy; None where the proxy is wanted, or is the original itself."""
    if fact.quality == "proxy":
        return None
    if fact.source is None:
        raise NoSource("the original's quality was asked for, and the approval does not name the original")
    return None if all(part.proxy.key == fact.source.key for part in fact.parts) else fact.source


async def _pieces(plan: ExportPlan, proxies: list[ObjectRef], desk: Path, objects: Objects) -> list[Path]:
    """What the plan's reads give, as files: one ranged read for each segment touched, or some where it is long; never a whole proxy."""
    pieces = []
    for number, read in enumerate(plan.reads):
        piece = desk / f"{number}.piece"
        with piece.open("wb") as file:
            for at in range(0, read.length_bytes, _READ_BYTES):
                length = min(_READ_BYTES, read.length_bytes - at)
                file.write(await objects.read_range(proxies[read.part], read.offset_bytes + at, length))
        pieces.append(piece)
    return pieces
