"""How long to wait before the next attempt to reach a server. Pure: chance is an argument."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles up to the longest, give or take a share: a fleet does not come at once."""

    first: float
    """Seconds before the second attempt."""
    longest: float
    """Seconds before any attempt, before chance has its say."""
    jitter: float = 0.5
    """The share that chance gives or takes; 0 to 1."""

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait.

        Args:
            failures: attempts in a row that failed, from 1.
            chance: at least 0 and less than 1, each as likely as another.
        """
        # 2 ** 63 is beyond any bound: a server that is away for years must not overflow.
        steps = min(max(failures, 1) - 1, 63)
        spread = 1.0 + self.jitter * (2.0 * chance - 1.0)
        return min(self.longest, self.first * 2.0**steps) * spread
