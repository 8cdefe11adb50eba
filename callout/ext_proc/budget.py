"""How many bytes of bodies are kept: by one exchange, and by all of the process.

With FULL_DUPLEX_STREAMED no limit of the gateway's holds what it sends us, nor does any of its
timers.
"""


class Budget:
    """The bytes that all exchanges of this process keep."""

    __slots__ = ("held", "most", "most_each")

    def __init__(self, most: int, most_each: int) -> None:
        """Nothing is kept yet.

        Args:
            most: bytes of all exchanges together.
            most_each: bytes of one, both directions.
        """
        self.most = most
        self.most_each = most_each
        self.held = 0


class Share:
    """The bytes that one exchange keeps."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0

    def take(self, size: int) -> bool:
        """Keep so many bytes more; False: there is no room, and nothing is kept."""
        budget = self._budget
        if self.held + size > budget.most_each or budget.held + size > budget.most:
            return False
        self.held += size
        budget.held += size
        return True

    def give(self, size: int) -> None:
        """So many bytes are no longer kept."""
        self.held -= size
        self._budget.held -= size

    def close(self) -> None:
        """Nothing is kept any more."""
        self.give(self.held)
