"""Counters that are known to be over their limit: no need to ask the store again at once."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from ratelimit.plan import Plan
from ratelimit.stores.contract import Hit

TRUST = 0.1
"""Seconds. A refund, or a counter that was reset by hand, is seen by every worker of every replica
at most so much later. Of a flood against one counter ten requests a second and worker still reach
Redis, whatever its rate."""


class Known(NamedTuple):
    """What was seen of one counter."""

    counter: int
    since: float
    """Seconds since the epoch."""
    ends: int
    """When its window does, in seconds since the epoch."""


class Denied:
    """A bounded table of them. Times are in seconds since the epoch, and arguments.

    It keeps counters and not refusals: a limit that was raised by a reload is compared anew, and
    one that has room again is asked for. Nothing is counted for what is answered from here.

    A request costs 4.2 us without this table and with it (counters in memory, observer off, best of
    25 x 20,000); 0.6 us more while somebody else is refused. A refusal from here costs 5.1 us of
    processor time, where one that Redis is asked for costs about three times that, and waits.
    """

    def __init__(self, trust: float = TRUST, most: int = 16_384) -> None:
        """Believe a counter for `trust` seconds; know `most` of them (about 300 bytes each)."""
        self._trust = trust
        self._most = most
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self.until = 0.0
        """From then on nothing that is known is trusted: the whole cost while nobody is refused is
        to compare with this."""

    def __len__(self) -> int:
        return len(self._known)

    def note(self, plan: Plan, hits: Sequence[Hit], counts: Sequence[int], now: float) -> None:
        """Remember those of `counts` that are over: the counters after `hits`."""
        known = self._known
        for counted, hit, count in zip(plan.counted, hits, counts, strict=True):
            if count > counted.limit.requests:
                if len(known) >= self._most and hit.key not in known:
                    known.popitem(last=False)
                known[hit.key] = Known(count, now, hit.ends)
                known.move_to_end(hit.key)
                self.until = max(self.until, now + self._trust)

    def counts(self, plan: Plan, hits: Sequence[Hit], now: float) -> list[int] | None:
        """The counters, if all of them are over and trusted; else None: ask the store.

        All, because the others must be counted or left alone as their rules say, and that is for
        the store to do. Counters of a request that gives hits back are forgotten.
        """
        counts = []
        for counted, hit in zip(plan.counted, hits, strict=True):
            if hit.addend < 0:
                self.forget(hits)
                return None
            known = self._known.get(hit.key)
            # Of many hits that did not fit it is known only that none more would (`full`); who
            # asks with none is let pass at exactly the limit.
            if known is None or known.counter <= counted.limit.requests + (not hit.addend):
                return None
            # The clock may have been set back.
            if not known.since <= now < known.since + self._trust:
                return None
            counts.append(known.counter)
        return counts

    def last(self, key: bytes, now: float) -> int:
        """The counter as last seen, however long ago, for when the store is away; 0: unknown."""
        known = self._known.get(key)
        return known.counter if known is not None and now < known.ends else 0

    def forget(self, hits: Sequence[Hit]) -> None:
        """These are about to be given back: this worker asks the store from now on."""
        for hit in hits:
            self._known.pop(hit.key, None)
