"""On which terms somebody may ask: how much, from where, in which lane, and whether they can be told."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated
from urllib.parse import urlsplit

from heaters_contracts.fact import LANES, Lane
from heaters_contracts.ingest import IngestRequest, S3Source, UrlSource
from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Terms(BaseModel):
    """What one requester may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lanes: tuple[Lane, ...] = LANES
    """In which lanes."""
    videos_per_day: Annotated[int, Field(ge=0)] | None = None
    """Requests in 24 hours; None for any number."""
    unfinished_most: Annotated[int, Field(ge=0)] | None = None
    """Videos that may be on the way to review at once."""
    sources: tuple[str, ...] | None = None
    """From where: hosts (`films.example`, `*.films.example`) or beginnings of addresses (`https://films.example/reels/`, `s3://films/`)."""
    webhook_secret: SecretStr | None = None
    """What signs their webhooks; without it a request may not name a callback."""
    auto_rule: bool = True
    """Whether their requests may approve clips by a rule, which nobody looks at before they are files."""


ANYBODY = "*"
"""Stands for every requester that has no terms of its own."""


def terms_of(requester: str, terms: Mapping[str, Terms]) -> Terms:
    """The terms of a requester."""
    return terms.get(requester) or terms.get(ANYBODY) or Terms()


def objection(request: IngestRequest, terms: Terms, *, today: int, unfinished: int) -> str | None:
    """Why a request is refused by its requester's terms, or None.

    Args:
        request: what is asked.
        terms: the requester's.
        today: their requests in the last 24 hours.
        unfinished: their videos that are on the way to review.
    """
    if request.lane not in terms.lanes:
        return f"the lane {request.lane} is not yours: ask in {' or '.join(terms.lanes)}"
    if terms.sources is not None and (where := _where(request)) is not None and not _may(where, terms.sources):
        return f"{where} is none of the places that you may ask from: {', '.join(terms.sources)}"
    if terms.videos_per_day is not None and today >= terms.videos_per_day:
        return f"you have asked for {today} videos in 24 hours, as many as you may"
    if terms.unfinished_most is not None and unfinished >= terms.unfinished_most:
        return f"{unfinished} of your videos are on their way, as many as may be at once"
    if request.options.callback is not None and terms.webhook_secret is None:
        return "a callback needs a secret that signs it: ask the operators for one (HEATERS_REQUESTERS)"
    if request.options.auto_rule is not None and not terms.auto_rule:
        return "your requests may not approve clips by a rule: ask the operators (HEATERS_REQUESTERS)"
    return None


def _where(request: IngestRequest) -> str | None:
    """The address that a source names; None for an upload, which is here already."""
    match request.source:
        case UrlSource(url=url):
            return url
        case S3Source(uri=uri):
            return uri
        case _:
            return None


def _may(address: str, sources: tuple[str, ...]) -> bool:
    host = (urlsplit(address).hostname or "").lower()
    return any(
        _begins(address, one) if "://" in one else fnmatchcase(host, one.lower()) and not address.startswith("s3:")
        for one in sources
    )


def _begins(address: str, prefix: str) -> bool:
    """Whether an address lies under another one; a prefix ends at a part of the path, never in the middle of a name."""
    ours, theirs = urlsplit(address), urlsplit(prefix)
    same = (ours.scheme.lower(), ours.netloc.lower()) == (theirs.scheme.lower(), theirs.netloc.lower())
    folder = theirs.path.rstrip("/") + "/"
    plain = "/../" not in f"{ours.path}/" and "%2e" not in ours.path.lower()
    return same and plain and f"{ours.path}/".startswith(folder)
