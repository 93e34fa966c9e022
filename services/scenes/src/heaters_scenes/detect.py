"""PySceneDetect over a tiny array: the only module that imports it. Nothing is decoded here.

It is imported inside the function: the children come from a process that has it already (`PRELOAD`), and the service
itself, which only waits for them, stays small.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from heaters_media.tiny import Tiny

from heaters_scenes.core import (
    TINY_SHAPE,
    AdaptiveParameters,
    Detection,
    Floats,
    FoundCut,
    Place,
    UnusableTiny,
    decide,
    score,
)

PRELOAD = ("heaters_scenes.detect", "scenedetect")

_FPS = 25.0
"""PySceneDetect wants a rate to count frames with; with lengths in frames, as here, any rate gives the same result."""


def tag(parameters: AdaptiveParameters) -> str:
    """The detector's name, what it runs on and its parameters: equal tags mean equal cuts."""
    return f"adaptive({parameters.text})@scenedetect-{version('scenedetect-headless')}"


def detect(
    frames: npt.NDArray[np.uint8],
    *,
    first_frame: int,
    segment_first: int,
    segment_frames: int,
    total_frames: int,
    parameters: AdaptiveParameters,
) -> Detection:
    """Find the cuts of one segment. They are the same however the film is divided into segments.

    Args:
        frames: RGB, shape (n, 27, 48, 3): the segment with `CONTEXT_FRAMES` on each side, fewer only at the film's ends.
        first_frame: whole-video index of row 0.
        segment_first: whole-video index of the segment's first frame.
        segment_frames: how many frames the segment has.
        total_frames: how many frames the film has.
        parameters: the detector's settings.

    Returns:
        The segment's own cuts in order, and a score for each of its frames.

    Raises:
        UnusableTiny: the array has another shape or kind of number, or lacks context.
    """
    if frames.dtype != np.uint8 or frames.shape[1:] != TINY_SHAPE:
        raise UnusableTiny(f"frames must be uint8 of shape (n, 27, 48, 3), not {frames.dtype} of {frames.shape}")
    place = Place(first_frame, len(frames), segment_first, segment_frames, total_frames)

    scores = score(*_measure(frames, parameters), parameters)
    brightness = frames.mean(axis=(1, 2, 3), dtype=np.float64)

    return Detection(
        cuts=decide(scores, brightness, place, parameters), scores=scores[place.segment_rows].astype(np.float32)
    )


def detect_file(tiny: Path, scores: Path, parameters: AdaptiveParameters) -> tuple[FoundCut, ...]:
    """The same for a tiny array in a file; the segment's scores are written to another, as float32 .npy.

    Raises:
        BadLedger: the file is no tiny array.
        UnusableTiny: it lacks context.
    """
    small = Tiny.load(tiny)
    found = detect(
        small.frames,
        first_frame=small.first_frame,
        segment_first=small.segment_first,
        segment_frames=small.segment_frames,
        total_frames=small.total_frames,
        parameters=parameters,
    )
    np.save(scores, found.scores)
    return found.cuts


def _measure(frames: npt.NDArray[np.uint8], parameters: AdaptiveParameters) -> tuple[Floats, Floats]:
    """PySceneDetect's own adaptive ratio and content value of each row, 0 where it gives none (the first and last few)."""
    from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, StatsManager

    detector = AdaptiveDetector(
        adaptive_threshold=parameters.ratio,
        min_scene_len=1,  # its own rule remembers the last cut, and so would differ between segments
        window_width=parameters.window_frames,
        min_content_val=parameters.content,
        weights=ContentDetector.Components(
            delta_hue=parameters.weight_hue,
            delta_sat=parameters.weight_saturation,
            delta_lum=parameters.weight_luma,
            delta_edges=0.0,
        ),
    )
    stats = StatsManager()
    detector.stats_manager = stats
    ratio_key = AdaptiveDetector.ADAPTIVE_RATIO_KEY_TEMPLATE.format(luma_only="", window_width=parameters.window_frames)
    keys = [ratio_key, ContentDetector.FRAME_SCORE_KEY]

    times = [FrameTimecode(row, _FPS) for row in range(len(frames))]
    for time, rgb in zip(times, frames, strict=True):
        detector.process_frame(time, np.ascontiguousarray(rgb[..., ::-1]))  # it reads BGR, as OpenCV does

    table = np.array([[value or 0.0 for value in stats.get_metrics(time, keys)] for time in times], dtype=np.float64)
    return table[:, 0], table[:, 1]
