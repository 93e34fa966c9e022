"""What reviewers' decisions say of the adaptive detector's threshold. Pure.

Scores are the detector's own, so no frame is looked at again: a stricter detector has fewer of them above its threshold, and of
neighbouring frames above it the highest is a cut, as in detection itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Fit", "Labels", "Quality", "fit", "labels_of", "scores_of"]

NEAR_FRAMES = 2
"""A cut so near to a label is that one."""
APART_FRAMES = 6
"""Of frames above the threshold that lie so near to each other, the highest is the cut: as the adaptive detector has it."""
LABELS_LEAST = 10
"""Fewer labels say nothing."""
_STEPS = tuple(round(0.5 * 1.05**n, 3) for n in range(36))
"""Thresholds that are tried, in units of the one that the scores were made with: half of it to nearly three times."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What people said of one video.

    Attributes:
        cuts: frames that are cuts.
        none: spans [start, end) in which there is no other cut.
        gradual: spans [start, end) of fades and dissolves, about which the threshold has nothing to say.
    """

    cuts: frozenset[int] = frozenset()
    none: tuple[tuple[int, int], ...] = ()
    gradual: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """How a threshold does: cuts that are labelled so, cuts that are labelled as none, labelled cuts that are not found."""

    right: int = 0
    false: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Of the cuts that are found and labelled, those that are right."""
        found = self.right + self.false
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Of the labelled cuts, those that are found."""
        labelled = self.right + self.missed
        return self.right / labelled if labelled else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        whole = 2 * self.right + self.false + self.missed
        return 2 * self.right / whole if whole else 1.0

    def __add__(self, other: "Quality") -> "Quality":
        """Of both together."""
        return Quality(self.right + other.right, self.false + other.false, self.missed + other.missed)


@dataclass(frozen=True, slots=True)
class Fit:
    """The threshold that fits best, in units of the present one, and how both do."""

    times: float
    before: Quality
    after: Quality
    labels: int = field(default=0)

    @property
    def enough(self) -> bool:
        """Whether there were labels enough to say anything."""
        return self.labels >= LABELS_LEAST


def labels_of(
    standing: Iterable[tuple[int, str | None]],
    decided: Iterable[tuple[int, int]],
    edits: Iterable[str],
    frames: int,
    gradual: Iterable[tuple[int, int]] = (),
) -> Labels:
    """The labels of a video.

    Args:
        standing: cuts that stand: frame, and who set or confirmed it.
        decided: spans [start, end) of clips with a verdict: their ends are cuts, and there is none between.
        edits: what changes of cuts said, such as `add 80`, `remove 30` or `move 30 to 35`.
        frames: of the video; its first frame and its end are no cuts.
        gradual: extents [start, end) of the cuts that are fades or dissolves: other rules find those.
    """
    now, slow = dict(standing), tuple(gradual)
    cuts = {frame for frame, by in now.items() if by is not None}
    none = []
    for start, end in decided:
        cuts |= {edge for edge in (start, end) if 0 < edge < frames}
        none.append((start, end))
    for edit in edits:
        operation, _, rest = edit.partition(" ")
        frame = int(rest.partition(" ")[0]) if rest[:1].isdigit() else 0
        if operation in {"remove", "move"} and frame not in now:
            none.append((max(0, frame - NEAR_FRAMES), frame + NEAR_FRAMES + 1))
    return Labels(frozenset(cut for cut in cuts if not _within(cut, slow)), tuple(none), slow)


def scores_of(curve: bytes) -> list[float]:
    """Scores as the API tells them, one byte a frame, in units of the detector's threshold."""
    return [value / (255 - value) if value < 255 else 1e3 for value in curve]


def _cuts(scores: Sequence[float], least: float) -> list[int]:
    found = []
    for frame, score in enumerate(scores):
        if score < least or frame == 0:
            continue
        before = scores[max(0, frame - APART_FRAMES) : frame]
        after = scores[frame + 1 : frame + 1 + APART_FRAMES]
        if all(other < score for other in before) and all(other <= score for other in after):
            found.append(frame)
    return found


def quality(scores: Sequence[float], labels: Labels, least: float) -> Quality:
    """How one threshold does on one video; what nobody has said anything of does not count."""
    found = [cut for cut in _cuts(scores, least) if not _within(cut, labels.gradual)]
    left = set(labels.cuts)
    false = 0
    for cut in found:
        near = [frame for frame in left if abs(frame - cut) <= NEAR_FRAMES]
        if near:
            left.discard(min(near, key=lambda frame: abs(frame - cut)))
        elif _within(cut, labels.none) and not _labelled(labels, cut):
            false += 1
    return Quality(len(labels.cuts) - len(left), false, len(left))


def _within(frame: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(start <= frame < end for start, end in spans)


def _labelled(labels: Labels, cut: int) -> bool:
    return any(abs(frame - cut) <= NEAR_FRAMES for frame in labels.cuts)


def fit(videos: Sequence[tuple[Sequence[float], Labels]]) -> Fit:
    """The threshold with the best F1 over several videos; of equal ones the nearest to the present one."""

    def over_all(least: float) -> Quality:
        return sum((quality(scores, labels, least) for scores, labels in videos), Quality())

    before = over_all(1.0)
    tried = {times: over_all(times) for times in (*_STEPS, 1.0)}
    best = max(tried, key=lambda times: (round(tried[times].f1, 6), -abs(times - 1.0)))
    return Fit(best, before, tried[best], sum(len(labels.cuts) + len(labels.none) for _, labels in videos))
