"""Explains each recorded answer by the limits and the faults: what is left is a mistake. Pure.

Times are seconds of the right wall clock; windows are aligned to that of whoever counted. Who asked
knows only that a hit was counted between the request and its answer, and not at all whether what
failed was counted: both are taken for whatever explains an answer.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple, TypeAlias

Algorithm: TypeAlias = Literal[
    "fixed-window", "sliding-log", "sub-buckets", "token-bucket", "sliding-window"
]
PARTS = 10
"""Of a window of `sub-buckets`."""
MILLISECONDS = 0.002
"""Seconds by which counters round, and may call a window shorter or longer."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in each window."""

    requests: int
    window: int
    """Seconds."""
    on_error: Literal["deny", "allow", "share"] = "deny"
    algorithm: Algorithm = "fixed-window"
    """All but the first hold for every interval, not only for fixed windows. Who is refused does
    not count then, and the time is that of the counters."""
    least: int | None = None
    """While a bundle with another number is being loaded: the smaller of the two."""

    @property
    def smallest(self) -> int:
        return self.requests if self.least is None else self.least


@dataclass(frozen=True, slots=True)
class Answer:
    """One request, and what became of it."""

    limit: str
    begun: float
    ended: float
    verdict: Literal["ok", "over", "error"]
    degraded: bool = False
    clock: float = 0.0
    """How far the clock of who counted is ahead."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What was broken, and until when that may be noticed."""

    begun: float
    ended: float
    """When all must be as before: the end of the fault, and the bound of recovery."""
    failing: bool = True
    """Whether requests may fail meanwhile, or be answered without the store."""
    forgotten: int = 0
    """How often counters may begin anew."""

    def meets(self, begun: float, ended: float) -> bool:
        return begun <= self.ended and ended >= self.begun


class Judged(NamedTuple):
    """What came of it."""

    unexplained: Sequence[str]
    exact: int
    """Windows in which no fault was and more was asked than the limit: exactly that passed."""
    worst: float
    """The most that passed in one window, in limits, without what `onError: allow` let pass; in an
    interval of another algorithm, in what that lets pass there."""


def judge(
    answers: Sequence[Answer], limits: Mapping[str, Limit], faults: Sequence[Fault], workers: int
) -> Judged:
    """Judge all answers of a run; `workers` have a part of a limit each without the store."""
    whole = Judged([], 0, 0.0)
    for name, limit in limits.items():
        mine = [each for each in answers if each.limit == name]
        judge_one = _fixed if limit.algorithm == "fixed-window" else _sliding
        of_one = judge_one(name, limit, mine, faults, workers)
        whole = Judged(
            [*whole.unexplained, *of_one.unexplained],
            whole.exact + of_one.exact,
            max(whole.worst, of_one.worst),
        )
    return whole


def _failures(
    name: str, limit: Limit, answers: Sequence[Answer], faults: Sequence[Fault]
) -> list[str]:
    """Those without a fault, or that its `onError` does not say."""
    found = []
    for each in answers:
        if each.verdict == "error" or each.degraded:
            if not any(fault.failing and fault.meets(each.begun, each.ended) for fault in faults):
                found.append(f"{name}: {each} while nothing was broken")
            elif each.degraded and limit.on_error == "deny":
                found.append(f"{name}: {each} although its limit refuses without the store")
    return found


def _sliding(
    name: str, limit: Limit, answers: Sequence[Answer], faults: Sequence[Fault], _workers: int
) -> Judged:
    unexplained = _failures(name, limit, answers, faults)
    ordered = sorted(answers, key=lambda answer: answer.begun)
    passed = [each for each in ordered if each.verdict == "ok" and not each.degraded]
    # A server that was frozen counts what it was sent when it goes on.
    may_count = [
        (each.begun, _ended(each, faults) if each.verdict == "error" else each.ended)
        for each in ordered
        if each.verdict != "over"
    ]
    unexplained += [
        f"{name}: {each} when less than {limit.smallest} had passed"
        for each in ordered
        if each.verdict == "over" and not _explained(limit, each, may_count)
    ]
    worst = 0.0
    for place, first in enumerate(passed):
        end = first.begun + limit.window - MILLISECONDS
        near = [each.ended for each in passed[place:] if each.ended <= end]
        for count, ended in enumerate(sorted(near), 1):
            most = _most(limit, ended - first.begun)
            again = sum(each.forgotten for each in faults if each.meets(first.begun, ended))
            if count > most + again * limit.requests:
                unexplained.append(
                    f"{name}: {count} passed within {ended - first.begun} s: {first}"
                )
            worst = max(worst, count / most)
    return Judged(unexplained, 0, worst)


def _most(limit: Limit, seconds: float) -> float:
    """What may pass in an interval of a window at most, as each algorithm's file states it."""
    if limit.algorithm in ("sliding-log", "sub-buckets"):
        return limit.requests
    return limit.requests * (1 + (seconds + MILLISECONDS) / limit.window)


Counting: TypeAlias = Sequence[tuple[float, float]]
"""When each request that may have been counted was, at the earliest and at the latest, in the order
of the former."""


def _explained(limit: Limit, refused: Answer, may_count: Counting) -> bool:
    """Whether enough may have been counted before."""
    before = [each for each in may_count if each[0] < refused.ended]
    if limit.algorithm == "token-bucket":
        return _emptied(limit, refused, before)
    if limit.algorithm == "sliding-window":
        counted = (refused.begun - MILLISECONDS, refused.ended)
        first, last = (int(each // limit.window) for each in counted)
        return any(_in_sight(limit, refused, window, before) for window in range(first, last + 1))
    # The oldest part is in sight until all of it is out of the window.
    reach = limit.window * (1 + 1 / PARTS if limit.algorithm == "sub-buckets" else 1)
    begun = refused.begun - reach - MILLISECONDS
    return sum(last > begun for _, last in before) >= limit.smallest


def _emptied(limit: Limit, refused: Answer, before: Counting) -> bool:
    """More were counted since some moment than came back, and than the bucket holds."""
    most = limit.smallest
    for taken, (_, last) in enumerate(reversed(before), 1):
        came_back = most * max(refused.begun - last - MILLISECONDS, 0) / limit.window
        if taken > most - 1 + came_back:
            return True
    return False


def _in_sight(limit: Limit, refused: Answer, window: int, before: Counting) -> bool:
    """Those of this window, and of the last one by the share that was in sight."""
    start, length = window * limit.window, limit.window
    now = max(refused.begun - MILLISECONDS, start)

    def within(start: float) -> int:
        return sum(first < start + length and last >= start for first, last in before)

    seen = ceil(within(start - length) * (start + length - now) / length)
    return within(start) + seen >= limit.smallest


def _ended(answer: Answer, faults: Sequence[Fault]) -> float:
    """When all was over that it met."""
    met = [each.ended for each in faults if each.meets(answer.begun, answer.ended)]
    return max([answer.ended, *met])


def _fixed(
    name: str, limit: Limit, answers: Sequence[Answer], faults: Sequence[Fault], workers: int
) -> Judged:
    unexplained = _failures(name, limit, answers, faults)
    least = limit.smallest
    possible: dict[int, list[float]] = defaultdict(list)
    """By window: when each request that may have been counted in it was sent, in order."""
    for each in sorted(answers, key=lambda answer: answer.begun):
        for window in _windows(limit, each):
            possible[window].append(each.begun)
    passed: dict[int, int] = defaultdict(int)
    may_have_passed: dict[int, int] = defaultdict(int)
    passed_without: dict[int, int] = defaultdict(int)
    surely: dict[int, int] = defaultdict(int)

    for each in answers:
        windows = _windows(limit, each)
        if each.verdict == "over":
            needed = max(least // workers, 1) if each.degraded else least
            before = [bisect_left(possible[window], each.ended) - 1 for window in windows]
            if max(before) < needed:
                unexplained.append(f"{name}: {each} when {max(before)} of {needed} had come")
        if each.verdict == "ok" and not each.degraded:
            for window in windows:
                may_have_passed[window] += 1
        if len(windows) == 1:
            (window,) = windows
            surely[window] += 1
            if each.verdict == "ok":
                (passed_without if each.degraded else passed)[window] += 1

    exact, worst = 0, 0.0
    for window, asked in surely.items():
        met = [
            fault
            for fault in faults
            if fault.meets(window * limit.window, (window + 1) * limit.window)
        ]
        most = limit.requests * (1 + sum(fault.forgotten for fault in met))
        if passed[window] > most:
            unexplained.append(f"{name}: {passed[window]} passed in one window, not {most}")
        if limit.on_error == "share" and passed_without[window] > limit.requests:
            unexplained.append(f"{name}: {passed_without[window]} passed without the store")
        without = passed_without[window] if limit.on_error == "share" else 0
        worst = max(worst, (passed[window] + without) / limit.requests)
        if not met and asked >= limit.requests:
            exact += 1
            if may_have_passed[window] < least:
                unexplained.append(f"{name}: only {may_have_passed[window]} of {least} passed")
    return Judged(unexplained, exact, worst)


def _windows(limit: Limit, answer: Answer) -> Sequence[int]:
    begun, ended = answer.begun + answer.clock, answer.ended + answer.clock
    return range(int(begun) // limit.window, int(ended) // limit.window + 1)
