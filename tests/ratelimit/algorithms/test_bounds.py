"""What was admitted in every interval, by brute force, is never more than each file states."""

from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelimit.algorithms.contract import NEW, Algorithm, charge
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket

START = 1_735_689_600_000  # divisible by each window below, and by each of their parts
WINDOW = 24

Bound = Callable[[int, int], int]
"""From a limit and an interval's length, in milliseconds, to the most hits in it."""


def twice(limit: int, length: int) -> int:
    windows = -(-(length - 1) // WINDOW) + 1  # that an interval can touch
    return limit * windows


def sliding(limit: int, length: int) -> int:
    if length <= WINDOW:
        return limit + limit * (length - 1) // WINDOW
    return limit + sliding(limit, length - WINDOW)


def once(limit: int, length: int) -> int:
    return limit * -(-length // WINDOW)


def poured(limit: int, length: int) -> int:
    return BURST + limit * (length - 1) // WINDOW


BURST = 3
KINDS: dict[str, tuple[Callable[[int], Algorithm], Bound]] = {
    "fixed": (lambda limit: NamedWindow(limit, WINDOW), twice),
    "sliding": (lambda limit: SlidingWindow(limit, WINDOW), sliding),
    "buckets": (lambda limit: SubBuckets(limit, WINDOW, 4), once),
    "buckets, not even": (lambda limit: SubBuckets(limit, WINDOW, 5), once),
    "log": (lambda limit: ExactLog(limit, WINDOW), once),
    "bucket": (lambda limit: TokenBucket(BURST, WINDOW, limit), poured),
}


def admitted(algorithm: Algorithm, demand: list[int]) -> list[int]:
    """The hits admitted in each millisecond, when so many ask one by one."""
    state, counts = NEW, []
    for passed, asked in enumerate(demand):
        if isinstance(algorithm, NamedWindow) and not passed % WINDOW:
            state = NEW  # the next window has another counter
        count = 0
        for _ in range(asked):
            state, verdict = charge(algorithm, state, START + passed, 1)
            if not verdict.allowed:
                break  # nor would the next in the same millisecond
            count += 1
        counts.append(count)
    return counts


def worst(counts: list[int], length: int) -> int:
    """The most in any interval of that length."""
    sums = [0, *accumulate(counts)]
    return max(
        sums[min(end, len(counts))] - sums[end - length] for end in range(length, len(counts) + 1)
    )


DEMAND = st.lists(
    st.sampled_from([0, 0, 0, 0, 1, 2, 8, 20]), min_size=2 * WINDOW + 1, max_size=5 * WINDOW
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(limit=st.integers(1, 12), demand=DEMAND)
def test_no_interval_holds_more_than_the_bound(kind: str, limit: int, demand: list[int]) -> None:
    make, bound = KINDS[kind]
    counts = admitted(make(limit), demand)
    for length in range(1, 2 * WINDOW + 1):
        assert worst(counts, length) <= bound(limit, length)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 7, 12, 100])
def test_the_worst_that_is_known_is_within_the_bound(kind: str, limit: int) -> None:
    make, bound = KINDS[kind]
    greedy = [limit] * 5 * WINDOW
    for quiet in range(
        0, WINDOW, 23 if limit > 12 else 1
    ):  # all at the end of a window, and on and on
        counts = admitted(make(limit), [0] * quiet + greedy)
        for length in range(1, 2 * WINDOW + 1):
            assert worst(counts, length) <= bound(limit, length)


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(limit=st.integers(1, 12), demand=DEMAND)
def test_no_aligned_window_holds_more_than_the_limit(
    kind: str, limit: int, demand: list[int]
) -> None:
    counts = admitted(KINDS[kind][0](limit), demand)
    for start in range(0, len(counts), WINDOW):
        assert sum(counts[start : start + WINDOW]) <= limit


def test_a_fixed_window_reaches_twice_its_limit_and_the_bound_is_not_idle() -> None:
    counts = admitted(NamedWindow(6, WINDOW), [0] * (WINDOW - 1) + [9, 9] + [0] * WINDOW)
    assert worst(counts, 2) == 12


def test_the_burst_at_a_boundary_that_a_fixed_window_lets_pass_takes_a_sliding_one_a_window() -> (
    None
):
    counts = admitted(SlidingWindow(6, WINDOW), [0] * (WINDOW - 1) + [9] + [9] * WINDOW)
    assert worst(counts, 2) == 6
    assert worst(counts, WINDOW) == 11  # 2 L - 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bucket"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(limit=st.integers(1, 12), quiet=st.integers(0, WINDOW - 1), more=st.integers(0, 9))
def test_who_asks_for_as_much_as_the_limit_after_a_silence_gets_exactly_that(
    kind: str, limit: int, quiet: int, more: int
) -> None:
    algorithm = KINDS[kind][0](limit)
    assert sum(admitted(algorithm, [0] * quiet + [limit + more])) == limit


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(limit=st.integers(1, 100), quiet=st.integers(0, WINDOW - 1))
def test_a_bucket_gives_exactly_its_burst_and_then_exactly_its_rate(limit: int, quiet: int) -> None:
    counts = admitted(TokenBucket(BURST, WINDOW, limit), [0] * quiet + [200] * (4 * WINDOW + 1))
    assert counts[quiet] == BURST
    # What comes back in one millisecond fits the bucket, so no fraction of a token is lost.
    if limit <= (BURST - 1) * WINDOW:
        for start in range(quiet + 1, quiet + 3 * WINDOW):
            assert sum(counts[start : start + WINDOW]) == limit


@pytest.mark.parametrize("limit", [1, 7, 12, 23, 24, 25, 100])
def test_under_steady_demand_each_admits_what_its_file_states(limit: int) -> None:
    greedy = [limit] * 12 * WINDOW

    def windows(algorithm: Algorithm) -> list[int]:
        counts = admitted(algorithm, greedy)
        return [sum(counts[at : at + WINDOW]) for at in range(0, len(counts), WINDOW)]

    assert windows(NamedWindow(limit, WINDOW)) == [limit] * 12
    assert windows(ExactLog(limit, WINDOW)) == [limit] * 12
    assert min(windows(SlidingWindow(limit, WINDOW))) >= limit - -(-limit // WINDOW)
    parts = 4
    # Each W + W / k exactly the limit.
    period = WINDOW + WINDOW // parts
    counts = admitted(SubBuckets(limit, WINDOW, parts), greedy)
    whole = [sum(counts[at : at + period]) for at in range(0, len(counts) - period, period)]
    assert whole == [limit] * len(whole)
