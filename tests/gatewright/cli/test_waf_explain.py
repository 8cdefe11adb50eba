"""`gatewright waf explain`: what a request meets, and a line that silences each rule of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from callout.config.problems import Rejected
from gatewright.bundle import rule_sets
from gatewright.cli.folders import gateway_config
from gatewright.cli.main import main
from gatewright.cli.waf.evidence import Witness
from tests.waf import debian_crs
from tests.waf.starter.attacks import VALUES
from tests.waf.starter.sending import WAYS
from waf.exclusion import exclusion
from waf.load import load
from waf.rule_files import Levels, RuleFiles, compose
from waf.rules import RuleSet
from waf.state import Found
from waf.transaction import Transaction

SHIPPED = gateway_config() / "waf"


def explain(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, Any]]:
    status = main(["waf", "explain", "--json", *flags])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, found


def test_each_rule_is_told_with_its_place_and_the_value_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.conf"
    file.write_text(
        'SecRule ARGS "@contains <b" "id:1,log,deny,t:none,t:lowercase,t:htmlEntityDecode,'
        "t:urlDecodeUni,msg:'bold',chain\"\n"
        'SecRule REQUEST_METHOD "@streq GET"\n'
    )

    status, found = explain(capsys, "--rules", str(file), "--uri", "/?q=%26LT;B&p=x")

    assert status == 1
    assert (found["blocked"], found["status"], found["by"]) == (True, 403, 1)
    (rule,) = found["rules"]
    assert (rule["id"], rule["file"], rule["line"], rule["message"]) == (1, str(file), 1, "bold")
    assert rule["found"] == [
        {
            "name": "ARGS:q",
            "value": "<b",
            "sent": "&LT;B",
            "changed": ["lowercase", "htmlentitydecode"],
            "link": False,
        },
        {"name": "REQUEST_METHOD", "value": "GET", "sent": "GET", "changed": [], "link": True},
    ]
    assert rule["exclusion"] == 'SecRuleUpdateTargetById 1 "!ARGS:q"'


def test_with_multi_match_it_is_the_step_that_matched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.conf"
    file.write_text(
        'SecRule ARGS "@streq a b" "id:1,log,pass,t:none,multiMatch,t:lowercase,t:removeWhitespace"'
    )

    status, found = explain(capsys, "--rules", str(file), "--uri", "/?q=A+B")

    assert (status, found["blocked"]) == (0, False)
    (value,) = found["rules"][0]["found"]
    assert (value["sent"], value["value"], value["changed"]) == ("A B", "a b", ["lowercase"])


def test_a_form_or_another_body_is_what_the_flags_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, form = explain(capsys, "--uri", "/", "--body", "a=%3Cscript%3E")
    _, document = explain(
        capsys,
        *("--uri", "/", "--method", "PUT", "--body", '{"a": ["<script>"]}'),
        *("--header", "Content-Type: application/json"),
    )

    assert form["rules"][0]["found"][0]["name"] == "ARGS:a"
    assert document["rules"][0]["found"][0]["name"] == "ARGS:json.a.0"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "expected either a FILE or --uri"),
        (["-", "--uri", "/"], "expected either a FILE or --uri"),
        (["--uri", "/", "--header", "x"], "expected NAME:VALUE in --header, found x"),
        (["/none/there.json"], "/none/there.json: "),
    ],
)
def test_what_cannot_be_asked_is_said(
    capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main(["waf", "explain", *flags]) == 2
    assert message in capsys.readouterr().err


def test_nothing_of_a_request_reaches_the_terminal_raw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.json").write_text(
        json.dumps({"method": "GET", "uri": "/?a=%1b[31m<script>", "headers": [["Host", "x"]]})
    )

    assert main(["waf", "explain", str(tmp_path / "r.json")]) == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ([Found("ARGS", b"q", b"")], 'SecRuleUpdateTargetById 7 "!ARGS:q"'),
        (
            [Found("ARGS", b"q", b""), Found("ARGS", b"q", b""), Found("REQUEST_URI", None, b"")],
            'SecRuleUpdateTargetById 7 "!ARGS:q,!REQUEST_URI"',
        ),
        ([Found("XML", b"/*", b"")], 'SecRuleUpdateTargetById 7 "!XML:/*"'),
        (
            [Found("ARGS", b"json.a.0.b.12", b"")],
            r'SecRuleUpdateTargetById 7 "!ARGS:/^json\.a\.[0-9]+\.b\.[0-9]+$/"',
        ),
        (
            [Found("ARGS", b"a|b \"c'/\xff", b"")],
            r'SecRuleUpdateTargetById 7 "!ARGS:/^a\x7cb\x20\x22c\x27\x2f\xff$/"',
        ),
        ([Found("&REQUEST_HEADERS", b"host", b"0")], "SecRuleRemoveById 7"),
        ([], "SecRuleRemoveById 7"),
        ([Found("TX", b"score", b"9")], None),
    ],
)
def test_the_line_names_what_was_matched_and_no_more(found: list[Found], line: str | None) -> None:
    assert exclusion(7, found) == line


def ready(sets: RuleFiles, last: str = "") -> RuleSet:
    loaded = load(*compose(rule_sets.base(SHIPPED), [sets], Levels(inbound=10_000), last))
    assert not isinstance(loaded, Rejected), "\n".join(map(str, loaded.problems))
    return loaded


def asked(rules: RuleSet, way: str, value: bytes) -> dict[int, str | None]:
    """The rules that log, each with its exclusion."""
    witness = Witness(rules)
    transaction = Transaction(rules, b"x", 1_760_000_000.0, watch=witness)
    head, body = WAYS[way](value)
    transaction.request_head(head, transaction.state.peer)
    transaction.request_body(body)
    return {
        match.labels.id: exclusion(
            match.labels.id,
            [each.found for each in witness.of(match.labels) if not each.link],
        )
        for match in transaction.matched
        if match.logged
    }


def silenced(sets: RuleFiles) -> int:
    values = [values[0] for values in VALUES.values()]
    before = {
        (way, value): asked(rules, way, value)
        for rules in (ready(sets),)
        for way in WAYS
        for value in values
    }
    # All lines at once: what none of them is meant for must not be silenced by another's.
    lines = {line for found in before.values() for line in found.values() if line is not None}
    after = ready(sets, "\n".join(sorted(lines)))
    assert after.warnings == ready(sets).warnings
    for (way, value), found in before.items():
        left = asked(after, way, value)
        assert {rule for rule in left if found.get(rule)} == set(), (way, value)
    return len(lines)


def test_the_lines_silence_the_starter_rules() -> None:
    assert silenced(rule_sets.starter(SHIPPED)) > 30


def test_the_lines_silence_debian_s_crs(tmp_path: Path) -> None:
    debian_crs.require()
    crs = rule_sets.crs(tmp_path, debian_crs.PACKAGE)
    assert crs is not None

    assert silenced(crs) > 50
