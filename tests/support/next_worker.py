"""The worker of the next release: its facts have a field more, and it reads a second version of what it is asked.

It is `faulty_worker.py` with what an upgrade brings: `video.requested.v2` says its source in another way, with an upcast to what the
handler knows, and `video.downloaded` says something that today's release does not know.
"""

from typing import Any

import faulty_worker
from heaters_contracts import fact as contract
from heaters_contracts.fact import Fact, Told
from heaters_contracts.facts import VideoRequested
from heaters_contracts.ingest import UrlSource
from heaters_edges import delivery


class VideoRequested2(Fact):
    """A request, as the next release says it."""

    TYPE = "video.requested"
    VERSION = 2
    address: str
    requester: str
    request_id: str

    def key(self) -> str:
        """One request, one fact."""
        return f"{self.requester}:{self.request_id}"

    def upcast(self) -> VideoRequested:
        """The same, as the handler knows it."""
        return VideoRequested(source=UrlSource(url=self.address), requester=self.requester, request_id=self.request_id)


read, write = contract.decode, contract.to_json


def decode(*said: Any) -> Told[Any]:
    told = read(*said)
    if isinstance(told.fact, VideoRequested2):
        return Told(told.fact.upcast(), told.id, told.video_id, told.lane, told.cause, told.time, told.work)
    return told


def to_json(told: Told[Fact]) -> dict[str, Any]:
    return {**write(told), "said_by_the_next_release": True}


if __name__ == "__main__":
    delivery.decode = decode  # type: ignore[assignment]  # what an upgrade would have replaced
    contract.to_json = to_json
    faulty_worker.main()
