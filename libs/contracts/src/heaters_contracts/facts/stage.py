"""Facts about a stage: what it could not do, and whether it rests."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from heaters_contracts.fact import Fact
from heaters_contracts.ingest import Options
from heaters_contracts.objects import ObjectRef

FailureClass = Literal["bad_input", "transient", "quota", "bug"]


class StageFailed(Fact):
    """A stage gave up on a message. The message is kept whole, so it can be given again."""

    TYPE = "stage.failed"
    stage: str
    """The kind of work, as PIPELINE names it."""
    reason: str
    """For a person: what is wrong, with the values."""
    failure_class: FailureClass
    problem: str = ""
    """What kind of problem it is, in one word for programs, such as needs_credentials, gone, unsupported or quality_lost."""
    attempts: Annotated[int, Field(ge=1)]
    message_subject: str
    message_sequence: int
    message_headers: dict[str, str] = Field(default_factory=dict)
    message: str | None = None
    """The original bytes, base64; None when they are too long for a fact."""
    message_object: ObjectRef | None = None

    request: UUID | None = None
    """The stage.requested that asked for this attempt, where it was not the first."""
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """The trace in which it failed: what its logs and spans carry."""

    def key(self) -> str:
        """A message fails once in each stage, and once more for each time that it is asked for again."""
        return f"{self.stage}:{self.message_sequence}" + (f":{self.request}" if self.request else "")


class StageRequested(Fact):
    """A person wants a stage to work again on a message: one that it gave up on, or, to replay, one that it has done.

    What failed is retried: the message stays the cause of what comes of it, so what waits for it need not know that it failed
    before. A replay says its results anew: this request is their cause, and the message that it is about is its own cause.
    """

    TYPE = "stage.requested"
    stage: str
    """The kind of work, as PIPELINE names it."""
    message_sequence: Annotated[int, Field(ge=1)]
    """Where the message lies in the stream."""
    by: str
    idempotency_key: str
    replay: bool = False
    """Tell the results anew, though they were told before, so that all that follows from them is done again."""
    force: bool = False
    """Do the work again even where a manifest says what came of it."""
    options: Options | None = None
    """With these instead of those that the message carries: another detector, say."""

    def key(self) -> str:
        """The client's idempotency key."""
        return f"{self.stage}:{self.message_sequence}:{self.idempotency_key}"


class StageDiscarded(Fact):
    """A person does not wait for a failed message any more."""

    TYPE = "stage.discarded"
    stage: str
    message_sequence: Annotated[int, Field(ge=1)]
    by: str
    idempotency_key: str

    def key(self) -> str:
        """The client's idempotency key."""
        return f"{self.stage}:{self.message_sequence}:{self.idempotency_key}"


class StagePaused(Fact):
    """A stage takes no more work until it is resumed."""

    TYPE = "stage.paused"
    stage: str
    by: str
    reason: str
    idempotency_key: str
    until: AwareDatetime | None = None
    """When it tries again by itself; None: not before somebody resumes it."""

    def key(self) -> str:
        """The client's idempotency key."""
        return f"{self.stage}:{self.idempotency_key}"


class StageResumed(Fact):
    """A paused stage works again."""

    TYPE = "stage.resumed"
    stage: str
    by: str
    idempotency_key: str

    def key(self) -> str:
        """The client's idempotency key."""
        return f"{self.stage}:{self.idempotency_key}"


class StageModelRequested(Fact):
    """A person wants every clip to be embedded by this model too: those that are there, and those that come."""

    TYPE = "stage.model_requested"
    model: str
    """Name and version, `name@version`, as the embedder says them."""
    strategy: str
    dimensions: Annotated[int, Field(gt=0, le=4000)]
    by: str
    idempotency_key: str

    def key(self) -> str:
        """The client's idempotency key."""
        return f"{self.model}:{self.strategy}:{self.idempotency_key}"


class StageModelChosen(Fact):
    """A person made this model the one that searches go by, from here on; the one before stays to be gone back to."""

    TYPE = "stage.model_chosen"
    model: str
    strategy: str
    near_duplicate: Annotated[float, Field(gt=0, le=1)]
    """Clips are near-duplicates from this cosine of their vectors on."""
    by: str
    idempotency_key: str

    def key(self) -> str:
        """The client's idempotency key."""
        return f"{self.model}:{self.strategy}:{self.idempotency_key}"
