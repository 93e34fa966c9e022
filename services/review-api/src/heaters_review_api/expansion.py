"""Playlists and channels: each of their videos becomes a request of its own, in the name of whoever asked for the whole."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Protocol

from heaters_contracts.fact import Fact, Told, Unreadable, decode
from heaters_contracts.facts import VideoExpanded
from heaters_contracts.ids import sha256_of
from heaters_contracts.ingest import IngestRequest, UrlSource
from heaters_edges.bus import FactMessage
from heaters_edges.failure import Unavailable
from heaters_edges.wanted import EXPANSION_CONSUMER
from sqlalchemy.exc import SQLAlchemyError

from heaters_review_api.admission import Admission
from heaters_review_api.db.passed import Lagging

log = logging.getLogger(__name__)

_AGAIN_S = 5.0
_ID_CHARACTERS = 200
"""A request with a longer id would be refused."""


class Heard(Protocol):
    """Where facts come from."""

    def heard(self, consumer: str) -> AsyncIterator[FactMessage]:
        """Each until it is acknowledged; for ever."""


async def expand(bus: Heard, admission: Admission) -> None:
    """Ask for the videos of every playlist, for ever. One that cannot be answered for now is heard again."""
    while True:
        try:
            async for message in bus.heard(EXPANSION_CONSUMER):
                try:
                    told: Told[Fact] | None = decode(
                        message.stored.subject, message.stored.headers, message.stored.data
                    )
                except Unreadable as problem:
                    log.error("a playlist cannot be read", extra={"reason": problem.reason})
                    told = None
                if told is not None and isinstance(told.fact, VideoExpanded):
                    await _ask(told, told.fact, message, admission)
                await message.ack()
        except (Unavailable, SQLAlchemyError, Lagging, OSError) as problem:
            log.warning("a playlist waits", extra={"reason": str(problem)})
        await asyncio.sleep(_AGAIN_S)


async def _ask(told: Told[Fact], fact: VideoExpanded, message: FactMessage, admission: Admission) -> None:
    """Asking twice is asking once, so a list that was half asked for is simply asked for again."""
    for entry in fact.entries:
        request = IngestRequest(
            source=UrlSource(url=entry.url),
            request_id=_request_id(fact.request_id, entry.id),
            lane=told.lane,
            options=fact.options,
        )
        await admission.admit(fact.requester, request, lists=fact.lists + 1)
        await message.working()


def _request_id(of_list: str, entry: str) -> str:
    whole = f"{of_list}/{entry}"
    return whole if len(whole) <= _ID_CHARACTERS else sha256_of(whole)
