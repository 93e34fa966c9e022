"""Facts about one segment of a video."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from heaters_contracts.curves import Curves
from heaters_contracts.fact import Fact
from heaters_contracts.ingest import Options
from heaters_contracts.model import Model
from heaters_contracts.objects import ObjectRef
from heaters_contracts.spans import Frame, Segment, TimeBase

CONTEXT_FRAMES = 100
"""A segment's tiny array goes this far beyond both its ends, so that detection needs no neighbour."""


class SegmentPlanned(Fact):
    """A segment of the source can be worked on; told as soon as the scan has passed it."""

    TYPE = "segment.planned"
    source: ObjectRef
    segment: Segment
    time_base: TimeBase
    frames_known: Annotated[int, Field(gt=0)]
    """Frames of the whole video that the scan had counted when it told this. Less than CONTEXT_FRAMES beyond the segment's
    end means that the video ends there."""
    source_is_proxy: bool = False
    """The source is used as it is: nothing is encoded, and the packet index names places in the source."""
    options: Options = Options()

    def key(self) -> str:
        """A plan has each segment once."""
        return str(self.segment.index)


class SegmentPreprocessed(Fact):
    """A segment's proxy, its packet index, its tiny array and what the review page draws are in the store."""

    TYPE = "segment.preprocessed"
    segment: Segment
    profile: str
    proxy: ObjectRef
    """The source itself where that is the proxy."""
    packets: ObjectRef
    tiny: ObjectRef
    storyboard: ObjectRef | None = None
    """A JPEG of small pictures, about one a second; its index lies in its comment."""
    waveform: ObjectRef | None = None
    """Peaks of the sound, every 20 ms; None where there is no sound."""
    frames_damaged: Annotated[int, Field(ge=0)] = 0
    """Frames of the segment that are damaged, or show the frame before because no decoder gave them."""
    width_px: Annotated[int, Field(gt=0)]
    height_px: Annotated[int, Field(gt=0)]
    options: Options = Options()

    def key(self) -> str:
        """A segment has one result a profile."""
        return f"{self.segment.index}:{self.profile}"


class Cut(Model):
    """The first frame of a new shot, and how the shot changes there."""

    frame: Annotated[Frame, Field(gt=0)]
    kind: Literal["hard", "dissolve", "fade"] = "hard"
    start: Frame
    """First frame of the change; `frame` itself for a hard cut."""
    end: Frame
    """One past the last frame of the change."""
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _inside_its_extent(self) -> Self:
        if not self.start <= self.frame < self.end:
            raise ValueError(f"cut {self.frame} lies outside its extent [{self.start}, {self.end})")
        return self


class SegmentScenesDetected(Fact):
    """Where one segment of a video changes scene, according to one detector."""

    TYPE = "segment.scenes_detected"
    segment: Segment
    detector: str
    """Name and parameters; part of the identity."""
    cuts: tuple[Cut, ...]
    """Frames of the whole video, strictly increasing, inside the segment, never frame 0."""
    scores: ObjectRef | None = None
    """How near each frame of the segment is to a cut: float32 .npy, one a frame; at least 1 is a candidate."""
    curves: Curves | None = None
    """What the frames look and sound like, so that any span of them can be measured."""

    @model_validator(mode="after")
    def _in_order_and_inside(self) -> Self:
        span = self.segment.span
        frames = [cut.frame for cut in self.cuts]
        if frames != sorted(set(frames)) or any(not span.start <= f < span.end for f in frames):
            raise ValueError(f"cuts must be strictly increasing inside [{span.start}, {span.end}): {frames[:20]}")
        if self.curves is not None and self.curves.frames != self.segment.frames:
            raise ValueError(f"curves of {self.curves.frames} frames do not fit a segment of {self.segment.frames}")
        return self

    def key(self) -> str:
        """A segment has one result a detector."""
        return f"{self.segment.index}:{self.detector}"
