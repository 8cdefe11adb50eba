"""How many events a second are kept: a bucket of tokens, as OPA's limiter is one. Pure."""


class Rate:
    """Lets so many pass a second, and as many at once."""

    def __init__(self, per_second: float) -> None:
        """Begins with a full bucket."""
        self._per_second = per_second
        self._most = max(1.0, float(int(per_second)))  # of OPA: the burst is a whole number
        self._left = self._most
        self._at = 0.0

    def passing(self, count: int, now: float) -> int:
        """How many of `count` events pass.

        Args:
            count: events that are there.
            now: seconds, never less than the time before.
        """
        if self._at:
            self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        passing = min(count, int(self._left))
        self._left -= passing
        return passing
