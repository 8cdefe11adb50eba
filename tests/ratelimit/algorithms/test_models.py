"""Every algorithm says in every conversation what its plain model says."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelimit.algorithms.contract import NEW, SATURATED, State, charge, check, refund
from ratelimit.algorithms.named_window import NamedWindow
from tests.ratelimit.algorithms.models import LIMITS

START = 1_735_689_600_000
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 2, 3, 5, 7, 11, 19, 20, 21, 39, 40, 41, 300]),
        st.sampled_from([0, 1, 1, 1, 2, 3, 5, 6, 51, 2**64 - 1, -1, -2, -7, -(2**64) + 1]),
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize("name", LIMITS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_it_admits_counts_and_foretells_what_the_model_does(
    name: str, steps: list[tuple[int, int]]
) -> None:
    algorithm, new_model = LIMITS[name]
    model, state, now = new_model(), NEW, START
    for passed, hits in steps:
        now += passed
        if isinstance(algorithm, NamedWindow) and passed > now % algorithm.window:
            state = NEW  # the next window has another counter
        before = state
        if hits < 0:
            model.refund(now, min(-hits, SATURATED))
            state, verdict = refund(algorithm, state, now, -hits)
            assert (verdict.allowed, verdict.retry_after) == (True, 0)
        else:
            foretold = check(algorithm, state, now, hits)
            allowed = model.charge(now, hits)
            state, verdict = charge(algorithm, state, now, hits)
            assert verdict.allowed == foretold.allowed == allowed
            assert verdict.retry_after == foretold.retry_after
            if not allowed:
                assert state is before
                assert verdict == foretold
                assert (verdict.retry_after is None) == (hits > algorithm.capacity)
            if verdict.retry_after is not None:
                assert allowed == (verdict.retry_after == 0)
                assert allowed or model.fits_first_after(now, hits, verdict.retry_after)
        assert verdict.remaining == model.free(now)
        if isinstance(algorithm, NamedWindow):
            assert verdict.reset == algorithm.window - now % algorithm.window
        else:
            assert model.fits_first_after(now, algorithm.capacity, verdict.reset)


@pytest.mark.parametrize("name", [name for name in LIMITS if not name.startswith("fixed")])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_a_state_says_nothing_more_when_its_span_has_passed_since_its_time(
    name: str, steps: list[tuple[int, int]]
) -> None:
    algorithm, _ = LIMITS[name]
    state, now = NEW, START
    for passed, hits in steps:
        now += passed
        state = step(name, state, now, hits)
        later = (state[0] if state else now) + algorithm.span
        assert check(algorithm, state, later) == check(algorithm, NEW, later)


def step(name: str, state: State, now: int, hits: int) -> State:
    algorithm, _ = LIMITS[name]
    after, _ = (
        charge(algorithm, state, now, hits) if hits >= 0 else refund(algorithm, state, now, -hits)
    )
    return after
