"""Statistics of several workers as one sum: what each has counted since it told last. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ratelimit.er.stats import (
    MOST_RULES,
    OTHER,
    STATISTICS,
    TIMES,
    ErStats,
    Statistic,
    statsd_name,
)

MOST_OTHERS: Final = 100
"""Names that are of no rule; they are words of our own code."""


class Grown(NamedTuple):
    """What one worker has counted since it told last, or a part of it."""

    rules: Sequence[tuple[str, Sequence[int]]] = ()
    """Names, and by how much each of `STATISTICS` has grown."""
    others: Mapping[str, int] = {}
    """By statsd's name."""
    times: Sequence[int] = ()
    """One number for each of `TIMES`, and one; or none."""
    seconds: float = 0.0


class Growth:
    """Of one worker: what is to be told."""

    def __init__(self, stats: ErStats) -> None:
        self._stats = stats
        self._rules: dict[str, list[int]] = {}
        self._others: dict[str, int] = {}
        self._times = [0] * len(stats.times)
        self._seconds = 0.0

    def of_rules(self, names: Sequence[str]) -> Grown:
        """Of these rules."""
        grown = []
        for name in names:
            row = self._stats.rows[name]
            last = self._rules.get(name)
            if row != last:
                grown.append((name, _less(row, last) if last is not None else list(row)))
                self._rules[name] = list(row)
        return Grown(grown)

    def of_others(self) -> Grown:
        """Of all that is of no rule."""
        others = dict(self._stats.others())
        grown = {
            name: value - self._others.get(name, 0)
            for name, value in others.items()
            if value != self._others.get(name, 0)
        }
        times, seconds = list(self._stats.times), sum(self._stats.took)
        told = Grown((), grown, _less(times, self._times), seconds - self._seconds)
        self._others, self._times, self._seconds = others, times, seconds
        return told


class ErSums:
    """Of all workers, those included that are gone."""

    def __init__(self, most_rules: int = MOST_RULES) -> None:
        """`most_rules` names are apart, also where each worker has others."""
        self._most = most_rules
        self.rules: dict[str, list[int]] = {}
        self.others: dict[str, int] = {}
        self.times = [0] * (len(TIMES) + 1)
        self.seconds = 0.0

    def add(self, grown: Grown) -> None:
        """What a worker told."""
        for name, numbers in grown.rules:
            row = self._row(name)
            for index, number in enumerate(numbers):
                row[index] += number
        for name, number in grown.others.items():
            if name in self.others or len(self.others) < MOST_OTHERS:
                self.others[name] = self.others.get(name, 0) + number
        for index, number in enumerate(grown.times):
            self.times[index] += number
        self.seconds += grown.seconds

    def counters(self) -> Iterator[tuple[str, int]]:
        """Everything, by the names that statsd is told."""
        for rule, row in self.rules.items():
            for name, value in zip(STATISTICS, row, strict=True):
                if value:
                    yield statsd_name(Statistic(rule, name, value)), value
        yield from self.others.items()

    def _row(self, name: str) -> list[int]:
        if name not in self.rules and len(self.rules) >= self._most:
            # As many more names as there are domains, which are the operator's.
            name = f"{name.partition('.')[0]}.{OTHER}"
        return self.rules.setdefault(name, [0] * len(STATISTICS))


def _less(row: Sequence[int], last: Sequence[int]) -> list[int]:
    return [now - before for now, before in zip(row, last, strict=True)]
