"""Facts about decisions: one is taken back, or made again."""

from uuid import UUID

from heaters_contracts.fact import Fact


class _Reversal(Fact):
    """A person turned a decision of theirs round. Its cause is the decision's first fact in the same video.

    A decision on several videos is turned round by one fact in each of them.
    """

    decision: UUID
    """The decision's id: that of its fact, or what its facts name as their decision where there are several."""
    by: str
    idempotency_key: str

    def key(self) -> str:
        """The client's idempotency key; the cause says in which video."""
        return f"{self.decision}:{self.idempotency_key}"


class DecisionUndone(_Reversal):
    """A decision counts as never made, until it is redone."""

    TYPE = "decision.undone"


class DecisionRedone(_Reversal):
    """A decision that was undone counts again."""

    TYPE = "decision.redone"
