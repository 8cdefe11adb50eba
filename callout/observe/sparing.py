"""Says when a line that could come with every connection may be logged."""


class Sparing:
    """One line a second for each kind of event, with the number of those that were left out."""

    def __init__(self, seconds: float = 1.0, most: int = 256) -> None:
        """Prepares.

        Args:
            seconds: between two lines of one kind.
            most: kinds that are told apart; further ones share the time of one.
        """
        self._seconds = seconds
        self._most = most
        self._kinds: dict[str, tuple[float, int]] = {}

    def due(self, kind: str, now: float) -> int | None:
        """Whether to log an event of this kind.

        Args:
            kind: a word of our own, not a peer's.
            now: seconds of a monotonic clock.

        Returns:
            None: not now. Else: log it, and say how many were left out since the last one.
        """
        if kind not in self._kinds and len(self._kinds) >= self._most:
            kind = ""
        due_at, silent = self._kinds.get(kind, (now, 0))
        if now < due_at:
            self._kinds[kind] = (due_at, silent + 1)
            return None
        self._kinds[kind] = (now + self._seconds, 0)
        return silent
