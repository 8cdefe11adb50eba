"""States in memory: what is decided by them, and how much is kept."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelimit.algorithms.contract import State, Verdict
from ratelimit.algorithms.decision import Use, decide_each, decide_together
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.stores.memory_states import MemoryStates

NOW = 1_735_689_600.0
MINUTE = ExactLog(3, 60_000)
SECOND = SlidingWindow(3, 1000)


def use(store: MemoryStates, *uses: Use, together: bool = True, now: float = NOW) -> list[Verdict]:
    said: Any = store.use(uses, together, now, None, lambda verdicts: verdicts)
    assert isinstance(said, list)
    return said


def allowed(verdicts: Sequence[Verdict]) -> list[bool]:
    return [verdict.allowed for verdict in verdicts]


def test_hits_are_kept_until_they_say_nothing_more() -> None:
    store = MemoryStates()
    said = [use(store, Use(b"a", MINUTE, 1))[0] for _ in range(4)]
    assert [verdict.remaining for verdict in said] == [2, 1, 0, 0]
    assert said[-1] == Verdict(False, 0, 60_000, 60_000)
    assert allowed(use(store, Use(b"a", MINUTE, 1), now=NOW + 59.999)) == [False]
    assert allowed(use(store, Use(b"a", MINUTE, 1), now=NOW + 60)) == [True]


def test_together_and_each_are_those_of_the_decision() -> None:
    refusing = [Use(b"a", MINUTE, 1), Use(b"b", MINUTE, 4)]
    store = MemoryStates()
    assert allowed(use(store, *refusing)) == [True, False]
    assert len(store) == 0
    assert allowed(use(store, *refusing, together=False)) == [True, False]
    assert len(store) == 1


def test_what_says_nothing_more_goes_when_others_come() -> None:
    store = MemoryStates()
    for second in range(500):
        use(store, Use(b"%d" % second, SECOND, 1), Use(b"m", MINUTE, 1), now=NOW + second)
    assert len(store) <= 4


def test_what_is_looked_at_or_refused_makes_no_counter() -> None:
    store = MemoryStates()
    for n in range(100):
        use(store, Use(b"%d" % n, MINUTE, n % 2 * 4))
        use(store, Use(b"%d" % n, MINUTE, -1))
    assert len(store) == 0


def test_a_million_values_take_no_more_room_than_is_given() -> None:
    store = MemoryStates(most_bytes=40_000)
    sizes = set()
    for n in range(20_000):
        use(store, Use(b"%d" % n, MINUTE, 1), Use(b"log%d" % (n % 7), ExactLog(50, 60_000), 1))
        sizes.add(len(store))
    assert max(sizes) <= 40_000 // 300


def test_a_flood_washes_out_no_counter_that_is_used_nor_those_of_other_limits() -> None:
    store = MemoryStates(most_bytes=40_000)
    use(store, Use(b"hour", ExactLog(3, 3_600_000), 3))
    for n in range(2000):
        # Refused from the fourth on, and still known.
        assert allowed(use(store, Use(b"victim", MINUTE, 1))) == [n < 3]
        use(store, Use(b"flood%d" % n, MINUTE, 1))
    assert allowed(use(store, Use(b"hour", ExactLog(3, 3_600_000), 1))) == [False]


def test_one_counter_is_enough_room_and_none_is_no_error() -> None:
    for most in (0, 1, 400):
        store = MemoryStates(most_bytes=most)
        for key in (b"a", b"b", b"b", b"a"):
            assert allowed(use(store, Use(key, MINUTE, 1), Use(key + b"s", SECOND, 1))) == [
                True,
                True,
            ]
        assert len(store) <= 1


LIMITS = [MINUTE, SECOND, ExactLog(4, 1000), TokenBucket(2, 1000, 3)]
STEPS = st.lists(
    st.tuples(
        # Not backwards: a clock that steps back into a time that was over finds it forgotten.
        st.sampled_from([0.0, 0.0, 0.001, 0.4, 1.0, 2.5, 61.0]),
        st.booleans(),
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-2, 3)),
            min_size=1,
            max_size=4,
        ),
    ),
    max_size=15,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_forgetting_changes_no_answer(
    steps: list[tuple[float, bool, list[tuple[int, int, int]]]],
) -> None:
    store, states, now = MemoryStates(), dict[bytes, State](), NOW
    for passed, together, chosen in steps:
        now += passed
        uses = [Use(b"%d/%d" % (limit, key), LIMITS[limit], hits) for limit, key, hits in chosen]
        decide = decide_together if together else decide_each
        verdicts, changed = decide(uses, states, int(now * 1000))
        states |= changed
        assert use(store, *uses, together=together, now=now) == verdicts
    for limit, algorithm in enumerate(LIMITS):
        for key in range(3):
            use(store, Use(b"%d/%d" % (limit, key), algorithm, 1), now=now + 1000)
            use(store, Use(b"new", algorithm, 1), now=now + 2000)
            use(store, Use(b"new", algorithm, 1), now=now + 3000)
    # Weighed rightly throughout: nothing is left that is not there.
    assert store._size == sum(store._sizes.values())
    assert sum(300 + 40 * len(s) for t in store._tables.values() for s in t.values()) == store._size
