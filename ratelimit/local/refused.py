"""Requests that need not be asked about again at once: the algorithms' part of the deny cache."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from ratelimit.algorithms.contract import Algorithm, Verdict
from ratelimit.algorithms.decision import Use, counts_anyway
from ratelimit.local.denied import TRUST
from ratelimit.plan import Plan


class Known(NamedTuple):
    """What was refused of one counter."""

    algorithm: Algorithm
    hits: int
    since: float
    """Seconds since the epoch."""
    until: float
    """No longer than the algorithm said."""
    said: Verdict


class Refused:
    """A bounded table of counters that refused. Times are arguments, in seconds since the epoch.

    One limit that refuses is enough: nothing of that request is counted, so there is nothing to
    ask. A limit that was loaded again is another one, and asked for; so one that was raised has
    room at once. Who asks for fewer hits than were refused is asked for, too.
    """

    def __init__(self, trust: float = TRUST, most: int = 16_384) -> None:
        """Believe a refusal for `trust` seconds; know `most` of them (about 500 bytes each)."""
        self._trust = trust
        self._most = most
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self.until = 0.0
        """From then on nothing that is known is trusted."""

    def __len__(self) -> int:
        return len(self._known)

    def note(self, uses: Sequence[Use], said: Sequence[Verdict], now: float) -> None:
        """Remember those that refused, and forget those that were given back."""
        known = self._known
        for use, one in zip(uses, said, strict=True):
            if use.hits < 0:
                known.pop(use.key, None)
            elif use.enforced and not one.allowed:
                if len(known) >= self._most and use.key not in known:
                    known.popitem(last=False)
                wait = self._trust
                if one.retry_after is not None:
                    wait = min(wait, one.retry_after / 1000)
                known[use.key] = Known(use.algorithm, use.hits, now, now + wait, one)
                known.move_to_end(use.key)
                self.until = max(self.until, now + wait)

    def said(self, uses: Sequence[Use], now: float) -> list[Verdict | None] | None:
        """What is known to refuse, at its place; None: the store must be asked."""
        found: list[Verdict | None] = []
        refused = False
        for use in uses:
            if counts_anyway(use):
                return None
            known = self._known.get(use.key)
            # The clock may have been set back.
            if (
                known is None
                or not use.enforced
                or known.algorithm is not use.algorithm
                or use.hits < known.hits
                or not known.since <= now < known.until
            ):
                found.append(None)
                continue
            refused = True
            passed = int((now - known.since) * 1000)
            retry = known.said.retry_after
            found.append(
                known.said._replace(
                    reset=max(known.said.reset - passed, 0),
                    retry_after=None if retry is None or use.hits > known.hits else retry - passed,
                )
            )
        return found if refused else None


def full(plan: Plan, said: Sequence[Verdict]) -> list[int]:
    """For `Denied`, which must know while the store is away who was over before.

    One more than the limit where nothing was left, else 0.
    """
    return [
        counted.limit.requests + 1 if not one.allowed and not one.remaining else 0
        for counted, one in zip(plan.counted, said, strict=True)
    ]
