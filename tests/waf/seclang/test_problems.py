"""What an operator can write wrong, and what they are told: file, line, column, and the cure."""

from dataclasses import replace
from pathlib import Path

import pytest

from callout.config.problems import Rejected
from waf.seclang.files import Limits
from waf.seclang.parse import parse
from waf.seclang.syntax import Program, Rule

OK = 'SecRule ARGS "@rx a" "id:1,phase:2,pass"\n'


def told(text: str, limits: Limits | None = None) -> list[str]:
    found = parse("r.conf", {"r.conf": text.encode("utf-8", "surrogateescape")}, limits)
    problems = found.problems if isinstance(found, Rejected) else found.warnings
    return [str(problem) for problem in problems]


def _cases() -> list[tuple[str, list[str]]]:
    """Cases of problems.txt: a file, and after `> ` all that is told of it."""
    cases = []
    for block in (Path(__file__).parent / "problems.txt").read_text().split("\n\n"):
        lines = block.splitlines()
        text = "\n".join(line for line in lines if not line.startswith("> "))
        cases.append((text, ["r.conf:" + line[2:] for line in lines if line.startswith("> ")]))
    return cases


CASES = _cases()


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text[:40] for text, _ in CASES])
def test_what_is_wrong_is_told_with_its_place(text: str, expected: list[str]) -> None:
    assert expected
    assert told(text) == expected
    accepted = all(" warning: " in line for line in expected)
    assert isinstance(parse("r.conf", {"r.conf": text.encode()}), Program) is accepted


def test_all_cases_were_read() -> None:
    assert len(CASES) == 63


@pytest.mark.parametrize("text", ["SecPcreMatchLimit 1000", "SecDebugLogLevel 3", "# SecFoo \\"])
def test_what_changes_nothing_is_passed_over(text: str) -> None:
    assert parse("r.conf", {"r.conf": text.encode()}) == Program(())
    assert told(text) == []


LIMITS = Limits(file_bytes=400, directive_characters=80, files=3, depth=2, rules=2, problems=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#" * 401, "r.conf: expected at most 400 bytes, found 401"),
        (
            f'SecAction "id:1,msg:{"x" * 70}"',
            "r.conf:1:1: expected at most 80 characters in a directive, found more",
        ),
        (
            "".join(f'SecAction "id:{n},pass"\n' for n in range(1, 5)),
            "r.conf:3:12: SecAction: expected at most 2 rules, found more",
        ),
    ],
    ids=["bytes", "characters", "rules"],
)
def test_what_is_too_large_is_told(text: str, message: str) -> None:
    assert told(text, LIMITS) == [message]


def test_only_the_first_problems_are_told() -> None:
    assert len(told("SecFoo\n" * 9, LIMITS)) == 3


def test_warnings_do_not_end_the_reading() -> None:
    found = parse("r.conf", {"r.conf": b"SecTmpDir x\n" * 9 + OK.encode()}, LIMITS)
    assert isinstance(found, Program)
    assert len(found.items) == 1
    assert len(found.warnings) == 3


def test_a_message_holds_little_of_the_file_and_nothing_unprintable() -> None:
    (line,) = told("Sec" + "\x1b[31m" + "x" * 5000)
    assert line.isprintable()
    assert len(line) < 200


def test_a_file_that_is_not_utf8_keeps_its_bytes() -> None:
    data = b'SecRule ARGS "@contains \xff\xa0\xc3\xa9" "id:1"\n'
    found = parse("r.conf", {"r.conf": data})
    assert isinstance(found, Program)
    rule = found.items[0]
    assert isinstance(rule, Rule)
    assert rule.operator is not None
    assert rule.operator.argument.encode("utf-8", "surrogateescape") == b"\xff\xa0\xc3\xa9"


def test_a_byte_order_mark_is_not_part_of_the_first_line() -> None:
    found = parse("r.conf", {"r.conf": b"\xef\xbb\xbf" + OK.encode()})
    assert found == parse("r.conf", {"r.conf": OK.encode()})


def test_the_limits_leave_room_for_the_largest_rule_sets() -> None:
    many = "".join(f'SecAction "id:{n},pass"\n' for n in range(1, 3000))
    assert told(many, replace(LIMITS, file_bytes=100_000, rules=3000)) == []
