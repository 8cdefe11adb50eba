"""Log lines that strangers can cause: one of a kind a second, which says how many were left out."""

EVERY = 1.0
"""Seconds between two lines of a kind: what fails for one request fails for every one."""


class Paced:
    """Says when a line may be written. Pure: time is an argument."""

    __slots__ = ("_left_out", "_next")

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def due(self, kind: str, now: float) -> int | None:
        """Whether a line of this kind may be written now.

        Args:
            kind: a stable word, never a stranger's: each is remembered.
            now: seconds of a monotonic clock.

        Returns:
            How many lines of the kind were left out since the last; None: this is one more.
        """
        if now < self._next.get(kind, now):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        self._next[kind] = now + EVERY
        return self._left_out.pop(kind, 0)
