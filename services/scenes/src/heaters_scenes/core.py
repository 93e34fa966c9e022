"""Which frames of a segment are cuts: what all detectors share. Decisions over per-frame numbers, and nothing else.

Every rule here is *local*: what it says about a frame depends on at most `CONTEXT_FRAMES` frames to either side. That is why a
film that is divided into segments, each with that much context, has the same cuts as the film in one piece.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from heaters_scenes.errors import InvalidParameters, UnusableTiny

Kind = Literal["hard", "dissolve", "fade"]
Floats = npt.NDArray[np.float64]

CONTEXT_FRAMES = 100
"""How many frames a segment's tiny array holds on each side of it, unless the film ends there."""

TINY_SHAPE = (27, 48, 3)
"""Rows, columns and channels (RGB) of one frame of a tiny array, in px."""


@dataclass(frozen=True, slots=True)
class FoundCut:
    """One cut, in frames of the whole video.

    Attributes:
        frame: the first frame of the new shot; for a gradual transition one in its middle.
        kind: how the shots meet.
        start_frame: first frame of the transition.
        end_frame: the frame after its last; a hard cut's extent is `[frame, frame + 1)`.
        confidence: how sure the detector is, 0..1.
    """

    frame: int
    kind: Kind
    start_frame: int
    end_frame: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector says about one segment.

    Attributes:
        cuts: in order of their frames, each inside the segment, never frame 0.
        scores: float32, one a frame of the segment. A frame of at least 1 is a candidate, whatever the detector, so another threshold
            needs no new detection.
    """

    cuts: tuple[FoundCut, ...]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array's rows lie in the film, and which of them are the segment.

    Attributes:
        first_frame: whole-video index of row 0.
        rows: how many rows there are.
        segment_first: whole-video index of the segment's first frame.
        segment_frames: how many frames the segment has.
        total_frames: how many frames the film has.
    """

    first_frame: int
    rows: int
    segment_first: int
    segment_frames: int
    total_frames: int

    def __post_init__(self) -> None:
        """Refuse an array that is not the segment with its full context, clipped at the film's ends.

        Raises:
            UnusableTiny: shows the span that is needed and the one that is there.
        """
        end = self.segment_first + self.segment_frames
        if not (self.segment_frames >= 1 and self.segment_first >= 0 and end <= self.total_frames):
            raise UnusableTiny(f"segment [{self.segment_first}, {end}) does not lie in a film of {self.total_frames}")
        have = (self.first_frame, self.first_frame + self.rows)
        need = (max(0, self.segment_first - CONTEXT_FRAMES), min(self.total_frames, end + CONTEXT_FRAMES))
        if not (0 <= have[0] <= need[0] and need[1] <= have[1] <= self.total_frames):
            raise UnusableTiny(f"segment [{self.segment_first}, {end}) needs frames {need} but the array holds {have}")

    @classmethod
    def whole(cls, frames: int) -> "Place":
        """A film in one piece."""
        return cls(0, frames, 0, frames, frames)

    @property
    def segment_rows(self) -> slice:
        """The rows that are the segment's own."""
        start = self.segment_first - self.first_frame
        return slice(start, start + self.segment_frames)

    def owns(self, frame: int) -> bool:
        """Whether a cut at this frame is this segment's to tell: it lies in the segment, and is not the film's beginning."""
        return frame != 0 and self.segment_first <= frame < self.segment_first + self.segment_frames


def strongest(scores: Floats, *, at_least: float, distance: int) -> list[int]:
    """The local maxima: rows that no row within `distance` beats, of equal ones the earliest.

    Args:
        scores: one a row.
        at_least: rows below this are no candidates.
        distance: how far a candidate looks to either side, in rows; at least 1.

    Returns:
        Rows, strictly increasing, more than `distance` apart.
    """
    kept = []
    for row in np.flatnonzero(scores >= at_least):
        before = scores[max(0, row - distance) : row]
        after = scores[row + 1 : row + 1 + distance]
        if (before < scores[row]).all() and (after <= scores[row]).all():
            kept.append(int(row))
    return kept


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The maximal runs of true values as half-open spans of rows, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


@dataclass(frozen=True, slots=True)
class FadeParameters:
    """What is a fade, after PySceneDetect's ThresholdDetector.

    Attributes:
        level: a frame whose mean over pixels and channels is nearer than this to 0 is dark, to 255 is white.
        frames_min: a run of fewer dark or white frames is no fade.
        frames_max: a run of more is a passage of the film and no fade.
        abrupt_frames_max: a run of more that begins and ends at once is a dark shot.
        ramp_frames: how far the way into the run and out of it counts as a part of the fade, at most.
        ramp_step: by how much each frame of that way must be nearer to the run's level than the one before.
    """

    level: float = 12.0
    frames_min: int = 2
    frames_max: int = 75
    abrupt_frames_max: int = 12
    ramp_frames: int = 24
    ramp_step: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what could not be local.

        Raises:
            InvalidParameters: names the setting and shows its value.
        """
        if not 1 <= self.frames_min <= self.frames_max or self.ramp_frames < 0:
            raise InvalidParameters(
                f"1 <= frames_min <= frames_max and 0 <= ramp_frames must hold for fades: "
                f"{self.frames_min}, {self.frames_max}, {self.ramp_frames}"
            )
        if self.frames_max + self.ramp_frames >= CONTEXT_FRAMES:
            raise InvalidParameters(
                f"frames_max + ramp_frames must be less than the {CONTEXT_FRAMES} frames of context: "
                f"{self.frames_max} + {self.ramp_frames}"
            )
        if not 0 < self.level < 128 or self.ramp_step <= 0:
            raise InvalidParameters(f"level must be in (0, 128) and ramp_step above 0: {self.level}, {self.ramp_step}")

    @property
    def text(self) -> str:
        """The settings as a short, stable string."""
        return f"{self.frames_min}-{self.frames_max}/{self.abrupt_frames_max}<{self.level:g},ramp={self.ramp_frames}:{self.ramp_step:g}"


def fades(brightness: Floats, place: Place, parameters: FadeParameters) -> list[FoundCut]:
    """The fades through black or white that lie wholly inside the array.

    A run of dark frames, or of white ones, is a fade if it is neither too short nor too long and touches neither end of the film, and
    unless it is longer than a moment and begins and ends at once. A steady way into it or out of it belongs to its extent. The cut is
    the run's middle, its confidence 0.5 where it is just dark enough and 1 where it is black.

    Args:
        brightness: mean over pixels and channels, one a row, 0..255.
        place: where the rows lie.
        parameters: what is dark, and how long a fade is.

    Returns:
        Fades in order; also those whose cut is another segment's.
    """
    found = []
    for depth in (brightness, 255.0 - brightness):
        for start, end in runs(depth < parameters.level):
            # A run that reaches the array's edge reaches the film's end, or is too long, or is too far away to matter here.
            if start == 0 or end == place.rows:
                continue
            if not parameters.frames_min <= end - start <= parameters.frames_max:
                continue
            into, out_of = _ramp(depth[:start][::-1], parameters), _ramp(depth[end:], parameters)
            if into == out_of == 0 and end - start > parameters.abrupt_frames_max:
                continue  # a dark shot between two hard cuts
            found.append(
                FoundCut(
                    frame=place.first_frame + (start + end + 1) // 2,
                    kind="fade",
                    start_frame=place.first_frame + start - into,
                    end_frame=place.first_frame + end + out_of,
                    confidence=1.0 - 0.5 * float(depth[start:end].min()) / parameters.level,
                )
            )
    return sorted(found, key=lambda fade: fade.frame)


def _ramp(outward: Floats, parameters: FadeParameters) -> int:
    """How many frames a steady way has, from the run outward; a single step is a hard cut, and no way."""
    way = outward[: parameters.ramp_frames + 1]
    steps = np.diff(way) >= parameters.ramp_step
    length = len(steps) if steps.all() else int(np.argmin(steps))
    return length if length >= 2 else 0


def confidence(score: float) -> float:
    """How sure a hard cut of this score is: 0.5 at the threshold, rising with the square of the score towards 1."""
    return 1.0 - 0.5 / max(1.0, score) ** 2


def hard(frame: int, sureness: float) -> FoundCut:
    """A hard cut."""
    return FoundCut(frame, "hard", frame, frame + 1, sureness)


def joined(found: Iterable[FoundCut], fading: Sequence[FoundCut], place: Place) -> tuple[FoundCut, ...]:
    """One list of a segment's own cuts: a fade replaces whatever lies in its extent or at its edges.

    Args:
        found: cuts of other kinds.
        fading: `fades`.
        place: which frames are the segment's.

    Returns:
        Frames strictly increasing; a cut belongs to the segment that its frame lies in.
    """
    bare = [cut for cut in found if not any(fade.start_frame <= cut.frame <= fade.end_frame for fade in fading)]
    by_frame = {cut.frame: cut for cut in [*bare, *fading]}
    return tuple(by_frame[frame] for frame in sorted(by_frame) if place.owns(frame))


def shots(cuts: Sequence[FoundCut], frames: int) -> list[tuple[int, int]]:
    """The shots between cuts as first and last frame, both included; frames of gradual transitions lie in none.

    Args:
        cuts: of the whole film, in order.
        frames: how many it has.

    Returns:
        In order, without overlap; at least one.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for cut in cuts:
        gradual = cut.kind != "hard"
        last = (cut.start_frame if gradual else cut.frame) - 1
        following = cut.end_frame if gradual else cut.frame
        if last >= start and following < frames:
            found.append((start, last))
            start = following
        elif following < frames:
            start = max(start, following)  # two transitions that touch are one
    return [*found, (start, frames - 1)]
