"""Scripts in a real Redis beside the Python that they must agree with, step by step."""

import asyncio
import itertools
import random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.redis.client import Client
from ratelimit.algorithms.contract import LONGEST_WINDOW, Algorithm, State
from ratelimit.algorithms.decision import Use, decide_each, decide_together
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import MOST_PARTS, SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.stores.redis_scripts.states import RedisStates

START = 1_735_689_600_000
KINDS = ("window", "sliding", "buckets", "log", "bucket")
EXAMPLE = itertools.count()
"""Each example has keys of its own."""
LARGEST = 2**32 - 1
WINDOWS = st.sampled_from([60_000, 60_007, 3_600_000, LONGEST_WINDOW])
"""Milliseconds. A test's clock is not Redis's: keys end by the latter, so windows are long enough
that none does."""


class Step(NamedTuple):
    """One request, so long after the last one."""

    later: float
    """In windows; below 0: a clock stepped back."""
    together: bool
    uses: list[tuple[str, int, int, int, bool, bool, bool, bool]]
    """Kind, which key, which capacity, hits, enforced, strict, each, settles."""


def algorithm(kind: str, capacity: int, window: int) -> Algorithm:
    match kind:
        case "window":
            return NamedWindow(capacity, window)
        case "sliding":
            return SlidingWindow(capacity, window)
        case "buckets":
            return SubBuckets(capacity, window, 7 if window % 2 else MOST_PARTS)
        case "log":
            return ExactLog(min(capacity, 1000), window)
        case _:
            # Twice the burst in a window, and at most 366 days to fill it.
            return TokenBucket(max(capacity, 1), window, 2 * max(capacity, 1))


async def know(client: Client, steps: list[Step]) -> None:
    """Bring all scripts: one that Redis does not know is sent again, behind later steps."""
    store = RedisStates(client)
    for kinds in {frozenset(kind for kind, *_ in step.uses) for step in steps}:
        looks = [Use(kind.encode(), algorithm(kind, 1, 60_000), 0) for kind in kinds]
        await store.use(looks, False, 0.0, None, lambda verdicts: verdicts)


async def compare(client: Client, window: int, capacities: list[int], steps: list[Step]) -> None:
    """All steps leave at once: one connection executes them in order."""
    await know(client, steps)
    store = RedisStates(client, clock=int)
    example, now = next(EXAMPLE), START
    states: dict[bytes, State] = {}
    expected, answers = [], []
    for later, together, chosen in steps:
        now += int(later * window)
        uses = []
        for kind, key, capacity, hits, *flags in chosen:
            limit = algorithm(kind, capacities[capacity % len(capacities)], window)
            name = b"%d/%d/%s" % (example, key, limit.shape.encode())
            uses.append(Use(name, limit, hits, *flags))
        outcome = (decide_together if together else decide_each)(uses, states, now)
        states.update(outcome.changed)
        expected.append(outcome.verdicts)
        answers.append(store.use(uses, together, now, None, lambda verdicts: verdicts))
    for step, answer in enumerate(await asyncio.gather(*answers)):
        assert answer == expected[step], (steps[: step + 1], window, capacities)


def steps(kinds: tuple[str, ...], largest: int) -> st.SearchStrategy[list[Step]]:
    hits = st.integers(-3, 4) | st.sampled_from(
        [1, 1, 1, largest, largest // 2 + 1, -(largest // 3), 2**32, 2**64 - 1, -(2**64)]
    )
    use = st.tuples(
        st.sampled_from(kinds),
        st.integers(0, 1),
        st.integers(0, 2),
        hits,
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from([False, False, True]),
    )
    later = st.sampled_from([0.0, 0.0, 0.0001, 0.03, 0.34, 0.99, 1.0, 1.7, 4.0, -0.2, -1.5])
    one = st.builds(
        Step, later | st.floats(0, 1), st.booleans(), st.lists(use, min_size=1, max_size=4)
    )
    return st.lists(one, min_size=20, max_size=40)


QUICK = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(data=st.data(), window=WINDOWS)
async def test_a_script_says_what_the_python_of_its_algorithm_says(
    client: Client, kind: str, data: st.DataObject, window: int
) -> None:
    limits = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=3))
    await compare(client, window, limits, data.draw(steps((kind,), 9)))


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(data=st.data())
async def test_numbers_of_any_size_are_exact(
    client: Client, kind: str, data: st.DataObject
) -> None:
    limits = data.draw(st.lists(st.integers(2**20, LARGEST), min_size=1, max_size=3))
    await compare(client, LONGEST_WINDOW, limits, data.draw(steps((kind,), LARGEST)))


@QUICK
@given(data=st.data(), window=WINDOWS)
async def test_limits_of_all_kinds_in_one_request_are_decided_as_in_python(
    client: Client, data: st.DataObject, window: int
) -> None:
    limits = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
    await compare(client, window, limits, data.draw(steps(KINDS, 5)))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_long_history_of_one_counter_is_the_same(client: Client, kind: str) -> None:
    chance = random.Random(f"history of {kind}")
    history = [
        Step(
            chance.random() * 0.004,
            True,
            [(kind, 0, 0, chance.choice([1, 1, 1, 2, 7, 0, -1]), True, False, False, False)],
        )
        for _ in range(3000)
    ]
    await compare(client, 3_600_000, [300], history)


async def test_a_full_log_gives_back_and_waits_as_the_python_does(client: Client) -> None:
    chance = random.Random("full log")
    history = [
        Step(0.0005, True, [("log", 0, 0, 1, True, False, False, False)]) for _ in range(1100)
    ]
    for _ in range(300):
        hits = chance.choice([1, 3, 100, 400, -1, -2, -250, 1000, 1001])
        history.append(
            Step(chance.random() * 0.05, True, [("log", 0, 0, hits, True, False, False, False)])
        )
    await compare(client, 3_600_000, [1000], history)
