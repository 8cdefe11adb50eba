"""libinjection, in each package that has it."""

import random
from pathlib import Path

import pytest

from waf.operators import libinjection as module
from waf.operators.contract import UNDECIDED, OperatorProblem, Surroundings
from waf.operators.libinjection import Libinjection, installed
from waf.operators.table import OPERATORS

ATTACKS = {
    b"1' or 1=1--": b"s&1c",
    b"1'\xa0OR\xa01=1--": b"s&1c",
    b"-1 union select 1,2,3": b"1UE1",
    b"a\0' or '1'='1": b"s&sos",
}
MARKUP = (b"<script>alert(1)</script>", b"<a href=javascript:alert(1)>", b"<x onload=1>")
HARMLESS = (b"", b"hello", b"select a seat", b"1 + 1 = 2", b"a < b and c > d", b"\xff\xfe\0")


def _read(_: str) -> bytes:
    raise AssertionError


@pytest.fixture(params=installed(), ids=lambda path: path.name)
def library(request: pytest.FixtureRequest) -> Libinjection:
    return Libinjection.load(request.param)


def test_the_package_that_is_installed_with_ours_has_it() -> None:
    assert installed()[0].name.startswith("libmodsecurity-")


def test_the_same_values_are_told_in_each(
    library: Libinjection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for operator in ("detect_sqli", "detect_xss"):
        monkeypatch.setattr(f"waf.operators.{operator}.libinjection", lambda: library)
    sqli = OPERATORS["detectsqli"](b"", Surroundings(_read))
    xss = OPERATORS["detectxss"](b"", Surroundings(_read))

    assert library.works()
    assert {value: (sqli(value) or (b"",))[0] for value in ATTACKS} == ATTACKS
    assert [(value,) for value in MARKUP] == [xss(value) for value in MARKUP]
    assert [sqli(value) or xss(value) for value in HARMLESS] == [None] * len(HARMLESS)


def test_an_error_of_the_library_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        @staticmethod
        def sqli(*_: object) -> int:
            return -1

        xss = sqli
        fingerprint = None

    for operator in ("detect_sqli", "detect_xss"):
        monkeypatch.setattr(f"waf.operators.{operator}.libinjection", Failing)

    for name in ("detectsqli", "detectxss"):
        assert OPERATORS[name](b"", Surroundings(_read))(b"a=") is UNDECIDED


def test_one_that_does_not_tell_what_it_must_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = installed()[0]
    second = tmp_path / "libinjection.so"
    second.symlink_to(first)
    monkeypatch.setattr(module, "installed", lambda: [first, second])
    monkeypatch.setattr(Libinjection, "works", lambda library: library.path == second)
    module.libinjection.cache_clear()

    assert module.libinjection().path == second
    module.libinjection.cache_clear()


def test_without_any_the_rule_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "libinjection.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(module, "installed", lambda: [broken])
    module.libinjection.cache_clear()

    with pytest.raises(OperatorProblem, match="libmodsecurity or libinjection-python"):
        module.libinjection()
    module.libinjection.cache_clear()


def test_no_markup_is_told_where_neither_a_tag_begins_nor_an_attribute_gets_a_value(
    library: Libinjection,
) -> None:
    pieces = [b"onload", b"style", b"javascript:", b"script", b"svg", b"xml:", b"!", b"DOCTYPE"]
    pieces += [b"'", b'"', b"`", b" ", b"\n", b"\0", b"/", b">", b"--", b"?", b"%", b"&lt;", b"]]>"]
    chance = random.Random(3)

    values = [b"".join(chance.choices(pieces, k=chance.randint(0, 9))) for _ in range(20_000)]

    assert [value for value in values if library.xss(value, len(value))] == []
