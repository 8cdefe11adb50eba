"""The answer, from counters as they are after the request's own hits."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.decide import NOT_LIMITED, UNLIMITED, Verdict, decide, without_counts
from ratelimit.limits import DAY, HOUR, MINUTE, SECOND, YEAR, Limit, Unit
from ratelimit.plan import Counted, Group, Plan
from ratelimit.stores.contract import LARGEST_ADDEND

NOW = 1_735_689_600.25  # a quarter of a second into a day
TEN = Limit(10, MINUTE, "ten")
FIVE_AN_HOUR = Limit(5, HOUR, "five")
BAN = Limit(0, DAY, "ban")


def counted(limit: Limit, shadow: bool = False, allow_on_error: bool = False) -> Counted:
    return Counted(limit, 1, shadow, "allow" if allow_on_error else "deny")


def plan(*groups: Group) -> Plan:
    return Plan(groups)


def one(limit: Limit, shadow: bool = False) -> Plan:
    return plan(Group((counted(limit, shadow),)))


class Case(NamedTuple):
    plan: Plan
    counts: list[int]
    over: bool
    verdicts: list[Verdict]
    shadow: bool = False


CASES = {
    "the first hit": Case(one(TEN), [1], False, [Verdict(False, TEN, 9, 60)]),
    "the last that fits": Case(one(TEN), [10], False, [Verdict(False, TEN, 0, 60)]),
    "one too many": Case(one(TEN), [11], True, [Verdict(True, TEN, 0, 60)]),
    "a batch too large": Case(one(TEN), [500], True, [Verdict(True, TEN, 0, 60)]),
    "a look at nothing": Case(one(TEN), [0], False, [Verdict(False, TEN, 10, 60)]),
    "a look at a ban": Case(one(BAN), [0], False, [Verdict(False, BAN, 0, 86400)]),
    "a ban": Case(one(BAN), [1], True, [Verdict(True, BAN, 0, 86400)]),
    "a saturated counter": Case(one(TEN), [2**63 - 1], True, [Verdict(True, TEN, 0, 60)]),
    "the largest addend is above the largest limit": Case(
        one(largest := Limit(2**32 - 1, MINUTE)),
        [LARGEST_ADDEND],
        True,
        [Verdict(True, largest, 0, 60)],
    ),
    "nothing matched": Case(plan(Group()), [], False, [NOT_LIMITED]),
    "unlimited": Case(plan(Group(unlimited=True)), [], False, [UNLIMITED]),
    "as many statuses as descriptors, in order": Case(
        plan(Group(), Group((counted(TEN),)), Group(unlimited=True), Group((counted(BAN),))),
        [3, 1],
        True,
        [NOT_LIMITED, Verdict(False, TEN, 7, 60), UNLIMITED, Verdict(True, BAN, 0, 86400)],
    ),
    "a duplicate sees the first one's hit": Case(
        plan(Group((counted(TEN),)), Group((counted(TEN),))),
        [10, 11],
        True,
        [Verdict(False, TEN, 0, 60), Verdict(True, TEN, 0, 60)],
    ),
    "shadow within": Case(one(TEN, True), [4], False, [Verdict(False, TEN, 6, 60)]),
    "shadow at its end does not say so": Case(one(TEN, True), [10], False, [NOT_LIMITED]),
    "shadow over is OK and hidden": Case(one(TEN, True), [11], False, [NOT_LIMITED], True),
    "an enforced one beside it still refuses": Case(
        plan(Group((counted(TEN, True),)), Group((counted(BAN),))),
        [11, 1],
        True,
        [NOT_LIMITED, Verdict(True, BAN, 0, 86400)],
    ),
    "of several the tightest is shown": Case(
        plan(Group((counted(TEN), counted(FIVE_AN_HOUR)))),
        [3, 3],
        False,
        [Verdict(False, FIVE_AN_HOUR, 2, 3600)],
    ),
    "of several the one that refuses is shown": Case(
        plan(Group((counted(TEN), counted(FIVE_AN_HOUR)))),
        [11, 5],
        True,
        [Verdict(True, TEN, 0, 60)],
    ),
    "of several that refuse the longest is shown": Case(
        plan(Group((counted(TEN), counted(FIVE_AN_HOUR)))),
        [11, 6],
        True,
        [Verdict(True, FIVE_AN_HOUR, 0, 3600)],
    ),
    "an enforced one is shown before a tighter shadow": Case(
        plan(Group((counted(FIVE_AN_HOUR, True), counted(TEN)))),
        [4, 4],
        False,
        [Verdict(False, TEN, 6, 60)],
    ),
    "a shadow that is over does not hide the enforced one": Case(
        plan(Group((counted(FIVE_AN_HOUR, True), counted(TEN)))),
        [6, 6],
        False,
        [Verdict(False, TEN, 4, 60)],
        True,
    ),
}


def test_the_table_has_all_its_rows() -> None:
    assert len(CASES) == 22


@pytest.mark.parametrize("name", CASES)
def test_an_answer_follows_from_the_counters(name: str) -> None:
    case = CASES[name]
    answer = decide(case.plan, case.counts, NOW)
    assert list(answer.verdicts) == case.verdicts
    assert (answer.over, answer.shadow) == (case.over, case.shadow)
    assert (answer.limit is not None) == (case.over or case.shadow)


@given(st.floats(0, 4e9), st.sampled_from([SECOND, MINUTE, HOUR, DAY, YEAR]))
def test_the_reset_is_rounded_up_and_reaches_the_next_window(now: float, unit: Unit) -> None:
    (verdict,) = decide(one(Limit(1, unit)), [1], now).verdicts
    assert 1 <= verdict.reset <= unit.seconds
    assert now + verdict.reset >= (int(now) // unit.seconds + 1) * unit.seconds
    assert (int(now) + verdict.reset) % unit.seconds == 0


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), min_size=1, max_size=3
        ),
        max_size=3,
    )
)
def test_it_refuses_exactly_if_an_enforced_limit_is_exceeded(
    groups: list[list[tuple[int, int, bool]]],
) -> None:
    made = plan(
        *[
            Group(tuple(counted(Limit(limit, HOUR), shadow) for limit, _, shadow in g))
            for g in groups
        ]
    )
    answer = decide(made, [count for group in groups for _, count, _ in group], NOW)
    exceeded = [
        any(count > limit and not shadow for limit, count, shadow in group) for group in groups
    ]
    assert [verdict.over for verdict in answer.verdicts] == exceeded
    assert answer.over == any(exceeded)
    if not answer.over:
        any_shadow = any(c > n and s for group in groups for n, c, s in group)
        assert answer.shadow == any_shadow


WITHOUT = {
    "an enforced limit refuses": ([counted(TEN)], False),
    "one that lets pass": ([counted(TEN, allow_on_error=True)], True),
    "shadow never refuses": ([counted(TEN, shadow=True)], True),
    "one that refuses is enough": ([counted(TEN, allow_on_error=True), counted(BAN)], False),
    "all let pass": ([counted(TEN, allow_on_error=True), counted(BAN, shadow=True)], True),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_without_counters_each_limit_says_what_becomes_of_the_request(name: str) -> None:
    limits, passes = WITHOUT[name]
    answer = without_counts(plan(Group(tuple(limits)), Group(unlimited=True)))
    assert (answer is not None) == passes
    if answer is not None:
        assert not answer.over
        assert list(answer.verdicts) == [NOT_LIMITED, UNLIMITED]


def test_hits_are_made_anew_only_when_a_window_ends() -> None:
    groups = (
        Group((Counted(TEN, 2), Counted(Limit(1, SECOND), 1))),
        Group((Counted(FIVE_AN_HOUR, 0),)),
    )
    made = Plan(groups, keys=(b"m@", b"s@", b"h@"))
    start = 1_735_689_600
    hits = made.hits(start + 0.25)
    assert hits == (
        (b"m@1735689600", 2, start + 60),
        (b"s@1735689600", 1, start + 1),
        (b"h@1735689600", 0, start + 3600),
    )
    assert made.hits(start + 0.999) is hits
    later = made.hits(start + 61)
    assert [hit.key for hit in later] == [b"m@1735689660", b"s@1735689661", b"h@1735689600"]
    assert made.hits(start - 1)[0].key == b"m@1735689540"  # a clock that was set back
