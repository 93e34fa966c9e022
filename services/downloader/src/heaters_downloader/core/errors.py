"""Why something is not brought, each error named for the rule or the problem.

`Refused` and what derives from it will be the same next time; anything else is worth another try. `problem` is the same in one
word for programs: it stands in stage.failed.
"""


class Refused(ValueError):
    """It cannot be brought, and trying again would not change that."""

    problem = "refused"


class ForbiddenAddress(Refused):
    """A name or address that leads to a machine which is not on the public internet."""

    problem = "forbidden_address"


class UnsupportedScheme(Refused):
    """Not http or https, or no URL at all."""

    problem = "unsupported"


class Gone(Refused):
    """There is nothing at this address: 404, 410, removed, not available here."""

    problem = "gone"


class NeedsCredentials(Refused):
    """It is there, and only for some: 401, 403, private, behind a login or a payment."""

    problem = "needs_credentials"


class TooLarge(Refused):
    """More bytes than the limit, by what the site says or by what came."""

    problem = "too_large"


class NotAVideo(Refused):
    """What is there is something else."""

    problem = "not_a_video"


class Unintelligible(Refused):
    """A page or a stream's manifest that makes no sense."""

    problem = "unintelligible"


class TooLong(Refused):
    """A longer video than is taken in, by what the site says."""

    problem = "too_long"


class ListInLists(Refused):
    """A playlist or channel that lies in a list of lists: those may go on for ever, or in a circle."""

    problem = "list_in_lists"


class UnsupportedStream(Refused):
    """A stream of a kind that is not downloaded here: protected, live, or of another protocol than HTTP(S)."""

    problem = "unsupported"


class ForbiddenBucket(Refused):
    """The bucket is not one that sources may come from."""

    problem = "forbidden_bucket"


class QualityLost(Refused):
    """What was got is less than what the site offers."""

    problem = "quality_lost"


class TryLater(Exception):
    """It did not work now: a limit of rate, an error of the server, a broken connection.

    Attributes:
        retry_after_s: how long the site asks us to wait, if it does.
    """

    failure_class = "transient"
    problem = "retry_later"

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason, retry_after_s)  # both, so that it comes back whole out of a child process
        self.reason = reason
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.reason


class Throttled(TryLater):
    """The site does not want to be asked so often, or takes us for a robot: nobody should ask it for a while."""

    problem = "throttled"
