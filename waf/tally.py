"""Counting what rules come to: plain integers, read out twice a second."""

from bisect import bisect_left
from typing import Final, Literal, NamedTuple, TypeAlias

from callout.observe.tallies import Names
from waf.scores import scores
from waf.transaction import Transaction

Side: TypeAlias = Literal["request", "response"]
SIDES: Final[tuple[Side, Side]] = ("request", "response")
SCORES: Final = (0, 2, 4, 5, 7, 10, 15, 20, 30, 50, 100)
"""Upper bounds of the histogram's buckets. CRS adds 2 to 5 for a rule, and refuses from 5 on."""
_POLICIES: Final = 200
"""Policies that have scores of their own; the rest are one, `other`. As for decisions."""
RULES: Final = 1000
"""Rules that have series of their own, the first that match or are timed; the rest are one. CRS
has 600 with all its levels of paranoia."""


class ScoreRow(NamedTuple):
    """Scores since the last reading."""

    policy: str
    side: Side
    buckets: list[int]
    """One number for each of SCORES, and one for what is larger."""
    total: int


class Tally:
    """Of one worker. A transaction costs 1.3 us here, and 0.4 us a rule that it logs."""

    def __init__(self) -> None:
        self.hits: Final[dict[str, int]] = {}
        """Matches of rules that say `log`, by the rule's id."""
        self.seconds: Final[dict[str, float]] = {}
        """How long rules took in the transactions that were timed, by the rule's id; their
        nomination is `nomination`."""
        self.timed = 0
        """Transactions that were timed."""
        self.nominated = 0
        """Rules that could have matched, and so were asked about each value."""
        self.confirmed = 0
        """Of those, rules that matched."""
        self.out_of_time = 0
        """Transactions whose budget was spent before all rules had run."""
        self.uninspected_bodies: Final[dict[str, int]] = dict.fromkeys(SIDES, 0)
        """Bodies of which some part was not looked at, by side."""
        self.uninspected_bytes: Final[dict[str, int]] = dict.fromkeys(SIDES, 0)
        """Bytes of those, as far as their number was known."""
        self._rules: Final = Names(RULES)
        self._policies: Final = Names(_POLICIES)
        self._scores: Final[dict[tuple[str, Side], list[int]]] = {}

    def add(self, transaction: Transaction, policy: str) -> None:
        """Counts a transaction that is over."""
        self.nominated += transaction.nominated
        matched = transaction.matched
        self.confirmed += len(matched)
        if transaction.out_of_time:
            self.out_of_time += 1
        for match in matched:
            # The others keep the books of a rule set: some match in every transaction.
            if match.logged:
                rule = self._rules.admit(str(match.labels.id))
                self.hits[rule] = self.hits.get(rule, 0) + 1
        inbound, outbound = scores(transaction.state.tx)
        self._score(policy, "request", inbound)
        if transaction.state.response is not None:
            self._score(policy, "response", outbound)
        if transaction.spent:
            self.timed += 1
            for number, seconds in transaction.spent.items():
                rule = self._rules.admit(str(number)) if number else "nomination"
                self.seconds[rule] = self.seconds.get(rule, 0.0) + seconds

    def uninspected(self, side: Side, size: int | None) -> None:
        """Some part of a body was not looked at.

        Args:
            side: whose.
            size: bytes that were not; None: nobody knows.
        """
        self.uninspected_bodies[side] += 1
        self.uninspected_bytes[side] += size or 0

    def take_scores(self) -> list[ScoreRow]:
        """What was scored since the last call."""
        rows = []
        for (policy, side), row in self._scores.items():
            *buckets, total = row
            if any(buckets):
                rows.append(ScoreRow(policy, side, buckets, total))
                row[:] = [0] * len(row)
        return rows

    def _score(self, policy: str, side: Side, score: int) -> None:
        if policy not in self._policies.known:
            policy = self._policies.admit(policy)
        row = self._scores.get((policy, side))
        if row is None:
            row = self._scores[policy, side] = [0] * (len(SCORES) + 2)
        row[bisect_left(SCORES, score)] += 1
        row[-1] += score
