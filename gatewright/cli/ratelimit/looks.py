"""What would become of each counter of a request, if it was counted."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ratelimit.algorithms.contract import Verdict as Said
from ratelimit.algorithms.decision import Use, counts_anyway
from ratelimit.decide import Answer, decide, decide_uses
from ratelimit.plan import Plan
from ratelimit.stores.contract import Hit


class Look(NamedTuple):
    """One counter."""

    counter: bytes
    before: int
    hits: int
    over: bool
    counted: bool
    """Whether the hits would be there afterwards."""
    resets: int
    """Whole seconds until the window ends, or all is as new."""


class Looked(NamedTuple):
    """All of a request."""

    answer: Answer
    looks: Sequence[Look]
    """One for each of `Plan.counted`."""


def plain(
    plan: Plan, now: float, before: Mapping[bytes, int], *, stop_when_over: bool = False
) -> Looked:
    """Of a plan of plain counters: what they say before, by their names; 0 where it is missing.

    With `stop_when_over` a refused request is counted by what refuses it alone.
    """
    hits: Sequence[Hit] = plan.hits(now) if plan.counted else ()
    after = dict(before)
    counts = []
    for hit in hits:  # a counter that is hit twice sees its first hit the second time
        after[hit.key] = after.get(hit.key, 0) + hit.addend
        counts.append(after[hit.key])
    answer = decide(plan, counts, now)
    spares = stop_when_over and answer.over
    looks = [
        Look(
            hit.key,
            count - hit.addend,
            hit.addend,
            over := count > counted.limit.requests,
            over or hit.addend < 0 or not (spares and counted.statistic),
            hit.ends - int(now),
        )
        for counted, hit, count in zip(plan.counted, hits, counts, strict=True)
    ]
    return Looked(answer, looks)


def undivided(plan: Plan, uses: Sequence[Use], left: Mapping[bytes, Said]) -> Looked:
    """Of one that is counted all or nothing: what remains of each before, by its name."""
    taken: dict[bytes, int] = {}
    fits = []
    for use in uses:
        free = left[use.key].remaining - taken.get(use.key, 0)
        allowed = left[use.key].allowed if use.hits == 0 else use.hits <= free
        fits.append(allowed or use.settles or use.hits < 0)
        if fits[-1]:
            taken[use.key] = taken.get(use.key, 0) + use.hits
    refused = any(use.enforced and not fit for use, fit in zip(uses, fits, strict=True))
    taken.clear()
    said, looks = [], []
    for use, fit in zip(uses, fits, strict=True):
        one = left[use.key]
        before = use.algorithm.capacity - one.remaining + taken.get(use.key, 0)
        counted = fit and (counts_anyway(use) or not refused)
        if counted:
            taken[use.key] = taken.get(use.key, 0) + use.hits
        remaining = max(one.remaining - taken.get(use.key, 0), 0)
        said.append(Said(fit, remaining, one.reset, None))
        resets = max(-(-one.reset // 1000), 1)
        looks.append(Look(use.key, before, use.hits, not fit, counted, resets))
    return Looked(decide_uses(plan, said), looks)
