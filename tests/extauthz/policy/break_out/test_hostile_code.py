"""Plans made to break the translator: refused with a reason, or harmless; and always soon."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from callout.config.pace import breathe
from extauthz.policy.engine import PolicyFailed
from extauthz.policy.plan import effort, reader
from extauthz.policy.plan.reader import MAX_BYTES
from extauthz.policy.problems import PlanError, PlanRejected
from extauthz.policy.rego import RegoEngine, load_plan
from tests.extauthz.policy.break_out.written import Written

Json = dict[str, Any]

STRINGS = ["a", "b", "result", "count", "__class__"]
SOON = 20.0
"""Seconds of processor time; usually less than two."""


def local(number: int) -> Json:
    return {"type": "local", "value": number}


def text(index: int) -> Json:
    return {"type": "string_index", "value": index}


def step(kind: str, **fields: Any) -> Json:
    return {"type": kind, "stmt": {**fields, "file": 0, "row": 7, "col": 1}}


def block(*statements: Json) -> Json:
    return {"stmts": list(statements)}


def assign(source: int, target: int) -> Json:
    return step("AssignVarStmt", source=local(source), target=target)


def dot(source: int, key: int, target: int) -> Json:
    return step("DotStmt", source=local(source), key=text(key), target=target)


def function(name: str, *statements: Json, params: int = 2, returns: int = 2) -> Json:
    last = step("ReturnLocalStmt", source=returns)
    return {
        "name": name,
        "path": ["g0", name],
        "params": list(range(params)),
        "return": returns,
        "blocks": [block(*statements), block(last)],
    }


def call(name: str, result: int, *arguments: int) -> Json:
    return step("CallStmt", func=name, args=list(map(local, arguments)), result=result)


def plan_of(*functions: Json, body: list[Json] | None = None) -> Json:
    called = [call(functions[0]["name"], 2, 0, 1)] if functions else []
    found = [
        step("MakeObjectStmt", target=3),
        step("ObjectInsertStmt", object=3, key=text(2), value=local(2)),
        step("ResultSetAddStmt", value=3),
    ]
    return {
        "static": {
            "strings": [{"value": each} for each in STRINGS],
            "files": [{"value": "bad.rego"}],
            "builtin_funcs": [{"name": "count"}],
        },
        "plans": {"plans": [{"name": "test/p", "blocks": [block(*(body or called), *found)]}]},
        "funcs": {"funcs": list(functions)},
    }


def loaded(made: Json | bytes, recorded: bool = True) -> RegoEngine | PlanRejected:
    began = time.thread_time()
    data = made if isinstance(made, bytes) else json.dumps(made).encode()
    answer = load_plan(data, "test/p", b"{}", recorded=recorded)
    assert time.thread_time() - began < SOON
    return answer


def problem(made: Json | bytes) -> str:
    answer = loaded(made)
    assert isinstance(answer, PlanRejected)
    return str(answer.problems[0])


def denied(made: Json, document: Json | None = None) -> PolicyFailed:
    answer = loaded(made)
    assert isinstance(answer, RegoEngine), answer
    began = time.thread_time()
    decided = answer.decide(document or {"a": [1], "b": "x"}, None)
    assert time.thread_time() - began < SOON
    assert isinstance(decided, PolicyFailed), decided
    return decided


def nested_blocks(times: int, kind: str, **fields: Any) -> Json:
    inner = block(step("NopStmt"))
    for _ in range(times):
        inner = block(step(kind, block=inner, **fields))
    found: Json = inner["stmts"][0]
    return found


REFUSED: dict[str, tuple[Callable[[], Json | bytes], str]] = {
    "too many bytes": (lambda: b" " * (MAX_BYTES + 1), "more than 67,108,864 bytes"),
    "too many conditions inside each other": (
        lambda: plan_of(
            function("f", *[step("BlockStmt", blocks=[_staircase(95)])], returns=0),
        ),
        "bad.rego:7:1: the rule is nested too deeply: conditions are nested more than 300 deep",
    ),
    "too many blocks left from inside": (
        lambda: plan_of(function("f", _leaving(30), returns=0)),
        "bad.rego:7:1: the rule is nested too deeply: more than 20 blocks",
    ),
    "a constant that doubles": (
        lambda: plan_of(
            function(
                "f",
                *[step("MakeArrayStmt", target=2)],
                *[
                    each
                    for n in range(2, 62)
                    for each in (
                        step("MakeArrayStmt", target=n + 1),
                        step("ArrayAppendStmt", array=n + 1, value=local(n)),
                        step("ArrayAppendStmt", array=n + 1, value=local(n)),
                    )
                ],
                returns=62,
            )
        ),
        "bad.rego:7:1: a constant of more than 250,000 members",
    ),
    "two functions of one name": (
        lambda: plan_of(function("f"), function("f")),
        "two functions named 'f'",
    ),
    "two entrypoints of one name": (
        lambda: _changed(lambda made: made["plans"]["plans"].append(made["plans"]["plans"][0])),
        "two entrypoints named 'test/p'",
    ),
    "half of a surrogate pair": (
        lambda: _changed(lambda made: made["static"]["strings"][0].update(value="\ud800")),
        "half of a surrogate pair",
    ),
    "half of a surrogate pair in a name": (
        lambda: plan_of(function("f\ud800")),
        "half of a surrogate pair",
    ),
    "a line beyond all files": (
        lambda: _changed(lambda made: _first(made)["stmt"].update(row=10**300)),
        "is no place in a file",
    ),
    "a negative line": (
        lambda: _changed(lambda made: _first(made)["stmt"].update(col=-1)),
        "is no place in a file",
    ),
    "a negative local": (
        lambda: plan_of(function("f", assign(0, -1))),
        "expected the number of a local, found -1",
    ),
    "a local beyond all": (
        lambda: plan_of(function("f", assign(0, 10**9))),
        "expected the number of a local",
    ),
    "a negative jump": (
        lambda: plan_of(function("f", step("BreakStmt", index=-1))),
        "expected a number of blocks",
    ),
    "a jump beyond all": (
        lambda: plan_of(function("f", step("BreakStmt", index=99))),
        "jumps out",
    ),
    "a parameter twice": (
        lambda: plan_of({**function("f"), "params": [0, 0]}),
        "are not input, data and others",
    ),
    "a change of a parameter": (
        lambda: plan_of(function("f", step("ArrayAppendStmt", array=1, value=text(0)))),
        "changes a value that it did not make",
    ),
    "a builtin of Python": (
        lambda: plan_of(function("f", call("eval", 2, 0))),
        "unsupported function eval",
    ),
    "a method of Python": (
        lambda: plan_of(function("f", call("count.__class__", 2, 0))),
        "unsupported function count.__class__",
    ),
}


def _changed(change: Callable[[Json], Any]) -> Json:
    made = plan_of(function("f", assign(0, 2)))
    change(made)
    return made


def _first(made: Json) -> Json:
    found: Json = made["funcs"]["funcs"][0]["blocks"][0]["stmts"][0]
    return found


def _staircase(depth: int) -> Json:
    """Blocks in each other, each with conditions before it."""
    inner = block(step("NopStmt"))
    asked = step("EqualStmt", a=local(0), b=local(1))
    for _ in range(depth):
        inner = block(*[asked] * 40, step("BlockStmt", blocks=[inner]))
    return inner


def _leaving(depth: int) -> Json:
    """Blocks in each other, each of which is left from inside."""
    inner = block(dot(0, 0, 9))
    for _ in range(depth):
        leaving = block(dot(0, 1, 9), step("BreakStmt", index=1))
        inner = block(step("BlockStmt", blocks=[leaving]), step("BlockStmt", blocks=[inner]))
    return step("BlockStmt", blocks=[inner])


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_says_why(name: str) -> None:
    make, message = REFUSED[name]
    assert message in problem(make())


def test_too_many_instructions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_STATEMENTS", 1000)
    message = problem(plan_of(function("f", *[step("NopStmt")] * 1000)))
    assert message == "bad.rego:7:1: the plan has more than 1,000 instructions"


def cycle(value: int) -> list[Json]:
    """An array that holds itself; not by its own append, which would be too easy."""
    return [
        step("MakeArrayStmt", target=4),
        step("MakeArrayStmt", target=5),
        step("ArrayAppendStmt", array=4, value=local(5)),
        step("ArrayAppendStmt", array=5, value=local(4)),
        assign(4, value),
    ]


DENIED: dict[str, Callable[[], Json]] = {
    "functions that call each other": lambda: plan_of(
        function("f", call("g", 2, 0, 1)), function("g", call("f", 2, 0, 1))
    ),
    "a function that calls itself by its path": lambda: plan_of(
        function(
            "f",
            step(
                "BlockStmt",
                blocks=[_dynamic_call()],
            ),
        )
    ),
    "an array in itself as the result": lambda: plan_of(function("f", *cycle(2))),
    "an array in itself as the member of a set": lambda: plan_of(
        function(
            "f",
            *cycle(6),
            step("MakeSetStmt", target=2),
            step("SetAddStmt", set=2, value=local(6)),
        )
    ),
    "a field of an array": lambda: plan_of(
        function(
            "f",
            step("MakeArrayStmt", target=2),
            step("ObjectInsertStmt", object=2, key=text(0), value=text(1)),
            step("ObjectInsertStmt", object=2, key=local(0), value=local(0)),
        )
    ),
}


def _dynamic_call() -> Json:
    """A call by path, in as many blocks as it leaves when it finds nothing."""
    called = step("CallDynamicStmt", args=[0, 1], path=[text(0), text(1)], result=2)
    inner = block(called)
    for _ in range(4):
        inner = block(step("BlockStmt", blocks=[inner]))
    return inner


@pytest.mark.parametrize("name", DENIED)
def test_it_is_loaded_and_denies(name: str) -> None:
    made = DENIED[name]()
    for each in made["funcs"]["funcs"]:
        each["path"] = ["a", "b"] if each["name"] == "f" else ["c"]
    failed = denied(made)
    assert failed.reason in {"rego_too_deep", "rego_internal", "budget"}
    assert "x" not in failed.message.split()


COSTLY: dict[str, Callable[[], Json]] = {
    "locals that are one of two fields of each other": lambda: plan_of(
        function(
            "f",
            assign(0, 2),
            *[
                step("BlockStmt", blocks=[block(dot(n, 0, n + 1)), block(dot(n, 1, n + 1))])
                for n in range(2, 60)
            ],
            returns=60,
        )
    ),
    "functions that are one of two fields of each other": lambda: plan_of(
        *[
            function(
                f"f{n}",
                call(f"f{n + 1}", 2, 0, 1),
                step("BlockStmt", blocks=[block(dot(2, 0, 3)), block(dot(2, 1, 3))]),
                returns=3,
            )
            for n in range(48)
        ],
        function("f48", assign(0, 2)),
    ),
    "values handed on against the order": lambda: plan_of(
        function(
            "f",
            step(
                "ScanStmt",
                source=1,
                key=3000,
                value=3001,
                block=block(*[assign(n, n + 1) for n in range(2000, 2, -1)], assign(0, 3)),
            ),
            returns=2001,
        )
    ),
    "blocks with many locals that are left many times": lambda: plan_of(
        function(
            "f",
            *[step("MakeNullStmt", target=n) for n in range(3, 500)],
            *[step("BlockStmt", blocks=[block(step("BreakStmt", index=1))])] * 500,
            returns=4,
        )
    ),
    "negations inside each other": lambda: plan_of(
        function("f", nested_blocks(45, "NotStmt"), returns=0)
    ),
    "iterations inside each other": lambda: plan_of(
        function("f", nested_blocks(45, "ScanStmt", source=1, key=3, value=4), returns=0)
    ),
    "`with` inside each other": lambda: plan_of(
        function("f", nested_blocks(45, "WithStmt", local=0, path=[0], value=text(1)), returns=0)
    ),
    "names that are paths": lambda: plan_of(
        function("../../etc/passwd\x00\n", assign(0, 2)), function("__class__", assign(0, 2))
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_it_takes_no_time_and_reaches_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch)
    made = loaded(COSTLY[name]())
    if isinstance(made, RegoEngine):
        written.check()
        began = time.thread_time()
        made.decide({"a": {"b": 1}}, None)
        assert time.thread_time() - began < SOON
    else:
        assert str(made.problems[0]).startswith("bad.rego:7:1")


def test_what_is_too_much_to_follow_counts_as_reading_everything() -> None:
    made = loaded(COSTLY["functions that are one of two fields of each other"]())
    assert isinstance(made, RegoEngine)
    assert made.recorded is not None
    _, noted = made.decide_and_tell({"a": {"b": 1}})
    assert [made.recorded[number] for number in noted if number >= 0] == [((), True)]
    made = loaded(COSTLY["locals that are one of two fields of each other"]())
    assert isinstance(made, RegoEngine)
    assert made.reads is None


def test_work_without_end_is_a_problem() -> None:
    seconds = iter(range(1000))

    def work() -> None:
        with effort.bounded(clock=lambda: float(next(seconds))):
            for _ in range(100):
                breathe()

    with pytest.raises(PlanError, match="takes more than 60 s of processor time"):
        work()
