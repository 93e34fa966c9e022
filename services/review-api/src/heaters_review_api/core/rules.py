"""What a person may decide, and why not. Each rule is declared once: the check, the API's error and the page's hint read it here."""

from collections.abc import Callable
from dataclasses import dataclass

from heaters_review_api.core.states import CHANGEABLE, ClipState, Verdict
from heaters_review_api.core.tables import Clip

VERDICT_STATE: dict[Verdict, ClipState] = {
    "approve": ClipState.EXPORTING,
    "skip": ClipState.REVIEW_SKIPPED,
    "archive": ClipState.REVIEW_ARCHIVED,
}
PAST: dict[Verdict, str] = {"approve": "approved", "skip": "skipped", "archive": "archived"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decision that may not be made: the rule that it breaks, and what is wrong, with the values."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on a clip for a verdict, and what to say where it does not hold."""

    name: str
    holds: Callable[[Clip, Verdict], bool]
    message: Callable[[Clip, Verdict], str]


def _name(clip: Clip) -> str:
    return f"The clip of frames {clip.start_frame} to {clip.end_frame - 1}"


VERDICT_RULES = (
    Rule(
        "clip_stands",
        lambda clip, _: clip.live,
        lambda clip, _: f"{_name(clip)} is no more: its cuts have changed.",
    ),
    Rule(
        "clip_is_no_file_yet",
        lambda clip, _: clip.state in CHANGEABLE or not clip.live,
        lambda clip, verdict: (
            f"{_name(clip)} is {clip.state.value}: it was approved by {clip.decided_by} and is a file already,"
            f" so it can no longer be {PAST[verdict]}."
        ),
    ),
    Rule(
        "verdict_is_new",
        lambda clip, verdict: clip.verdict != verdict,
        lambda clip, verdict: f"{_name(clip)} was {PAST[verdict]} by {clip.decided_by} already.",
    ),
)
"""In order: the first that does not hold is the one that is told."""


def refusal(clip: Clip, verdict: Verdict) -> Refusal | None:
    """Why this verdict may not be given on this clip; None if it may."""
    for rule in VERDICT_RULES:
        if not rule.holds(clip, verdict):
            return Refusal(rule.name, rule.message(clip, verdict))
    return None


def changed_meanwhile(clip: Clip, seen: ClipState) -> Refusal:
    """The clip is not what the person saw when they decided."""
    by = f" by {clip.decided_by}" if clip.decided_by else ""
    return Refusal(
        "clip_is_as_seen",
        f"{_name(clip)} was {seen.value} when you decided; meanwhile it became {clip.state.value}{by}.",
    )
