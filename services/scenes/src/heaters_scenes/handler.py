"""Find the cuts of a segment in its tiny array."""

from heaters_contracts.detectors import Wish, read_wish
from heaters_contracts.fact import Told
from heaters_contracts.facts import SegmentPreprocessed, SegmentScenesDetected
from heaters_contracts.facts.segment import Cut
from heaters_contracts.ids import sha256_of
from heaters_contracts.objects import segment_key
from heaters_edges.child import in_child
from heaters_edges.objects import Objects, sha256_of_file
from heaters_edges.resident import Resident

from heaters_scenes.detect import detect_file, needs_network


async def detect_scenes(
    told: Told[SegmentPreprocessed], *, objects: Objects, resident: Resident, default: Wish, threads: int
) -> SegmentScenesDetected:
    """Where one segment changes scene, and what its frames are like; never a second decode.

    What needs the network runs in a child that keeps it: to load it takes longer than to ask it about a segment.
    """
    fact = told.fact
    wish = read_wish(fact.options.detector) if fact.options.detector else default
    refs = [fact.tiny, fact.packets, *([fact.waveform] if fact.waveform else [])]
    async with objects.local(*refs) as (tiny, packets, *sound):
        with objects.desk() as desk:
            scores = desk / "scores.npy"
            run = resident.call if needs_network(wish) else in_child
            found = await run(
                detect_file,
                tiny,
                scores,
                wish,
                threads=threads,
                packets=packets,
                waveform=sound[0] if sound else None,
            )
            digest = sha256_of_file(scores)
            made_by = f"{wish.name}-{sha256_of(found.detector)[:8]}"
            key = segment_key(told.video_id, "scores", made_by, fact.segment.index, digest, ".npy")
            stored = await objects.put(scores, key, sha256=digest)

    return SegmentScenesDetected(
        segment=fact.segment,
        detector=found.detector,
        cuts=tuple(
            Cut(frame=c.frame, kind=c.kind, start=c.start_frame, end=c.end_frame, confidence=c.confidence)
            for c in found.cuts
        ),
        scores=stored,
        curves=found.curves,
    )
