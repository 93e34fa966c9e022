"""How work ends badly: for good, or for now."""

from heaters_contracts.facts.stage import FailureClass


class Permanent(Exception):
    """Trying again would end the same way. Told at once as stage.failed; the message is for a person."""

    failure_class: FailureClass = "bad_input"


class TryLater(Exception):
    """Trying again may work. `retry_after_s` is what the other side asked for, if it did."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Archived(TryLater):
    """An object lies in cold storage and cannot be read before it is brought back."""


class Waiting(Exception):
    """What the work needs is on its way. No attempt is counted; the message comes again after a while, however long it takes."""

    def __init__(self, reason: str, *, again_in_s: float) -> None:
        super().__init__(reason)
        self.again_in_s = again_in_s


class Unavailable(ConnectionError):
    """An edge (the bus, the object store) does not answer. No message's fault: no attempt is counted."""


class NoSpace(Unavailable):
    """This node's disk has no room for the work. No attempt is counted: whoever has room does it, or we do once there is some.

    Attributes:
        needed_bytes: what the work needs beside the reserve; None where nobody knows.
    """

    def __init__(self, reason: str, *, needed_bytes: int | None = None) -> None:
        super().__init__(reason)
        self.needed_bytes = needed_bytes


class Busy(Unavailable):
    """Somebody outside lets us wait: a site that asks for patience, or one that is asked by enough of us. No attempt is counted.

    Attributes:
        retry_after_s: when to ask again.
    """

    def __init__(self, reason: str, *, retry_after_s: float) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class MissingObject(Permanent):
    """A fact names an object that the store does not have."""


class WrongObject(TryLater):
    """An object is not what the fact that names it promises: other size or other content. A store may lie for a while."""


def reason_of(problem: BaseException) -> str:
    """What to tell a person about a problem: its own words, or its kind where it has none."""
    # What a site says may hold half a character (a lone surrogate), which no fact can carry.
    words = " ".join(str(problem).encode("utf-8", "replace").decode().split())
    return words[:2000] if words else type(problem).__name__


def delay_s(attempt: int, *, base_s: float, problem: BaseException | None = None) -> float:
    """How long to wait after a failed attempt (from 1): it doubles each time, up to five minutes; what the other side asks for wins."""
    asked = getattr(problem, "retry_after_s", None)
    if isinstance(asked, int | float) and asked > 0:
        return float(min(asked, 3600.0))
    return min(base_s * 2.0 ** min(attempt - 1, 64), 300.0)  # beyond that a float has no more room
