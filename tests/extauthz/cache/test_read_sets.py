"""What an evaluation says that it read decides its answer: over random policies, and OPA's own.

The oracle evaluates, changes the input at random, and wherever nothing that was read has changed,
the answer must not have changed either. That it sees what it must see is shown by planting
mistakes.
"""

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callout.testing import data
from extauthz.cache import seen
from extauthz.cache.rules import of_rego
from extauthz.policy.plan import recording
from extauthz.policy.plan.reader import read_plan
from extauthz.policy.plan.recording import IMPURE, WHOLE, Read
from extauthz.policy.problems import PlanError
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.translator.program import compile_plan
from extauthz.policy.translator.writer import Writer
from extauthz.policy.values.text import from_json, to_json
from tests.extauthz.cache import generated, oracle
from tests.extauthz.policy.rego import plan

POLICIES = 90
BATCH = 10
"""Policies in one plan: reading it costs as much as translating one of them."""


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    made = []
    for first in range(0, POLICIES, BATCH):
        folder: Path = tmp_path_factory.mktemp("generated") / "src"
        folder.mkdir()
        made.append(generated.plan(range(first, first + BATCH), folder))
    return made


def engines(plans: list[bytes], most: int = POLICIES) -> Iterator[tuple[int, RegoEngine]]:
    for seed in range(most):
        try:
            compiled = compile_plan(read_plan(plans[seed // BATCH]), f"t{seed}/p", recorded=True)
        except PlanError:
            continue
        yield seed, RegoEngine(compiled, generated.DATA)


def violations(plans: list[bytes], most: int, documents: int, mutants: int) -> Iterator[Any]:
    """One `Tally` a policy."""
    for seed, engine in engines(plans, most):
        r = random.Random(seed)
        asked = [generated.document(r) for _ in range(documents)]
        yield seed, oracle.check(engine, asked, generated.mutant, r, mutants)


def test_what_random_policies_read_decides_their_answers(plans: list[bytes]) -> None:
    tallies = list(violations(plans, POLICIES, documents=12, mutants=25))
    assert [(seed, tally.violations[0]) for seed, tally in tallies if tally.violations] == []
    assert len(tallies) > POLICIES * 0.75
    assert sum(tally.agreed for _, tally in tallies) > 6_000


def test_what_cases_of_opa_read_decides_their_answers() -> None:
    """The compliance cases that have an input: a few hundred, in all of the language."""
    cases = agreed = 0
    wrong = []
    for path in sorted(data.require("opa-compliance/v1").rglob("*.*")):
        if path.suffix not in (".json", ".yml", ".yaml"):
            continue
        for case in from_json(path.read_bytes())["cases"]:
            document = case.get("input")
            if not isinstance(document, dict) or not document:
                continue
            try:
                read = read_plan(to_json(case["plan"]).encode())
                compiled = compile_plan(read, case["entrypoints"][0], recorded=True)
            except PlanError:
                continue
            engine = RegoEngine(compiled, case.get("data", {}))
            r = random.Random(case["note"])
            tally = oracle.check(engine, [document], generated.mutant, r, 150)
            cases += 1
            agreed += tally.agreed
            wrong += [(case["note"], each) for each in tally.violations]
    assert wrong == []
    assert cases > 100
    assert agreed > 500


def _nothing(*_: object) -> Any:
    return set()


def _no_look_ups(patch: pytest.MonkeyPatch) -> None:
    real = recording._Reading.dot

    def dot(self: Any, statement: Any) -> set[Read]:
        return real(self, statement) if self.holds.step(statement["key"]) is None else set()

    patch.setattr(recording._Reading, "dot", dot)


def _iterations_are_shallow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recording._Reading, "deep", recording._Reading.shallow)


def _with_reads_nothing(patch: pytest.MonkeyPatch) -> None:
    real = recording.Recording.add

    def add(self: Any, statement: Any, reads: Any, impure: bool) -> None:
        real(self, statement, set(reads) if statement.kind != "WithStmt" else set(), impure)

    patch.setattr(recording.Recording, "add", add)


def _an_index_reads_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Writer, "note_asked", _nothing)


def _the_first_is_missing(patch: pytest.MonkeyPatch) -> None:
    real = recording.noted_in
    patch.setattr("extauthz.policy.rego.noted_in", lambda memo: real(memo)[1:])


def _the_last_is_missing(patch: pytest.MonkeyPatch) -> None:
    real = recording.noted_in
    patch.setattr("extauthz.policy.rego.noted_in", lambda memo: real(memo)[:-1])


def _true_is_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seen, "_TRUE", 1)


def _one_point_zero_is_one(patch: pytest.MonkeyPatch) -> None:
    real = seen._scalar
    patch.setattr(seen, "_scalar", lambda v: int(v) if v == Decimal("1.0") and v else real(v))


def _absent_is_null(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seen, "ABSENT", seen._NULL)


def _an_index_goes_into_texts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seen, "_has_index", lambda _: False)


MISTAKES: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (
    _no_look_ups,
    _iterations_are_shallow,
    _the_first_is_missing,
    _the_last_is_missing,
)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None],
    plans: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mistake(monkeypatch)
    assert any(tally.violations for _, tally in violations(plans, POLICIES, 12, 25))


class Pair(NamedTuple):
    """Inputs that a policy tells apart, and a mistake that would not."""

    rego: str
    one: dict[str, Any]
    other: dict[str, Any]
    mistake: Callable[[pytest.MonkeyPatch], None]


_INDEXED = "\n".join(f'p if {{ input.a == "{n}"; input.b == 1 }}' for n in range(12))
_PREFIXED = "\n".join(f'p if {{ startswith(input.a, "/{n}/"); input.b == 1 }}' for n in range(12))
PAIRS: dict[str, Pair] = {
    "an index of constants": Pair(
        f"default p := false\n{_INDEXED}",
        {"a": "99", "b": 1},
        {"a": "7", "b": 1},
        _an_index_reads_nothing,
    ),
    "an index of prefixes": Pair(
        f"default p := false\n{_PREFIXED}",
        {"a": "/99/", "b": 1},
        {"a": "/7/", "b": 1},
        _an_index_reads_nothing,
    ),
    "true and 1": Pair(
        "default p := false\np if input.a == 1", {"a": 1}, {"a": True}, _true_is_one
    ),
    "true and 1 in an array": Pair(
        "default p := false\np if input.a == [1]", {"a": [1]}, {"a": [True]}, _true_is_one
    ),
    "1 and 1.0, which print otherwise": Pair(
        "p := json.marshal(input.a)",
        {"a": 1},
        {"a": Decimal("1.0")},
        _one_point_zero_is_one,
    ),
    "absent and null": Pair(
        "default p := false\np if not input.a", {}, {"a": None}, _absent_is_null
    ),
    "what a rule reads under with": Pair(
        "q := input.a\ndefault p := false\np if { x := q with input.b as 1; x == 1 }",
        {"a": 1},
        {"a": 2},
        _with_reads_nothing,
    ),
    "what is found, and never looked at": Pair(
        "default p := false\np if { x := input.a; count([1 | input.b == 1; x == 2]) == 0 }",
        {"a": 5, "b": 0},
        {"b": 0},
        _no_look_ups,
    ),
    "an array, and a text that has an index in Python": Pair(
        'default p := false\np if input.a[0] == "x"',
        {"a": ["x"]},
        {"a": "x"},
        _an_index_goes_into_texts,
    ),
    "a header more, in an iteration over all": Pair(
        'default p := false\np if every k, _ in input.headers { k != "x-debug" }',
        {"headers": {"a": "b"}},
        {"headers": {"a": "b", "x-debug": "1"}},
        _iterations_are_shallow,
    ),
    "a value deep below, in a walk": Pair(
        'default p := false\np if { walk(input.a, [_, v]); v == "x" }',
        {"a": [{"b": ["x"]}]},
        {"a": [{"b": ["y"]}]},
        _iterations_are_shallow,
    ),
}


def _key_and_answer(pair: Pair, document: dict[str, Any], like: dict[str, Any]) -> tuple[Any, str]:
    """What `document` has of what is read for `like`, and its own answer."""
    engine = load_plan(plan(f"package test\n{pair.rego}"), "test/p", None, recorded=True)
    assert isinstance(engine, RegoEngine)
    assert engine.recorded is not None
    rules = of_rego(1.0, 1.0, engine.recorded)
    _, noted = engine.decide_and_tell(like)
    return [rules.looks[n](document) for n in noted], oracle.shown(engine.decide(document, None))


@pytest.mark.parametrize("name", PAIRS)
def test_a_key_tells_apart(name: str) -> None:
    pair = PAIRS[name]
    key, answer = _key_and_answer(pair, pair.one, pair.one)
    other_key, other_answer = _key_and_answer(pair, pair.other, pair.one)
    assert answer != other_answer
    assert key != other_key
    assert (
        _key_and_answer(pair, pair.one, pair.other)[0]
        != (_key_and_answer(pair, pair.other, pair.other)[0])
    )


@pytest.mark.parametrize("name", PAIRS)
def test_a_key_with_a_planted_mistake_does_not_tell_apart(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = PAIRS[name]
    pair.mistake(monkeypatch)
    assert (
        _key_and_answer(pair, pair.one, pair.one)[0]
        == (_key_and_answer(pair, pair.other, pair.one)[0])
    )


def recorded(text: str, document: dict[str, Any]) -> list[Read | int]:
    """What an evaluation of `data.test.p` reads, without what only says that a way is there."""
    engine = load_plan(plan(f"package test\n{text}"), "test/p", None, recorded=True)
    assert isinstance(engine, RegoEngine)
    assert engine.recorded is not None
    _, noted = engine.decide_and_tell(document)
    return [number if number == IMPURE else engine.recorded[number] for number in noted]


def shallow(*path: str | int) -> Read:
    return Read(path, False)


def deep(*path: str | int) -> Read:
    return Read(path, True)


READS: dict[str, tuple[str, dict[str, Any], list[Read | int]]] = {
    "a chain of names is one read": (
        "p if input.a.b.c == 1",
        {"a": {"b": {"c": 1}}},
        [shallow("a", "b", "c")],
    ),
    "what comes after a failure is not read": (
        "p if { input.a == 1; input.b == 2 }",
        {"a": 2, "b": 2},
        [shallow("a")],
    ),
    "an index is a step": ("p if input.a[1] == 1", {"a": [0, 1]}, [shallow("a", 1)]),
    "absence is a read": ("p if not input.a", {}, [shallow("a")]),
    "what is found but never used is read": (
        "p if { x := input.a; count([1 | input.b == 1; x == 2]) == 0 }",
        {"a": 5, "b": 0},
        [shallow("a"), shallow("b")],
    ),
    "an iteration reads all below": (
        "p if { some x in input.a; x == 1 }",
        {"a": [1]},
        [shallow("a"), deep("a")],
    ),
    "walk reads all below": (
        "p if { walk(input.a, [_, x]); x == 1 }",
        {"a": [1]},
        [shallow("a"), deep("a")],
    ),
    "a key of the input reads all below": (
        "p if input.a[input.k] == 1",
        {"a": {"x": 1}, "k": "x"},
        [shallow("k"), shallow("a"), deep("a"), deep("k")],
    ),
    "a rule that is a part of the input reads what is asked of it": (
        "h := input.a\np if h.b == 1",
        {"a": {"b": 1, "c": 2}},
        [shallow("a"), shallow("a", "b")],
    ),
    "an argument is read as a whole": (
        "f(x) := x.b\np if f(input.a) == 1",
        {"a": {"b": 1}},
        [shallow("a"), deep("a")],
    ),
    "with reads everything": ("q if input.a\np if q with input.b as 1", {"a": 1}, [WHOLE]),
    "the whole": ("p := input", {"a": 1}, [WHOLE]),
    "a clock": (
        "p if { input.a == 1; time.now_ns() > 1 }",
        {"a": 1},
        [shallow("a"), IMPURE],
    ),
    "a clock that is not looked at": (
        "p if { input.a == 1; time.now_ns() > 1 }",
        {"a": 2},
        [shallow("a")],
    ),
    "a clock under with": (
        "q if time.now_ns() > 1\np if q with input.b as 1",
        {},
        [IMPURE, WHOLE],
    ),
    "a random number in a function": (
        'f(x) := uuid.rfc4122(x)\np if f("a") != ""',
        {},
        [IMPURE],
    ),
    "nothing": ("p := 1", {"a": 1}, []),
}


@pytest.mark.parametrize("name", READS)
def test_what_is_recorded_of(name: str) -> None:
    text, document, reads = READS[name]
    assert recorded(text, document) == reads


def test_whatever_opa_holds_to_be_nondeterministic_is_never_remembered() -> None:
    """By OPA's own list, except for two that fetch schemas there and never do here."""
    import json
    import subprocess

    from callout.testing import tools
    from extauthz.policy.builtins.nondeterministic import NONDETERMINISTIC

    done = subprocess.run(
        [str(tools.find("opa")), "capabilities", "--current"],
        capture_output=True,
        timeout=20,
        check=True,
    )
    theirs = {each["name"] for each in json.loads(done.stdout)["builtins"] if _is_marked(each)}
    assert len(theirs) >= 11
    assert theirs - {"json.match_schema", "json.verify_schema"} <= NONDETERMINISTIC.keys()


def _is_marked(builtin: dict[str, Any]) -> bool:
    return bool(builtin.get("nondeterministic"))
