"""What the limits of one request do to each other: all or nothing, or each for itself. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ratelimit.algorithms.contract import (
    NEW,
    Algorithm,
    State,
    Verdict,
    charge,
    check,
    refund,
    settle,
)


class Use(NamedTuple):
    """One counter that a request uses."""

    key: bytes
    """Names the counter, `Algorithm.shape` included: it is the same in every window."""
    algorithm: Algorithm
    hits: int
    """Above 0: to count. 0: only look. Below 0: to give back; always allowed, and always done."""
    enforced: bool = True
    """False: counted as if it were, but what does not fit refuses nothing (shadow)."""
    strict: bool = False
    """0 hits only fit where 1 would."""
    each: bool = False
    """True: what fits is counted although another limit of the request refuses."""
    settles: bool = False
    """True: the hits were made already: they are counted whether they fit or not, and refuse
    nothing."""


class Outcome(NamedTuple):
    """What came of one request."""

    verdicts: list[Verdict]
    """One for each use, in order."""
    changed: dict[bytes, State]
    """What the store must keep. Nothing else changed."""


def decide_each(uses: Sequence[Use], states: Mapping[bytes, State], now: int) -> Outcome:
    """Each limit counts what fits it, whatever the others say; as envoyproxy/ratelimit does.

    (There, hits that do not fit are counted too, until the window ends.)

    Args:
        uses: what the request uses; a key that occurs twice sees its own first hits.
        states: what the store holds; a key may be missing.
        now: milliseconds since the epoch.
    """
    changed: dict[bytes, State] = {}
    verdicts = []
    for use in uses:
        key, algorithm, hits, _, strict, _, settles = use
        state = changed.get(key)
        if state is None:
            state = states.get(key, NEW)
        if hits < 0:
            after, verdict = refund(algorithm, state, now, -hits)
        elif settles:
            after, verdict = settle(algorithm, state, now, hits)
        else:
            after, verdict = charge(algorithm, state, now, hits, strict=strict)
        if after is not state:
            changed[key] = after
        verdicts.append(verdict)
    return Outcome(verdicts, changed)


def decide_together(uses: Sequence[Use], states: Mapping[bytes, State], now: int) -> Outcome:
    """All that fits is counted if every enforced limit allows its hits, and nothing otherwise.

    So who is refused by one limit does not use up another. A limit in shadow counts what fits it
    when the request passes, and nothing otherwise. Refunds and what is settled are of hits in the
    past: they are made whatever becomes of the others. So is what a limit counts for itself
    (`each`).

    The verdicts of a refused request say what is left without it.
    """
    outcome = decide_each(uses, states, now)
    for use, verdict in zip(uses, outcome.verdicts, strict=True):
        if use.enforced and not verdict.allowed:
            break
    else:
        return outcome
    kept = decide_each([use for use in uses if counts_anyway(use)], states, now).changed
    verdicts = []
    for use, verdict in zip(uses, outcome.verdicts, strict=True):
        left = check(use.algorithm, kept.get(use.key) or states.get(use.key, NEW), now)
        verdicts.append(verdict._replace(remaining=left.remaining, reset=left.reset))
    return Outcome(verdicts, kept)


def counts_anyway(use: Use) -> bool:
    """Whether it is made also when another limit refuses the request."""
    return use.each or use.settles or use.hits < 0
