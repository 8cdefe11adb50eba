"""What holds of every algorithm whose states say what they are of."""

import pytest

from ratelimit.algorithms.contract import (
    LONGEST_WINDOW,
    NEW,
    SATURATED,
    Algorithm,
    charge,
    check,
    refund,
)
from ratelimit.algorithms.exact_log import MOST_LOGGED, ExactLog
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket

NOW = 1_735_689_600_000
MINUTE = 60_000
EVERY = {
    "sliding": lambda limit, window=MINUTE: SlidingWindow(limit, window),
    "buckets": lambda limit, window=MINUTE: SubBuckets(limit, window),
    "log": lambda limit, window=MINUTE: ExactLog(limit, window),
    "bucket": lambda limit, window=MINUTE: TokenBucket(limit, window, limit),
}


@pytest.fixture(params=EVERY)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_its_shape_starts_with_its_name_and_its_window(kind: str) -> None:
    algorithm = EVERY[kind](5)
    assert algorithm.kind == kind
    assert algorithm.shape.startswith(f"{kind}/60000")


def test_the_limit_is_no_part_of_the_shape_and_the_window_is(kind: str) -> None:
    assert EVERY[kind](5).shape == EVERY[kind](6).shape
    assert EVERY[kind](5).shape != EVERY[kind](5, 1000).shape


def test_more_hits_than_the_limit_never_fit_and_do_not_use_it_up(kind: str) -> None:
    algorithm = EVERY[kind](5)
    for hits in (6, SATURATED, 2**63, 2**64 - 1):
        state, verdict = charge(algorithm, NEW, NOW, hits)
        assert (state, verdict.allowed, verdict.remaining) == (NEW, False, 5)
        assert verdict.retry_after is None
    assert charge(algorithm, NEW, NOW, 5)[1].allowed


def test_a_small_hit_is_not_starved_by_large_ones_that_are_refused(kind: str) -> None:
    algorithm, state = EVERY[kind](5), NEW
    for _ in range(4):
        state, _ = charge(algorithm, state, NOW, 3)
    state, verdict = charge(algorithm, state, NOW, 2)
    assert verdict.allowed
    assert verdict.remaining == 0


def test_looking_fits_when_exactly_all_is_used_unless_it_is_strict(kind: str) -> None:
    algorithm = EVERY[kind](2)
    state, _ = charge(algorithm, NEW, NOW, 1)
    assert check(algorithm, state, NOW, strict=True).allowed
    state, _ = charge(algorithm, state, NOW, 1)
    assert check(algorithm, state, NOW).allowed
    refused = check(algorithm, state, NOW, strict=True)
    assert not refused.allowed
    assert refused.retry_after
    assert check(algorithm, state, NOW + refused.retry_after, strict=True).allowed
    assert charge(algorithm, state, NOW, 0) == (state, check(algorithm, state, NOW))
    assert charge(algorithm, state, NOW, 0, strict=True) == (state, refused)


def test_who_raises_a_limit_frees_those_who_wait_and_who_lowers_it_makes_them_wait(
    kind: str,
) -> None:
    low, high = EVERY[kind](2), EVERY[kind](200)
    full, _ = charge(low, NEW, NOW, 2)
    # A bucket that was empty is not filled by a larger one, but at its rate: 200 in a minute.
    later = NOW + 1000
    assert charge(high, full, later, 3)[1].allowed
    used, _ = charge(high, NEW, NOW, 150)
    if kind != "bucket":  # it holds what it holds, at most the new burst
        looked = check(low, used, later)
        assert (looked.allowed, looked.remaining) == (False, 0)
        assert looked.retry_after
        assert charge(low, used, later + looked.retry_after, 1)[1].allowed
    assert check(low, used, later).remaining <= 2


def test_a_refund_of_more_than_is_counted_gives_back_what_is_counted(kind: str) -> None:
    algorithm = EVERY[kind](5)
    state, _ = charge(algorithm, NEW, NOW, 3)
    state, verdict = refund(algorithm, state, NOW, 2**64 - 1)
    assert (verdict.allowed, verdict.remaining) == (True, 5)
    assert not charge(algorithm, state, NOW, 6)[1].allowed
    assert refund(algorithm, NEW, NOW, 7)[0] == NEW


def test_a_clock_that_steps_back_a_little_forgets_and_forgives_nothing(kind: str) -> None:
    algorithm, state = EVERY[kind](3), NEW
    admitted = 0
    for now in (NOW, NOW - 2000, NOW + 1, NOW - 1, NOW - 59_000):
        state, verdict = charge(algorithm, state, now, 1)
        admitted += verdict.allowed
    assert admitted == 3


def test_a_state_from_more_than_a_window_in_the_future_is_not_believed(kind: str) -> None:
    algorithm = EVERY[kind](3)
    state, _ = charge(algorithm, NEW, NOW + 3_600_000, 3)
    state, verdict = charge(algorithm, state, NOW, 1)
    assert (verdict.allowed, verdict.remaining) == (True, 2)
    assert state[0] <= NOW


LARGEST = 2**32 - 1


@pytest.mark.parametrize(
    "algorithm",
    [
        SlidingWindow(LARGEST, LONGEST_WINDOW),
        SubBuckets(LARGEST, LONGEST_WINDOW),
        ExactLog(MOST_LOGGED, LONGEST_WINDOW),
        TokenBucket(LARGEST, LONGEST_WINDOW, LARGEST),
        TokenBucket(LARGEST, 1000, LARGEST),
    ],
    ids=lambda algorithm: str(algorithm.shape),
)
def test_the_largest_limits_keep_every_number_below_2_to_the_53(algorithm: Algorithm) -> None:
    state, now = NEW, NOW
    for step in range(60):
        state, verdict = charge(algorithm, state, now, algorithm.capacity // 7)
        now += algorithm.window // 13 + step
        for number in (*state, *(verdict._replace(retry_after=verdict.retry_after or 0))):
            assert 0 <= number < 2**53


def test_a_log_of_a_thousand_hits_that_are_all_apart_stays_a_thousand_hits() -> None:
    algorithm, state = ExactLog(MOST_LOGGED, MINUTE), NEW
    for now in range(NOW, NOW + 5000):
        state, _ = charge(algorithm, state, now, 1)
    assert len(state) == 2 * MOST_LOGGED


def test_a_log_keeps_nothing_of_hits_that_were_given_back() -> None:
    algorithm, state = ExactLog(5, MINUTE), NEW
    state, _ = charge(algorithm, state, NOW, 2)
    for now in range(NOW + 1, NOW + 100):
        state, _ = charge(algorithm, state, now, 3)
        state, _ = refund(algorithm, state, now, 3)
    assert state == (NOW, 2)


def test_what_would_grow_without_bound_is_not_made() -> None:
    with pytest.raises(ValueError, match="1000"):
        ExactLog(MOST_LOGGED + 1, MINUTE)
    with pytest.raises(ValueError, match="366 days"):
        TokenBucket(LARGEST, MINUTE, 1)
    with pytest.raises(ValueError, match="never filled"):
        TokenBucket(1, MINUTE, 0)
