"""Facts about one clip: what people decided, and what became of it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from heaters_contracts.fact import Fact
from heaters_contracts.model import Model
from heaters_contracts.objects import ObjectRef, Sha256
from heaters_contracts.spans import Frame, Segment, Span, TimeBase


class _Verdict(Fact):
    """What a person decided about a clip."""

    clip_id: UUID
    span: Span
    by: str
    """The person's id; people never appear by name."""
    idempotency_key: str
    decision: UUID | None = None
    """The decision that this is a part of, where one decision has several facts; None: it is a decision by itself."""

    def key(self) -> str:
        """The client's idempotency key: pressing a key once decides once, however often it is sent."""
        return f"{self.clip_id}:{self.idempotency_key}"


class ProxyPart(Model):
    """A segment of the proxy that a clip touches: all that is needed to read its frames."""

    segment: Segment
    proxy: ObjectRef
    packets: ObjectRef


class ClipApproved(_Verdict):
    """A person wants this clip; it becomes a file.

    Without a cause it is the decision itself. With one it is the order that follows from a decision which made the clip approved in
    another way: a group, an undo, a redo.
    """

    TYPE = "clip.approved"
    parts: Annotated[tuple[ProxyPart, ...], Field(min_length=1)]
    quality: Literal["proxy", "source"] = "proxy"
    source: ObjectRef | None = None
    """The original, which an export of quality `source` is made from."""
    group: UUID | None = None
    tags: tuple[str, ...] = ()
    note: str = ""


class ClipSkipped(_Verdict):
    """A person passed this clip over."""

    TYPE = "clip.skipped"


class ClipArchived(_Verdict):
    """A person put this clip away for good."""

    TYPE = "clip.archived"


class ClipOfGroup(Model):
    """A clip of a group."""

    clip_id: UUID
    span: Span


class ClipGrouped(Fact):
    """A person put clips together: all of them are approved, and carry the group.

    A group may have clips of several videos: each video has a fact of its own, and they share the decision.
    """

    TYPE = "clip.grouped"
    group: UUID
    clips: Annotated[tuple[ClipOfGroup, ...], Field(min_length=1)]
    """All that this decision adds of this video, in order."""
    by: str
    idempotency_key: str
    decision: UUID

    def key(self) -> str:
        """One decision has one fact a video; the clip says which video."""
        return f"{self.clips[0].clip_id}:{self.group}:{self.idempotency_key}"


class ClipUngrouped(_Verdict):
    """A person took this clip out of its group; it stays approved."""

    TYPE = "clip.ungrouped"


class ClipAnnotated(_Verdict):
    """What a person wrote to this clip, in place of what stood there."""

    TYPE = "clip.annotated"
    tags: tuple[str, ...] = ()
    note: str = ""


class Proof(Model):
    """Why an export can be trusted: found by reading back the very file that was stored."""

    frames_counted: Annotated[int, Field(ge=0)] = 0
    """Frames in the file's own index, each with the time of its own frame, and each accounted for: see the last three."""
    frames_decoded: Annotated[int, Field(ge=0)] = 0
    """The misleading name that `frames_counted` had, with the same value, for whoever still reads it."""
    frames_copied: Annotated[int, Field(ge=0)]
    """Frames whose packets are the proxy's own, compared by sha256."""
    frames_encoded: Annotated[int, Field(ge=0)]
    """Frames made anew; each is nearer to the proxy's frame of its index than to that frame's neighbours."""
    frames_seen: Annotated[int, Field(ge=0)] = 0
    """Frames that were decoded again from the file: all made anew, and the copied ones where the two kinds meet."""
    copied_sha256: Sha256 | None = None
    """Of all copied packets, in the order of the file: that of the proxy's own. None where nothing was copied."""

    @model_validator(mode="before")
    @classmethod
    def _by_either_name(cls, value: Any) -> Any:
        if isinstance(value, dict):
            counted = value.get("frames_counted", value.get("frames_decoded"))
            return {**value, "frames_counted": counted, "frames_decoded": counted}
        return value


class ClipExported(Fact):
    """The clip is a file: exactly its frames, no edit list."""

    TYPE = "clip.exported"
    clip_id: UUID
    span: Span
    object: ObjectRef
    proof: Proof

    def key(self) -> str:
        """An approval is exported once."""
        return str(self.clip_id)


class Keyframe(Model):
    """One picture that stands for a clip."""

    frame: Frame
    """Frame of the whole video."""
    object: ObjectRef
    ticks: int | None = None
    """When it is shown, after the clip's first frame, in the time base of the fact."""
    sharpness: Annotated[float, Field(ge=0)] | None = None
    """Mean square of the Laplacian of its luminance, 0 to 255, at 320 px: for comparing pictures of one clip."""


class ClipKeyframed(Fact):
    """The clip's keyframes are in the store."""

    TYPE = "clip.keyframed"
    clip_id: UUID
    span: Span
    strategy: str
    keyframes: Annotated[tuple[Keyframe, ...], Field(min_length=1)]
    time_base: TimeBase | None = None
    """Of the keyframes' ticks."""

    def key(self) -> str:
        """An export has one set of keyframes a strategy."""
        return f"{self.clip_id}:{self.strategy}"


class Label(Model):
    """What a classifier sees in a clip."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    share: Annotated[float, Field(ge=0, le=1)]
    """Of its belief, over all that it knows."""


class ClipEmbedded(Fact):
    """The clip can be found by what it looks like."""

    TYPE = "clip.embedded"
    clip_id: UUID
    span: Span
    model: str
    strategy: str
    dimensions: Annotated[int, Field(gt=0, le=4000)]
    vector: str
    """Unit length; little-endian float16, base64."""
    frame_vectors: ObjectRef | None = None
    """A unit vector for each of `frames`, one after the other: little-endian float16, nothing else."""
    frames: tuple[Frame, ...] = ()
    """Frames of the whole video that it was made of, in order."""
    labels: tuple[Label, ...] = ()
    """The strongest first; none from a model that classifies nothing."""
    keyframed: UUID | None = None
    """The clip.keyframed that it belongs to, where that is not its cause."""

    def key(self) -> str:
        """A set of keyframes has one vector a model and strategy."""
        return f"{self.clip_id}:{self.model}:{self.strategy}"
