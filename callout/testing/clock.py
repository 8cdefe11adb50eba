"""Time that the test moves."""


class Clock:
    """Call it for the time, like `time.monotonic` or `time.time`; it stands still until moved."""

    def __init__(self, now: float = 1_735_689_600.0) -> None:
        """`now` is in seconds; the default is 2025-01-01 00:00:00 UTC, a window border."""
        self.now = now

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now

    def move(self, seconds: float) -> None:
        """Lets time pass; never backwards.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self.now += seconds
