"""The rule sets that most sites run are read whole; counts are those of another parser.

msc-pyparser 1.2.2 reads the same lines, variables, operators and actions of all 703 rules of CRS
4.29.0-dev and of the 803 of CRS 3.3.4, but for two messages: it keeps the backslash of `\\"`, and a
backslash and the line break within a word.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from callout.testing import data
from tests.waf import debian_crs
from waf.seclang.parse import parse
from waf.seclang.select import select
from waf.seclang.syntax import Marker, Program, Rule, Setting

_BEGINS = re.compile(rb"^[ \t]*(Sec[A-Z][A-Za-z]+[a-z])\b", re.MULTILINE)
"""Directives of a file, without reading their arguments."""

OPERATORS = {
    "beginswith": 1,
    "contains": 4,
    "detectsqli": 2,
    "detectxss": 2,
    "endswith": 6,
    "eq": 53,
    "ge": 42,
    "gt": 15,
    "ipmatch": 2,
    "lt": 190,
    "pm": 12,
    "pmfromfile": 21,
    "rx": 318,
    "streq": 9,
    "unconditionalmatch": 1,
    "validatebyterange": 6,
    "validateurlencoding": 1,
    "validateutf8encoding": 1,
    "within": 9,
}
NEGATED = 42
VARIABLES = 1749
ACTIONS = {
    "auditlog": 1,
    "block": 345,
    "capture": 279,
    "chain": 73,
    "ctl": 10,
    "deny": 6,
    "id": 630,
    "initcol": 2,
    "log": 8,
    "logdata": 331,
    "msg": 355,
    "multimatch": 8,
    "noauditlog": 5,
    "nolog": 277,
    "pass": 279,
    "phase": 630,
    "setvar": 684,
    "severity": 346,
    "skipafter": 206,
    "status": 2,
    "t": 840,
    "tag": 3089,
    "ver": 630,
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    folder = data.require("crs")
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in [folder / "crs-setup.conf.example", *_configurations(folder)]
    }
    main = b"Include crs-setup.conf.example\nInclude plugins/*.conf\nInclude rules/*.conf\n"
    return found | {"main.conf": main}


def _configurations(folder: Path) -> list[Path]:
    return sorted([*folder.glob("rules/*.conf"), *folder.glob("plugins/*.conf")])


def read(files: dict[str, bytes]) -> Program:
    found = parse("main.conf", files)
    assert isinstance(found, Program), "\n".join(map(str, found.problems))
    return found


def kinds(program: Program) -> Counter[str]:
    found: Counter[str] = Counter()
    for item in program.items:
        if isinstance(item, Rule):
            for rule in (item, *item.links):
                found["SecRule" if rule.targets else "SecAction"] += 1
        else:
            found[item.name if isinstance(item, Setting) else "SecMarker"] += 1
    return found


def test_crs_4_is_read_whole_without_a_warning(files: dict[str, bytes]) -> None:
    program = read(files)
    assert program.warnings == ()
    assert kinds(program) == {
        "SecRule": 695,
        "SecAction": 8,
        "SecMarker": 30,
        "SecDefaultAction": 5,
        "SecRuleUpdateTargetById": 55,
        "SecComponentSignature": 1,
    }
    heads = [item for item in program.items if isinstance(item, Rule)]
    assert Counter(1 + len(rule.links) for rule in heads if rule.links) == {
        2: 41,
        3: 11,
        4: 2,
        5: 1,
    }


def test_every_directive_of_crs_4_is_at_the_line_where_it_begins(files: dict[str, bytes]) -> None:
    expected = {
        (name, text.count(b"\n", 0, found.start(1)) + 1)
        for name, text in files.items()
        for found in _BEGINS.finditer(text)
    }
    places = set()
    for item in read(files).items:
        rules = (item, *item.links) if isinstance(item, Rule) else (item,)
        places |= {(each.place.file, each.place.line) for each in rules}
    assert len(places) == 794
    assert places == expected


def test_what_the_rules_of_crs_4_are_made_of(files: dict[str, bytes]) -> None:
    heads = [item for item in read(files).items if isinstance(item, Rule)]
    rules = [rule for head in heads for rule in (head, *head.links)]
    operators = Counter(rule.operator.name for rule in rules if rule.operator)
    assert operators == OPERATORS
    assert sum(rule.operator.negated for rule in rules if rule.operator) == NEGATED
    assert sum(len(rule.targets) for rule in rules) == VARIABLES
    actions = Counter(action.name for rule in rules for action in rule.actions)
    assert actions == ACTIONS


def test_updates_of_crs_4_find_their_rules(files: dict[str, bytes]) -> None:
    program = select(read(files))
    assert program.warnings == ()
    left = kinds(program)
    assert (left["SecRule"], left["SecAction"], left["SecRuleUpdateTargetById"]) == (695, 8, 0)
    assert left["SecDefaultAction"] == 0
    for item in program.items:
        if isinstance(item, Rule):
            assert not any(action.name == "block" for action in item.actions)


def test_crs_3_as_debian_has_it_is_read_whole() -> None:
    program = read(debian_crs.require())
    found = kinds(program)
    lookups = {warning.message.split(" ")[0] for warning in program.warnings}
    assert lookups == {"@geolookup", "@rbl"}
    assert found["SecRule"] == 790
    assert found["SecAction"] == 10
    assert any(isinstance(item, Marker) for item in select(program).items)
