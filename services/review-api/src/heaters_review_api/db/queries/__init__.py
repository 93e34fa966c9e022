"""What the API reads: one module a subject. Every query answers plain frozen values."""

from heaters_review_api.db.queries.clips import (
    CLIP_ORDERS,
    MEASURES,
    Between,
    ClipCursor,
    ClipOfVideo,
    ClipOrder,
    ClipReads,
    Wanted,
)
from heaters_review_api.db.queries.decisions import DecisionReads
from heaters_review_api.db.queries.history import Change, HistoryReads
from heaters_review_api.db.queries.uploads import Uploads
from heaters_review_api.db.queries.videos import Page, VideoInList, VideoReads

__all__ = [
    "CLIP_ORDERS",
    "MEASURES",
    "Between",
    "Change",
    "ClipCursor",
    "ClipOfVideo",
    "ClipOrder",
    "Page",
    "Queries",
    "VideoInList",
    "Wanted",
]


class Queries(ClipReads, VideoReads, DecisionReads, HistoryReads, Uploads):
    """Reads of the projection, and the little that is written beside it."""
