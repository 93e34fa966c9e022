"""The fold: what a video's facts come to.

Laws. Applying a fact twice changes nothing. How facts are batched changes nothing. Facts of different stages may come in any
order that keeps causes before their effects.

How races are settled:

- **A person before a detector.** A decision touches the frames that it is about: both ends are boundaries, and inside there are the
  cuts that it left there. A scene detection moves nothing that is touched, whichever of the two came first.
- **A later decision before an earlier one.** Touches are laid over the detected cuts in the order of their facts. Changed cuts put
  other clips in the place of those that they are about; those are superseded, and lose their verdict. A span that comes back because
  the change was undone is the same clip with its history; one that comes back in another way (the cut was removed again by a new
  decision) is the same clip id, and pending: only decisions after the last change of its cuts count for it.
- **An undone decision counts as never made**, and counts again, in its old place, once it is redone. So a detection that came meanwhile
  moves what nobody touches any more.
- **An approval stands by a fact**: the verdict itself, or the group, undo, redo or change of cuts that made it stand (again). The
  exporter hears the order that has this fact as its cause (a verdict is its own order). A result counts if its cause is the order
  that the clip has; any other changes nothing, and its object is marked to be discarded. When an approval ceases to stand, what came
  of it is marked to be discarded too, and its embeddings are deleted; when it stands again, it is ordered again.
- **A decision that the rules do not allow** at its place in the stream moves nothing. It is validated before it is told, on exactly
  that version, so only a foreign publisher can tell one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import (
    ClipAnnotated,
    ClipApproved,
    ClipArchived,
    ClipEmbedded,
    ClipExported,
    ClipGrouped,
    ClipKeyframed,
    ClipSkipped,
    ClipUngrouped,
    DecisionRedone,
    DecisionUndone,
    SegmentPlanned,
    SegmentPreprocessed,
    SegmentScenesDetected,
    StageDiscarded,
    StageFailed,
    StageModelChosen,
    StageModelRequested,
    StagePaused,
    StageRequested,
    StageResumed,
    VideoCutsChanged,
    VideoDownloaded,
    VideoErased,
    VideoExpanded,
    VideoLinked,
    VideoMasterStored,
    VideoPlanned,
    VideoRejected,
    VideoRequested,
    VideoThawed,
    VideoThawRequested,
)
from msgspec.structs import replace

from heaters_review_api.core.fold import deciding, failing, preparing, results
from heaters_review_api.core.fold.history import event_of
from heaters_review_api.core.fold.settling import settle
from heaters_review_api.core.fold.standing import mark_discarded
from heaters_review_api.core.tables import Tables


@dataclass(frozen=True, slots=True)
class Unread:
    """A message of the video that nobody here can read: it counts for the version, and for nothing else."""

    sequence: int


def fold(before: Tables, messages: Iterable[Told[Fact] | Unread]) -> Tables:
    """Apply messages of one video, in stream order.

    Args:
        before: the rows so far; they are not changed.
        messages: with their sequence and the time at which the stream stored them.

    Returns:
        The rows afterwards. A row that did not change is the same object as before.
    """
    t = before.copy()
    for message in messages:
        if message.sequence > t.video.version:
            t.video = replace(t.video, version=message.sequence)
        if isinstance(message, Unread) or message.id in t.events:
            continue
        t.events[message.id] = event_of(t, message)
        _apply(t, message)
        mark_discarded(t, message)
    settle(t)
    return t


def _apply(t: Tables, told: Told[Fact]) -> None:
    match told.fact:
        case VideoRequested() as fact:
            preparing.requested(t, fact, told)
        case VideoErased():
            preparing.erased(t, told)
        case VideoRejected() as fact:
            preparing.rejected(t, fact)
        case VideoDownloaded() as fact:
            preparing.downloaded(t, fact, told)
        case VideoLinked() | VideoExpanded() as fact:
            preparing.led_elsewhere(t, fact, told)
        case VideoPlanned() as fact:
            preparing.planned(t, fact, told)
        case VideoMasterStored() as fact:
            preparing.master_stored(t, fact, told)
        case VideoThawRequested():
            preparing.thaw_requested(t, told)
        case VideoThawed():
            preparing.thawed(t)
        case SegmentPlanned() as fact:
            preparing.segment_planned(t, fact, told)
        case SegmentPreprocessed() as fact:
            preparing.preprocessed(t, fact, told)
        case SegmentScenesDetected() as fact:
            preparing.scenes_detected(t, fact, told)
        case ClipApproved() as fact if told.cause is not None:
            deciding.ordered(t, fact, told)
        case ClipApproved() | ClipSkipped() | ClipArchived() as fact:
            deciding.decided(t, fact, told)
        case ClipGrouped() as fact:
            deciding.grouped(t, fact, told)
        case ClipUngrouped() as fact:
            deciding.ungrouped(t, fact, told)
        case ClipAnnotated() as fact:
            deciding.annotated(t, fact, told)
        case VideoCutsChanged() as fact:
            deciding.cuts_changed(t, fact, told)
        case DecisionUndone() | DecisionRedone() as fact:
            deciding.turned(t, fact, told)
        case ClipExported() as fact:
            results.exported(t, fact, told)
        case ClipKeyframed() as fact:
            results.keyframed(t, fact, told)
        case ClipEmbedded() as fact:
            results.embedded(t, fact, told)
        case StageFailed() as fact:
            failing.failed(t, fact, told)
        case StageRequested() | StageDiscarded() as fact:
            failing.settled(t, fact)
        case StagePaused() | StageResumed() as fact:
            failing.paused(t, fact, told)
        case StageModelRequested() | StageModelChosen() as fact:
            results.model_said(t, fact, told)
        case _:
            pass  # its event is all that is kept of a fact that moves no table
