"""Decides by this worker's part of each limit while the store is away."""

import zlib
from collections.abc import Callable, Sequence

from callout.redis.presence import Place
from ratelimit.decide import Answer, decide, without_counts
from ratelimit.local.denied import Denied
from ratelimit.plan import Counted, Group, Plan
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.memory import MemoryStore


def part(requests: int, key: bytes, place: Place) -> int:
    """How many of a limit's requests one worker may let pass; the parts of all make the whole.

    What does not divide goes to some of them one each, to others for another counter.
    """
    each, rest = divmod(requests, place.of)
    return each + ((place.rank + zlib.crc32(key)) % place.of < rest)


class LocalShare:
    """Counters of this worker, used by nothing but limits with `onError: share`.

    What is let pass in one window, however often the store goes and comes back in it with its
    counters: at most the limit by the store, and at most the limit by all parts together, twice
    the limit. Each time the store comes back empty, at most the limit more.

    That holds while those who have a part know of each other. Workers that lose the store one
    after the other, each more than `ROUNDS` heartbeats after the one before, divide among ever
    fewer: n of them have at most 1 + 1/2 + ... + 1/n of the limit.

    Nothing is written to the store afterwards: what it answered too late it has counted, so hits
    that were counted here might be counted there a second time.
    """

    def __init__(
        self, place: Callable[[], Place | None], denied: Denied | None = None, most: int = 100_000
    ) -> None:
        """Decide.

        Args:
            place: which worker of how many this is; None: unknown, and there is no part then.
            denied: counters that were over before the store went away are still.
            most: counters that are kept.
        """
        self._place = place
        self._denied = denied
        self._counters = MemoryStore(most)

    def __len__(self) -> int:
        return len(self._counters)

    def answer(self, plan: Plan, now: float, known: Sequence[int | None] = ()) -> Answer | None:
        """Count and decide; None: some limit has no part here, and must not be passed without.

        Of an operator's domain that is a refusal and no None: its gateway may let an error pass.

        Limits that let pass without the store are left out, and those that could be asked: of
        `known`, they are no None.
        """
        place = self._place()
        if place is None:
            return _without_part(plan, known)
        groups = []
        keys = []
        asked, names = iter(known), iter(plan.keys)
        for group in plan.groups:
            shared = []
            for each in group.counted:
                key = next(names)
                if next(asked, None) is not None:
                    continue
                if each.on_error in ("deny", "refuse") and not each.shadow:
                    return None
                if each.on_error == "share":
                    shared.append(each)
                    keys.append(key)
            groups.append(Group(tuple(shared), group.unlimited))
        parts = Plan(tuple(groups), plan.policy, keys=tuple(keys))
        # Of a limit in quota mode that is left out something may be left.
        parts.quotas = plan.quotas
        if not parts.counted:
            return None
        hits = parts.hits(now)
        counts = []
        after = self._counters.add(hits, now, None, _counts)
        for counted, key, hit, count in zip(parts.counted, keys, hits, after, strict=True):
            # As if all others had used theirs up.
            limit = counted.limit.requests
            of_others = limit - part(limit, key, place)
            last = self._denied.last(hit.key, now) if self._denied is not None else 0
            counts.append(max(of_others + count, last if last > limit else 0))
        return decide(parts, counts, now)


def _refusing(counted: Counted) -> Counted:
    return counted._replace(on_error="refuse") if counted.on_error == "share" else counted


def _without_part(plan: Plan, known: Sequence[int | None]) -> Answer | None:
    groups = []
    for group in plan.groups:
        refusing = group.counted
        if group.rule is not None:
            refusing = tuple(map(_refusing, refusing))
        groups.append(group._replace(counted=refusing))
    return without_counts(Plan(tuple(groups), plan.policy), known=known)


def _counts(counts: Sequence[int] | StoreUnavailable) -> Sequence[int]:
    if isinstance(counts, StoreUnavailable):
        raise TypeError("memory is never away")
    return counts
