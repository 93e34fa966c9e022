"""Decisions: validated by the rules on what the tables show, told on exactly that version, answered when the tables show them.

A decision of several facts (a selection, a group over several videos, the undo of such) is told fact by fact under one idempotency
key. Each fact is whole in itself. A crash in between loses nothing: asking again with the same key tells what is missing, and no more.
"""

from heaters_review_api.decisions.cuts import CutDecisions
from heaters_review_api.decisions.deciding import Decided, DecidedClip, Selected
from heaters_review_api.decisions.groups import GroupDecisions, Neighbour
from heaters_review_api.decisions.reversals import Reversals, Turned
from heaters_review_api.decisions.selections import SelectionDecisions
from heaters_review_api.decisions.single import SingleDecisions
from heaters_review_api.telling import NoSuchClip, NoSuchVideo, Outdated, Publisher, Refused

__all__ = [
    "Decided",
    "DecidedClip",
    "Decisions",
    "Neighbour",
    "NoSuchClip",
    "NoSuchVideo",
    "Outdated",
    "Publisher",
    "Refused",
    "Selected",
    "Turned",
]


class Decisions(SingleDecisions, SelectionDecisions, GroupDecisions, CutDecisions, Reversals):
    """Makes decisions of every kind."""
