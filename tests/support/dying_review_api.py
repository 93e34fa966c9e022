"""review-api that dies between two facts: DIE_AFTER says after which, such as `clip.skipped:2` for the second of these."""

import os
import signal

from heaters_contracts.fact import Fact, Told
from heaters_edges.bus import Ack, Bus
from heaters_review_api.__main__ import main

publish = Bus.publish
kind, _, wanted = os.environ["DIE_AFTER"].partition(":")
left = int(wanted)


async def publish_and_die(self: Bus, told: Told[Fact], *, expect: int | None = None) -> Ack:
    global left
    ack = await publish(self, told, expect=expect)
    if kind == told.fact.TYPE:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return ack


if __name__ == "__main__":
    Bus.publish = publish_and_die  # type: ignore[method-assign]  # nobody else tells review-api's facts
    main()
