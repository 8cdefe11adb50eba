"""Include: which files, in which order, and what it cannot do."""

import pytest

from callout.config.problems import Rejected
from waf.seclang.files import Limits
from waf.seclang.parse import parse
from waf.seclang.syntax import Marker, Program

FILES = {
    "setup.conf": b"SecMarker setup\n",
    "rules/b.conf": b"SecMarker b\n",
    "rules/a.conf": b"SecMarker a\nInclude more/*.conf\n",
    "rules/c.data": b"no rules",
    "rules/more/x.conf": b"SecMarker x\nInclude ../../setup.conf",
    "rules/more/deeper/y.conf": b"SecMarker y\n",
    "/etc/crs/z.conf": b"SecMarker z\n",
}


def markers(text: str) -> list[str]:
    found = parse("main.conf", FILES | {"main.conf": text.encode()})
    assert isinstance(found, Program), found
    return [item.name for item in found.items if isinstance(item, Marker)]


def told(text: str, limits: Limits | None = None) -> list[str]:
    found = parse("main.conf", FILES | {"main.conf": text.encode()}, limits)
    assert isinstance(found, Rejected)
    return [str(problem) for problem in found.problems]


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("SecMarker 1\nInclude setup.conf\nSecMarker 2", ["1", "setup", "2"]),
        ("Include rules/*.conf", ["a", "x", "setup", "b"]),
        ('include "rules/[b-z].conf"', ["b"]),
        ("Include rules/*/?.conf", ["x", "setup"]),
        ("Include ./rules/../setup.conf\nInclude setup.conf", ["setup", "setup"]),
        ("Include /etc/crs/*.conf", ["z"]),
        ("IncludeOptional none/*.conf\nIncludeOptional none.conf", []),
    ],
)
def test_files_take_effect_in_the_order_of_their_names(text: str, order: list[str]) -> None:
    assert markers(text) == order


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Include none.conf", "1:9: Include: expected a rule file, found none: `none.conf`"),
        ("Include none/*.conf", "1:9: Include: expected a rule file, found none: `none/*.conf`"),
        (
            "\nInclude ../secret.conf",
            "2:9: Include: expected a path among the rule files, found `../secret.conf`",
        ),
        (
            "IncludeOptional rules/../../x",
            "1:17: Include: expected a path among the rule files, found `rules/../../x`",
        ),
        (
            "Include *.conf",
            "1:9: Include: expected no circle, found `main.conf` included in itself",
        ),
        (
            'SecRule ARGS "a" "id:1,chain"\nInclude setup.conf\nSecRule ARGS "b"',
            "1:1: SecRule: expected another rule after `chain`, found none",
        ),
    ],
)
def test_what_cannot_be_included_is_told(text: str, message: str) -> None:
    assert f"main.conf:{message}" in told(text)


def test_a_circle_through_other_files_is_told_where_it_closes() -> None:
    files = {"main.conf": b"Include a.conf", "a.conf": b"Include b.conf", "b.conf": b"Include a.*"}
    found = parse("main.conf", files)
    assert isinstance(found, Rejected)
    assert [str(problem) for problem in found.problems] == [
        "b.conf:1:9: Include: expected no circle, found `a.conf` included in itself"
    ]


def test_a_problem_of_an_included_file_is_told_at_its_own_place() -> None:
    found = parse("main.conf", {"main.conf": b"\nInclude a/x.conf", "a/x.conf": b"\n\nSecFoo"})
    assert isinstance(found, Rejected)
    assert str(found.problems[0]).startswith("a/x.conf:3:1: SecFoo: ")


def test_the_depth_and_the_number_of_files_are_limited() -> None:
    assert told("Include rules/a.conf", Limits(depth=3)) == [
        "rules/more/x.conf:2:9: Include: expected at most 3 files deep, found more"
    ]
    assert told("Include setup.conf\n" * 5, Limits(files=4)) == [
        "main.conf:4:9: Include: expected at most 4 rule files, found more"
    ]


def test_what_is_included_again_counts_again() -> None:
    assert told("Include setup.conf\n" * 5, Limits(total_bytes=150)) == [
        "setup.conf: expected at most 150 bytes in all files, found more"
    ]


def test_files_that_double_with_every_level_end_at_the_limit() -> None:
    files = {f"{n}.conf": f"Include {n + 1}.conf\n".encode() * 2 for n in range(15)}
    files["15.conf"] = b"SecMarker x\n" * 10
    found = parse("0.conf", files, Limits(files=100))
    assert isinstance(found, Rejected)
    assert "expected at most 100 rule files" in str(found.problems[0])


def test_a_missing_first_file_is_told() -> None:
    found = parse("main.conf", {})
    assert isinstance(found, Rejected)
    assert [str(problem) for problem in found.problems] == [
        "main.conf: expected a rule file, found none"
    ]
