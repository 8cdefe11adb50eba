"""A decision that costs too much ends, whatever it does, and ends as a denial."""

import time
import tracemalloc
from typing import Any

import pytest

from extauthz.policy.budget import CHUNK, CREDIT, METER, Budget, Meter, spend
from extauthz.policy.engine import PolicyFailed
from extauthz.policy.errors import RegoError
from extauthz.policy.rego import RegoEngine, load_plan
from tests.extauthz.policy.rego import plan

SMALL = Budget(steps=200_000, milliseconds=10_000)
"""So that a test of steps does not depend on how fast the machine is."""


def bounded(rego: str, budget: Budget, data: bytes | None = None) -> RegoEngine:
    made = load_plan(plan(f"package test\n{rego}"), "test/p", data, budget=budget)
    assert isinstance(made, RegoEngine)
    return made


CHAIN = "\n".join(f"f{n}(x) := f{n + 1}(x) + f{n + 1}(x + 1)" for n in range(40))
FORKS = "\n".join(
    f"q{n} := [q{n + 1}, x] if {{ x := q{n + 1} with input.x as {n} }}" for n in range(40)
)
DOUBLES = "a0 := input.text\n" + "\n".join(
    f'a{n + 1} := concat("", [a{n}, a{n}])' for n in range(60)
)
JOINS = "a0 := [input.text]\n" + "\n".join(
    f"a{n + 1} := array.concat(a{n}, a{n})" for n in range(60)
)

COSTLY = {
    "a list against itself": "p if { some x in input.xs; some y in input.xs; x + y == -1 }",
    "a list against itself, in objects": "p if {\n"
    "some a, x in input.o; some b, y in input.o; x > y + 5000 }",
    "in a comprehension": "p := count([1 | some x in input.xs; some y in input.xs; x > y])",
    "in `every`": "p if { every x in input.xs { every y in input.xs { x + y >= 0 } } }",
    "in a set": "p := count({[x, y] | some x in input.xs; some y in input.xs})",
    "in a partial rule": "p contains [x, y] if { some x in input.xs; some y in input.xs }",
    "under `not`": "p if not q\nq if { some x in input.xs; some y in input.xs; x + y == -1 }",
    "through a function": "f(x) if { some y in input.xs; x + y == -1 }\n"
    "p if { some x in input.xs; f(x) }",
    "functions that call each other twice": f"{CHAIN}\nf40(x) := x\np := f0(1)",
    "`with` in each other": f"{FORKS}\nq40 := 1\np := q0",
    "`with` in an iteration": "q if input.y > 5\n"
    "p if { some x in input.xs; some y in input.xs; q with input.y as -1 }",
    "sixteen iterations": "p if { "
    + "; ".join(f"some x{n} in input.few" for n in range(16))
    + "; x0 == -1 }",
    "text that doubles": f"{DOUBLES}\np := a60",
    "arrays that double": f"{JOINS}\np := a60",
    "text times text": 'p := replace(input.text, "a", input.text)',
    "text between texts": 'p := concat(input.text, split(input.text, ""))',
    "text in a format": 'p := sprintf(concat("", [x | some x in [f | some _ in input.xs; '
    'f := "%[1]s"]]), [input.text])',
    "text by patterns": 'p := strings.replace_n({"a": input.text}, input.text)',
    "text by an expression": 'p := regex.replace(input.text, "a", input.text)',
    "a walk in an iteration": "p if { some x in input.xs; walk(input, [_, v]); v == -1 }",
    "a builtin in an iteration": "p if { some x in input.xs; sort(input.xs)[0] == x + 5000 }",
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_costs_too_much_is_a_denial(name: str) -> None:
    made = bounded(COSTLY[name], SMALL)
    document = {
        "xs": list(range(2000)),
        "o": {str(n): n for n in range(2000)},
        "few": list(range(5)),
        "text": "a" * 20_000,
        "y": 1,
    }
    began = time.thread_time()
    answer = made.decide(document, None)
    assert isinstance(answer, PolicyFailed), answer
    assert answer.reason == "budget"
    # 200,000 steps take 0.05 s or so; without a budget most of these take hours
    assert time.thread_time() - began < 10


def test_time_is_bounded_where_steps_are_not() -> None:
    made = bounded(COSTLY["a list against itself"], Budget(10**12, 20))
    began = time.thread_time()
    answer = made.decide({"xs": list(range(20_000))}, None)
    assert answer == PolicyFailed("budget", "more than 20 ms of processor time")
    assert time.thread_time() - began < 1


USUAL = {
    "a large table, first": ({"k": 0}, True),
    "a large table, last": ({"k": 9_999}, True),
    "a large table, none": ({"k": -1}, False),
}


@pytest.mark.parametrize("name", USUAL)
def test_a_table_of_ten_thousand_is_no_matter(name: str) -> None:
    rows = b",".join(b'{"k": %d}' % n for n in range(10_000))
    made = bounded(
        "default p := false\np if { some row in data.rows; row.k == input.k }",
        Budget(steps=20_000),
        b'{"rows": [' + rows + b"]}",
    )
    document, wanted = USUAL[name]
    assert made.decide(document, None) is wanted


def test_who_finds_it_first_pays_for_no_more_than_a_chunk() -> None:
    made = bounded(
        "default p := false\np if { some row in input.rows; row == 0 }", Budget(steps=3 * CHUNK)
    )
    rows = list(range(100_000))
    assert made.decide({"rows": rows}, None) is True
    answer = made.decide({"rows": rows[1:]}, None)
    assert isinstance(answer, PolicyFailed)


def test_a_large_collection_is_not_copied() -> None:
    made = bounded("p := count([1 | some x in input.rows; x == 1])", Budget(milliseconds=60_000))
    rows = [[n] for n in range(300_000)]
    tracemalloc.start()
    assert made.decide({"rows": rows}, None) == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000  # pointers alone are 2.4 MB


def test_the_same_decision_is_not_charged_for_the_one_before() -> None:
    made = bounded("p := count([1 | some x in input.xs; x > 1])", Budget(steps=3 * CHUNK))
    for _ in range(20):
        assert made.decide({"xs": list(range(900))}, None) == 898


def test_what_is_left_comes_back_out_of_with() -> None:
    # each `with` alone is cheap: if credit were lost in it, 3,000 would be charged 1,000 each
    made = bounded(
        "q := input.y\np := count([1 | some x in input.xs; y := q with input.y as x; y == x])",
        Budget(steps=200_000),
    )
    assert made.decide({"xs": list(range(3000))}, None) == 3000


def test_the_clock_is_first_looked_at_after_a_chunk() -> None:
    looks: list[int] = []

    def clock() -> int:
        looks.append(len(looks))
        return looks[-1] * 60_000_000

    memo: dict[Any, Any] = {CREDIT: CHUNK, METER: Meter(Budget(10**9, 100), clock=clock)}
    for _ in range(CHUNK):
        spend(memo, 1)
    assert looks == []
    spend(memo, 1)  # begins
    spend(memo, CHUNK)
    spend(memo, 1)
    with pytest.raises(RegoError, match="100 ms"):
        spend(memo, 2 * CHUNK)
    assert len(looks) == 3
    assert memo[METER].steps <= 5 * CHUNK
