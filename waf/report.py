"""What is told of a transaction beside its decision: the counts, and the audit log."""

import random
from collections.abc import Callable
from typing import Final, Protocol

from waf.tally import Side, Tally
from waf.transaction import Transaction

TIMED: Final = 1 / 64
"""The share of transactions whose rules are timed. Timing costs 0.4 us a rule, so that with 50
rules that are asked a transaction pays 0.3 us on average."""


class Audit(Protocol):
    """The audit log."""

    def put(self, transaction: Transaction) -> None:
        """Writes a transaction that is over, if it is wanted; never waits."""
        ...


class Report:
    """Of one worker; shared by all transactions."""

    def __init__(
        self,
        tally: Tally,
        audit: Audit | None = None,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        """Begin.

        Args:
            tally: counts what rules come to.
            audit: None: there is no audit log.
            uniform: numbers from 0 to 1, by which transactions are chosen to be timed.
        """
        self._tally: Final = tally
        self._audit: Final = audit
        self._uniform: Final = uniform

    def timing(self, clock: Callable[[], float]) -> Callable[[], float] | None:
        """The clock that times the rules of the next transaction; None: they are not timed."""
        return clock if self._uniform() < TIMED else None

    def over(self, transaction: Transaction, policy: str) -> None:
        """A transaction is over, its phase 5 too.

        Args:
            transaction: of one request.
            policy: the name of the effective policy.
        """
        self._tally.add(transaction, policy)
        if self._audit is not None:
            self._audit.put(transaction)

    def uninspected(self, side: Side, size: int | None) -> None:
        """Some part of a body was not looked at, and passed.

        Args:
            side: whose.
            size: bytes that were not; None: nobody knows.
        """
        self._tally.uninspected(side, size)
