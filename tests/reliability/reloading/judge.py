"""What the answers to an open loop say about the bundles that decided them."""

import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.reliability.reloading.open_loop import FAILED, MIXED, OF_A, OF_B, OURSELVES, Call


class Turn(NamedTuple):
    """One reload."""

    to: int
    """OF_A or OF_B."""
    began: float
    """When the bundle's link was turned."""
    done: float
    """When all workers had said that they decide by it."""


@dataclass(frozen=True)
class Judged:
    """The answers of one run."""

    answered: int
    failed: int
    mixed: int
    stale: int
    """By the bundle before, although asked after the worker had said it decides by the new one;
    or by the new one before its link was turned."""
    back: int
    """By the bundle before, after an answer on the same connection by the new one."""


def judge(calls: Iterable[Call], turns: Sequence[Turn], first: int = OF_A) -> Judged:
    """Compares each answer with what may have decided it; calls in the order of their answers.

    Args:
        calls: of one run.
        turns: its reloads, in their order.
        first: the bundle before all of them.
    """
    possible = [first, *(turn.to for turn in turns)]
    began, done = [turn.began for turn in turns], [turn.done for turn in turns]
    seen: Counter[int] = Counter()
    stale = back = 0
    place: dict[tuple[int, int], int] = {}
    for call in calls:
        if call.kind == OURSELVES:
            continue
        seen[call.answer] += 1
        if call.answer not in (OF_A, OF_B):
            continue
        earliest = bisect.bisect_right(done, call.sent)
        latest = bisect.bisect_right(began, call.answered)
        lane = (call.connection, call.kind)
        now = place.get(lane, 0)
        matching = [at for at in range(earliest, latest + 1) if possible[at] == call.answer]
        if not matching:
            stale += 1
        elif matching[-1] < now:
            back += 1
        else:
            place[lane] = max(now, matching[0])
    return Judged(sum(seen.values()), seen[FAILED], seen[MIXED], stale, back)
