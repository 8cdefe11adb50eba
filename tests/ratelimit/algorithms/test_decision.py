"""What the limits of one request do to each other."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelimit.algorithms.contract import NEW, State, check
from ratelimit.algorithms.decision import Outcome, Use, decide_each, decide_together
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket

NOW = 1_735_689_600_000
ALGORITHMS = {
    b"fixed": NamedWindow(3, 1000),
    b"sliding": SlidingWindow(5, 1000),
    b"buckets": SubBuckets(4, 1000, 5),
    b"log": ExactLog(6, 1000),
    b"bucket": TokenBucket(2, 1000, 4),
    b"never": NamedWindow(0, 1000),
}
Decide = Callable[..., Outcome]


def use(key: bytes, hits: int = 1, *, enforced: bool = True, strict: bool = False) -> Use:
    return Use(key, ALGORITHMS[key], hits, enforced, strict)


def used(states: dict[bytes, State], now: int = NOW) -> dict[bytes, int]:
    """What each counter has counted."""
    return {
        key: algorithm.capacity - check(algorithm, states.get(key, NEW), now).remaining
        for key, algorithm in ALGORITHMS.items()
        if key in states
    }


def allowed(outcome: Outcome) -> list[bool]:
    return [verdict.allowed for verdict in outcome.verdicts]


def test_one_that_refuses_leaves_all_counters_as_they_were() -> None:
    outcome = decide_together([use(b"fixed"), use(b"bucket", 3), use(b"log")], {}, NOW)
    assert allowed(outcome) == [True, False, True]
    assert outcome.changed == {}
    assert [verdict.remaining for verdict in outcome.verdicts] == [3, 2, 6]


def test_each_for_itself_counts_what_fits_although_another_refuses() -> None:
    outcome = decide_each([use(b"fixed"), use(b"bucket", 3), use(b"log")], {}, NOW)
    assert allowed(outcome) == [True, False, True]
    assert used(outcome.changed) == {b"fixed": 1, b"log": 1}


def test_when_all_allow_all_are_counted() -> None:
    outcome = decide_together([use(b"fixed", 2), use(b"sliding"), use(b"log", 0)], {}, NOW)
    assert used(outcome.changed) == {b"fixed": 2, b"sliding": 1}
    assert [verdict.remaining for verdict in outcome.verdicts] == [1, 4, 6]


def test_a_limit_in_shadow_counts_and_says_that_it_is_over_but_refuses_nothing() -> None:
    uses = [use(b"fixed"), use(b"bucket", enforced=False)]
    states: dict[bytes, State] = {}
    for bucket in (True, True, False):
        outcome = decide_together(uses, states, NOW)
        states |= outcome.changed
        assert allowed(outcome) == [True, bucket]
    assert used(states) == {b"fixed": 3, b"bucket": 2}
    assert decide_together(uses, states, NOW).changed == {}


def test_a_limit_in_shadow_counts_nothing_of_a_request_that_another_refuses() -> None:
    outcome = decide_together([use(b"log", enforced=False), use(b"never")], {}, NOW)
    assert allowed(outcome) == [True, False]
    assert outcome.changed == {}


@pytest.mark.parametrize("decide", [decide_together, decide_each])
def test_a_counter_that_occurs_twice_sees_its_own_first_hits(decide: Decide) -> None:
    assert allowed(decide([use(b"fixed", 2), use(b"fixed", 2)], {}, NOW)) == [True, False]
    outcome = decide([use(b"fixed", 2), use(b"fixed", 1)], {}, NOW)
    assert allowed(outcome) == [True, True]
    assert used(outcome.changed) == {b"fixed": 3}


@pytest.mark.parametrize("decide", [decide_together, decide_each])
def test_a_refund_is_made_although_another_limit_refuses(decide: Decide) -> None:
    states = dict(decide_each([use(b"fixed", 3)], {}, NOW).changed)
    outcome = decide([use(b"fixed", -2), use(b"never")], states, NOW)
    assert allowed(outcome) == [True, False]
    assert used(states | outcome.changed) == {b"fixed": 1}
    assert outcome.verdicts[0].remaining == 2


@pytest.mark.parametrize("decide", [decide_together, decide_each])
def test_looking_changes_nothing_and_strict_looking_may_refuse(decide: Decide) -> None:
    states = dict(decide_each([use(b"fixed", 3)], {}, NOW).changed)
    assert allowed(decide([use(b"fixed", 0)], states, NOW)) == [True]
    strict = decide([use(b"fixed", 0, strict=True), use(b"log")], states, NOW)
    assert allowed(strict) == [False, True]
    assert (b"log" in strict.changed) == (decide is decide_each)


KEYS = st.sampled_from(list(ALGORITHMS))
HITS = st.sampled_from([-3, -1, 0, 1, 1, 1, 2, 4, 2**64 - 1])
USES = st.lists(st.builds(use, KEYS, HITS, enforced=st.booleans()), min_size=1, max_size=5)
TALK = st.lists(st.tuples(st.sampled_from([0, 1, 90, 500, 2500]), USES), min_size=1, max_size=12)

BRIEF = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may be busy: how long an example takes says nothing."""


@BRIEF
@given(TALK)
def test_all_or_nothing(talk: list[tuple[int, list[Use]]]) -> None:
    states: dict[bytes, State] = {}
    now = NOW
    for passed, uses in talk:
        now += passed
        before = {key: check(a, states.get(key, NEW), now) for key, a in ALGORITHMS.items()}
        outcome = decide_together(uses, states, now)
        states |= outcome.changed
        after = {key: check(a, states.get(key, NEW), now) for key, a in ALGORITHMS.items()}
        refused = any(
            use.enforced and not verdict.allowed
            for use, verdict in zip(uses, outcome.verdicts, strict=True)
        )
        for key, algorithm in ALGORITHMS.items():
            mine = [
                (use.hits, verdict)
                for use, verdict in zip(uses, outcome.verdicts, strict=True)
                if use.key == key
            ]
            count = algorithm.capacity - before[key].remaining
            for hits, verdict in mine:
                if hits < 0:
                    count = max(count + hits, 0)
                elif verdict.allowed and not refused:
                    count += hits
            # Not one hit more or less, of whoever refuses, is in shadow or only looks. A sliding
            # window rounds up what it sees of the last one, and takes refunds from this one first.
            if algorithm.kind != "sliding" or not any(hits < 0 for hits, _ in mine):
                assert algorithm.capacity - after[key].remaining == count


@BRIEF
@given(TALK, USES)
def test_more_limits_never_admit_more(talk: list[tuple[int, list[Use]]], more: list[Use]) -> None:
    states: dict[bytes, State] = {}
    now = NOW
    for passed, uses in talk:
        now += passed
        few = decide_together(uses, states, now)
        fresh = [Use(b"2" + one.key, *one[1:]) for one in more]
        many = decide_together([*uses, *fresh], states, now)
        for verdict, other in zip(few.verdicts, many.verdicts, strict=False):
            assert verdict.allowed == other.allowed
        assert not set(many.changed) & set(states) - set(few.changed)
        states |= few.changed
