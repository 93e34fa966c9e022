"""Find the cuts of a segment in its tiny array."""

from heaters_contracts.fact import Told
from heaters_contracts.facts import SegmentPreprocessed, SegmentScenesDetected
from heaters_contracts.facts.segment import Cut
from heaters_contracts.objects import segment_key
from heaters_edges.child import in_child
from heaters_edges.objects import Objects, sha256_of_file

from heaters_scenes.core import AdaptiveParameters
from heaters_scenes.detect import detect_file


async def detect_scenes(
    told: Told[SegmentPreprocessed], *, objects: Objects, parameters: AdaptiveParameters, detector: str, key_tag: str
) -> SegmentScenesDetected:
    """Where one segment changes scene; never a second decode."""
    fact = told.fact
    async with objects.local(fact.tiny) as (tiny,):
        with objects.desk() as desk:
            found = await in_child(detect_file, tiny, desk / "scores.npy", parameters)
            digest = sha256_of_file(desk / "scores.npy")
            key = segment_key(told.video_id, "scores", key_tag, fact.segment.index, digest, ".npy")
            scores = await objects.put(desk / "scores.npy", key, sha256=digest)

    return SegmentScenesDetected(
        segment=fact.segment,
        detector=detector,
        cuts=tuple(
            Cut(frame=c.frame, kind=c.kind, start=c.start_frame, end=c.end_frame, confidence=c.confidence)
            for c in found
        ),
        scores=scores,
    )
