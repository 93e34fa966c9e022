"""How long to wait before something that ended is started again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """A pause that doubles with every failure, and begins anew after a time of health.

    Attributes:
        failures: how many there were since the last time of health.
    """

    first_s: float = 0.5
    longest_s: float = 30
    reset_after_s: float = 60
    failures: int = 0

    @property
    def pause_s(self) -> float:
        """The pause after the latest failure; 0 when there was none."""
        if self.failures == 0:
            return 0
        return float(min(self.first_s * 2 ** min(self.failures - 1, 30), self.longest_s))

    def failed(self, *, healthy_s: float) -> "Backoff":
        """It ended, after `healthy_s` of health in one piece."""
        failures = 1 if healthy_s >= self.reset_after_s else self.failures + 1
        return Backoff(self.first_s, self.longest_s, self.reset_after_s, failures)
