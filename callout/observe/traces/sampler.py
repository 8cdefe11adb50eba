"""Which requests are traced. Pure: time and chance are arguments."""

from typing import Final

from callout.observe.traces.context import Context

_BURST: Final = 1.0
"""Seconds for which callers that were quiet may exceed the ceiling."""


class Sampler:
    """Follows the caller's choice, up to a ceiling; chooses by chance where nobody has chosen.

    Envoy hands on the flag `sampled` as its own client sent it, unless it is told otherwise. Who
    sets it on every request would make us record and send everything, so there is a ceiling: a
    token bucket that all callers share. Beyond it such a request is like one without a context,
    which the ratio decides about.
    """

    __slots__ = ("_ceiling", "_most", "_ratio", "_then", "_tokens", "refused")

    def __init__(self, ratio: float, ceiling: float) -> None:
        """Prepares.

        Args:
            ratio: share of the requests without a context that are traced.
            ceiling: traces a second that callers can ask for.
        """
        self._ratio = ratio
        self._ceiling = ceiling
        self._most = max(ceiling * _BURST, 1.0) if ceiling else 0.0
        self._tokens = self._most
        self._then = 0.0
        self.refused = 0
        """Traces that a caller asked for and did not get."""

    def sample(self, parent: Context | None, now: float, chance: float) -> bool:
        """Whether to trace this request.

        Args:
            parent: the caller's context; one that is not sampled is respected.
            now: seconds of any clock that never goes back.
            chance: evenly spread, 0 <= chance < 1.
        """
        if parent is None:
            return chance < self._ratio
        if not parent.sampled:
            return False
        tokens = min(self._tokens + (now - self._then) * self._ceiling, self._most)
        self._then = now
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            return True
        self._tokens = tokens
        if chance < self._ratio:
            return True
        self.refused += 1
        return False
