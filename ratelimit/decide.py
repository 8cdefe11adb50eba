"""From a plan and its counters to the answer. Pure: time is an argument."""

from collections.abc import Sequence
from typing import NamedTuple

from ratelimit.algorithms.contract import Verdict as Said
from ratelimit.limits import MOST_REQUESTS, Limit, window
from ratelimit.plan import Plan


class Verdict(NamedTuple):
    """What is said of one descriptor."""

    over: bool = False
    limit: Limit | None = None
    """The limit that decided; None: none, or none that clients should see."""
    remaining: int = 0
    reset: int = 0
    """Whole seconds, rounded up, at least 1; 0 without a limit. Until the window ends; of another
    algorithm until the same hits would fit, or, of what passes, until all is as new."""


class Answer(NamedTuple):
    """What is said of one request."""

    over: bool
    """Some limit that is enforced is over."""
    verdicts: Sequence[Verdict]
    """One for each descriptor, in order."""
    shadow: bool = False
    """Some limit in shadow is over, and none that is enforced."""
    limit: Limit | None = None
    """The limit that is over, in shadow too; for the log."""
    known: bool = False
    """The store was not asked: every counter of the request was known to be over
    (envoyproxy/ratelimit counts `over_limit_with_local_cache`)."""


NOT_LIMITED = Verdict()
UNLIMITED = Verdict(remaining=MOST_REQUESTS)
_REFUSED = Verdict(over=True)
_new = tuple.__new__
"""Makes a named tuple in half the time: its own `__new__` is a function in Python."""


def decide(plan: Plan, counts: Sequence[int], now: float) -> Answer:
    """Judge the counters as they are after this request's own hits: over means above the limit.

    So a hit of 0 at the limit is OK with nothing remaining, as in envoyproxy/ratelimit. A limit
    in shadow is shown while something remains; unlike there, it is hidden once nothing does,
    because Envoy would tell clients `remaining: 0` and they would hold back (`tells_shadow`: not).

    Args:
        plan: what was counted.
        counts: the counters, one for each of `plan.counted`.
        now: the time that the hits were made for, seconds since the epoch.
    """
    verdicts = []
    refusing: Limit | None = None
    shadowed: Limit | None = None
    second = int(now)
    place = 0
    quotas = plan.quotas
    for group in plan.groups:
        verdict: Verdict | None = None
        best: tuple[bool, bool, int] | None = None
        for limit, addend, shadow, _, quota, _, _, _, _ in group.counted:
            remaining = limit.requests - counts[place]
            place += 1
            over = remaining < 0 <= addend  # who gives back is not refused
            if shadow and remaining <= 0:
                if over:
                    shadowed = limit
                if not plan.tells_shadow:
                    continue
                over = False
            length = limit.unit.seconds
            reset = length - second % length if length else window(second, 0)[1] - second
            if over:
                if quota:
                    quotas -= 1
                    if not quotas and refusing is None:
                        refusing = limit
                else:
                    refusing = limit
            if remaining < 0:
                remaining = 0
            if len(group.counted) > 1:
                # Of several limits the one that refuses, longest first; else the tightest.
                rank = (not over, shadow, -reset if over else remaining)
                if best is not None and rank >= best:
                    continue
                best = rank
            verdict = _new(Verdict, (over, limit, remaining, reset))
        if verdict is None:
            verdict = UNLIMITED if group.unlimited else NOT_LIMITED
        verdicts.append(verdict)
    over = refusing is not None
    shadow = shadowed is not None and not over
    return _new(Answer, (over, verdicts, shadow, refusing or shadowed, False))


def decide_uses(plan: Plan, said: Sequence[Said | None]) -> Answer:
    """The same by what the algorithms said of `plan.uses`; None: this one was not asked.

    Who is refused is told of the limit that refused longest, and when to come again. A request
    that is more than the limit ever holds is told when nothing would be counted any more.
    """
    verdicts = []
    refusing: Limit | None = None
    shadowed: Limit | None = None
    longest = 0
    place = 0
    for group in plan.groups:
        verdict: Verdict | None = None
        best: tuple[bool, bool, int] | None = None
        for counted in group.counted:
            one = said[place]
            place += 1
            if one is None:
                continue
            limit, shadow = counted.limit, counted.shadow
            over = not one.allowed
            if shadow:
                if over:
                    shadowed = limit
                if over or not one.remaining:
                    continue
            wait = one.retry_after if over and one.retry_after is not None else one.reset
            reset = max(-(-wait // 1000), 1)
            if over and reset > longest:
                refusing, longest = limit, reset
            rank = (not over, shadow, -reset if over else one.remaining)
            if best is None or rank < best:
                best = rank
                verdict = Verdict(over, limit, one.remaining, reset)
        if verdict is None:
            verdict = UNLIMITED if group.unlimited else NOT_LIMITED
        verdicts.append(verdict)
    over = refusing is not None
    return Answer(over, verdicts, shadowed is not None and not over, refusing or shadowed)


def over_known(plan: Plan, known: Sequence[int | None], now: float) -> Answer | None:
    """The refusal by those counters that could be asked; None: they refuse nothing.

    Whatever the others would say, who is over one limit is over.
    """
    answer = decide(plan, [count or 0 for count in known], now) if known else None
    return answer if answer is not None and answer.over else None


def without_counts(
    plan: Plan, shadow: bool = False, known: Sequence[int | None] = ()
) -> Answer | None:
    """The answer when the counters could not be asked; None: some limit does not let pass then.

    With `shadow` all are in shadow, and do. What is refused then is not told as a limit. Those of
    `known` that are no None were asked, and let pass.
    """
    verdicts = []
    place = -1
    for group in plan.groups:
        verdict = UNLIMITED if group.unlimited else NOT_LIMITED
        for counted in group.counted:
            place += 1
            if counted.on_error == "allow" or shadow or counted.shadow:
                continue
            if known and known[place] is not None:
                continue
            if counted.on_error != "refuse":
                return None
            verdict = _REFUSED
        verdicts.append(verdict)
    return Answer(any(verdict.over for verdict in verdicts), verdicts)
