"""What the author of a policy may write never becomes Python, and means what OPA says it means."""

import builtins
import json
import keyword
import time
from decimal import Decimal

import pytest

from extauthz.policy.engine import PolicyFailed
from extauthz.policy.problems import PlanRejected
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.translator import runtime
from tests.extauthz.policy.break_out.written import Written
from tests.extauthz.policy.rego import plan

TEXTS = [
    "__import__('os').system('true')",
    "'''\nraise SystemExit\n'''",
    '"""',
    "\\",
    "\\N{DIGIT ONE}",
    "\\x00",
    "{x}{x.__class__}{0.__globals__}",
    "%s%(x)s%n",
    "\x00",
    "a\x00b",
    "\r\n\t\x0b\x0c\x1b[2J",
    "\u2028\u2029\ufeff\u202e",
    "\ufffe\uffff\U0010ffff",
    "e\u0301 \u00e9 \uff5f\uff3f\uff43\uff4c\uff41\uff53\uff53",
    "v0",
    "K0",
    "U",
    "__class__",
    "__builtins__",
    "__globals__",
    "__dict__",
    "mro",
    "",
    "None",
    "x" * 1_000_000,
]
RESERVED = frozenset(
    {"as", "contains", "default", "else", "every", "false", "if", "import", "in", "input", "data"}
    | {"not", "null", "package", "some", "true", "with", "p", "test", "_"}
)
WORDS = sorted(
    {
        *keyword.kwlist,
        *keyword.softkwlist,
        *dir(builtins),
        *runtime.NAMESPACE,
        *("__class__", "__dict__", "__globals__", "__subclasses__", "__init__", "__code__"),
        *("v0", "v1", "f0", "f1", "h0", "K0", "m", "m1", "n1", "w1", "r1", "i1", "c1", "b1", "x1"),
        *(
            "results",
            "entrypoint",
            "dynamic",
            "unused",
            "scan1",
            "call_count",
            "call_io_jwt_decode",
        ),
    }
    - RESERVED
)


def loaded(
    monkeypatch: pytest.MonkeyPatch, rego: str, entrypoint: str = "test/p", data: bytes = b"{}"
) -> RegoEngine:
    written = Written(monkeypatch)
    made = load_plan(plan(rego, entrypoint=entrypoint), entrypoint, data, recorded=True)
    assert isinstance(made, RegoEngine), made
    written.check()
    return made


def test_strings_stay_strings_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = ["package test"]
    for number, text in enumerate(TEXTS):
        quoted = json.dumps(text)
        rules.append(f"as_value contains {quoted} if input.n >= {number}")
        rules.append(f"as_key[{quoted}] := {number} if input.n >= {number}")
        rules.append(f"as_prefix contains {number} if startswith(input.text, {quoted})")
        rules.append(f"as_equal contains {number} if input.text == {quoted}")
        rules.append(f"as_field contains {number} if input.fields[{quoted}] == {number}")
        rules.append(f"of_data contains {number} if data.fields[{quoted}] == {number}")
        rules.append(f"formatted contains {number} if sprintf({quoted}, []) != input.text")
    rules.append(
        "p := [as_value, as_key, as_prefix, as_equal, as_field, of_data, count(formatted) > 0]"
    )
    fields = {text: number for number, text in enumerate(TEXTS)}
    data = json.dumps({"fields": fields}).encode()
    made = loaded(monkeypatch, "\n".join(rules), data=data)
    for number, text in enumerate(TEXTS):
        answer = made.decide({"n": len(TEXTS), "text": text, "fields": fields}, None)
        assert isinstance(answer, list), answer
        assert sorted(answer[0]) == sorted(TEXTS)
        assert answer[1] == fields
        assert answer[2] == [n for n, each in enumerate(TEXTS) if text.startswith(each)]
        assert answer[3] == [number]
        assert answer[4] == answer[5] == list(range(len(TEXTS)))


def test_words_of_python_and_of_the_translator_name_rules_variables_and_fields(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = ["package test.words"]
    for number, word in enumerate(WORDS):
        rules.append(f"rule_{word}.{word} := {{{json.dumps(word)}: {number}}}")
        rules.append(f"function_{word}(x) := [x, {word}] if {{ some {word} in input.xs }}")
    fields = ", ".join(f'"{word}": rule_{word}.{word}.{word}' for word in WORDS)
    calls = ", ".join(f"function_{word}({n})" for n, word in enumerate(WORDS))
    read = ", ".join(f"input.{word}" for word in WORDS)
    rules += [f"p := [{{{fields}}}, [{calls}], [{read}]]"]
    made = loaded(monkeypatch, "\n".join(rules), "test/words/p")
    document = {word: number for number, word in enumerate(WORDS)}
    answer = made.decide({**document, "xs": ["only"]}, None)
    assert answer == [
        document,
        [[number, "only"] for number in range(len(WORDS))],
        list(range(len(WORDS))),
    ]


@pytest.mark.parametrize("word", ["__class__", "__import__", "def", "v0", "K0", "spend", "lambda"])
def test_a_rule_and_a_package_may_have_any_name(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rego = f"package {word}.{word}\n{word}(x) := x + 1\np := {word}(input.{word})"
    entrypoint = f"{word}/{word}/p"
    text = plan(rego, entrypoint=entrypoint)
    written = Written(monkeypatch)
    made = load_plan(text, entrypoint, None)
    assert isinstance(made, RegoEngine)
    written.check()
    assert made.decide({word: 41}, None) == 42


NUMBERS = {
    "9" * 4000: int("9" * 4000),
    "-" + "9" * 4000: -int("9" * 4000),
    "18446744073709551616": 2**64,
    "0.1": Decimal("0.1"),
    "1e400": Decimal("1e400"),
    "-1e-400": Decimal("-1e-400"),
    "1.0000000000000000000000000000001": Decimal("1.0000000000000000000000000000001"),
}


def with_number(text: str) -> bytes:
    """A plan with this number; OPA's own parser takes no exponent of so many digits."""
    written = plan("package test\np := x if { x := 12345.5 }")
    assert written.count(b'"12345.5"') == 1
    return written.replace(b'"12345.5"', json.dumps(text).encode())


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_keep_all_their_digits(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch)
    made = load_plan(with_number(text), "test/p", None)
    assert isinstance(made, RegoEngine)
    written.check()
    assert made.decide({}, None) == NUMBERS[text]


@pytest.mark.parametrize("text", ["1e1000000", "1e-1000000"])
def test_numbers_that_would_take_all_memory_are_a_problem_with_its_line(text: str) -> None:
    began = time.thread_time()
    made = load_plan(with_number(text), "test/p", None)
    assert isinstance(made, PlanRejected)
    assert str(made.problems[0]).startswith("0.rego:2:")
    assert time.thread_time() - began < 10


def nested(opening: str, closing: str, times: int, core: str = "input.x") -> str:
    return opening * times + core + closing * times


MANY = 1000
FLAT: dict[str, tuple[str, object]] = {
    "calls": (f"p := {nested('f(', ')', MANY)}\nf(x) := x", 3),
    "brackets": (f"p := {nested('(', ')', MANY)}", 3),
    "sums": ("p := " + " + ".join(["input.x"] * MANY), 3 * MANY),
    "a body": ("p if { " + "; ".join(f"input.x != {n + 7}" for n in range(MANY)) + " }", True),
    "a reference": ("p := true if not input" + ".a" * MANY, True),
    "an array": ("p := count([" + ", ".join(["input.x"] * MANY) + "])", MANY),
    "an object": (
        "p := count({" + ", ".join(f'"k{n}": input.x' for n in range(MANY)) + "})",
        MANY,
    ),
    "a set of constants": (
        "p if input.x in {" + ", ".join(str(n) for n in range(MANY)) + "}",
        True,
    ),
    "parameters": (
        f"f({', '.join(f'a{n}' for n in range(MANY))}) := a{MANY - 1}\n"
        f"p := f({', '.join(['input.x'] * MANY)})",
        3,
    ),
    "rules": ("\n".join(f"p := {n} if input.x == {n}" for n in range(MANY)), 3),
    "else": (
        "p := 0 if input.x == -1\n"
        + "\n".join(f"else := {n} if input.x == {n}" for n in range(MANY)),
        3,
    ),
    "a long body inside": (
        "p := [x | some x in input.xs; "
        + "; ".join(f"x != {n + 7}" for n in range(MANY))
        + "; count([y | some y in input.xs; "
        + "; ".join(f"y != {n + 7}" for n in range(100))
        + "]) == 2]",
        [1, 2],
    ),
    "a long negation": (
        "p if { not q }\nq if { not r; "
        + "; ".join(f"input.x != {n + 7}" for n in range(MANY))
        + " }\nr if { "
        + "; ".join(f"input.x != {n + 7}" for n in range(MANY))
        + " }",
        True,
    ),
    "`with` after `with`": (
        "p if { q " + " ".join(f"with input.a{n} as {n}" for n in range(40)) + " }\n"
        "q if count(input) == 42",
        True,
    ),
}


@pytest.mark.parametrize("name", FLAT)
def test_what_is_long_decides_rightly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rego, expected = FLAT[name]
    made = loaded(monkeypatch, f"package test\n{rego}")
    assert made.decide({"x": 3, "xs": [1, 2]}, None) == expected


DEEP = {
    "arrays of constants": (f"p := {nested('[', ']', 10_000, '1')}", "nested more than 200 deep"),
    "objects of constants": (
        "p := " + nested('{"a": ', "}", 10_000, "1"),
        "nested more than 200 deep",
    ),
    "a function in a function": (f"p := {nested('f(', ')', 3000)}\nf(x) := x", ""),
    "arrays": (f"p := {nested('[', ']', 10_000)}", ""),
    "sets": (f"p := {nested('{', '}', 10_000)}", ""),
    "rules of rules": (
        "p := r0\n" + "\n".join(f"r{n} := r{n + 1}" for n in range(2000)) + "\nr2000 := input.x",
        "",
    ),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", DEEP)
def test_what_is_deep_is_refused_at_load_or_denied(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rego, problem = DEEP[name]
    text = plan(f"package test\n{rego}")
    began = time.thread_time()
    made = load_plan(text, "test/p", None, recorded=True)
    if isinstance(made, PlanRejected):
        assert problem
        assert problem in made.problems[0].message
        assert str(made.problems[0]).startswith("0.rego:2:")
    else:
        assert not problem
        answer = made.decide({"x": 3}, None)
        if isinstance(answer, PolicyFailed):
            assert answer.reason == "rego_too_deep"
        else:
            assert answer == 3
    assert time.thread_time() - began < 30  # usually less than two
