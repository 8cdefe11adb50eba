"""What actions do that no other test shows: setvar, setenv, sanitise, labels, refusals."""

import pytest

from callout.config.problems import Rejected
from tests.waf.engine import ON, head, ids, rules, run, tx
from waf.actions.table import ACTIONS
from waf.load import load
from waf.seclang.action_names import ACTIONS as PARSED

SEEN = 'SecRule ARGS:a "@rx ." "id:1,phase:1,pass,%s"\n'


def problems(text: str) -> list[str]:
    loaded = load("main.conf", {"main.conf": (ON + text).encode()})
    assert isinstance(loaded, Rejected)
    return [str(problem) for problem in loaded.problems]


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("setvar:tx.v=7", b"7"),
        ("setvar:TX.V=%{ARGS.a}", b"x"),
        ("setvar:'tx.v=two words'", b"two words"),
        ("setvar:tx.v", b"1"),
        ("setvar:tx.v=5,setvar:tx.v=+2,setvar:tx.v=-10", b"-3"),
        ("setvar:tx.v=5,setvar:tx.v=+%{tx.v}", b"10"),
        ("setvar:tx.v=5,setvar:!tx.v", None),
        ("setvar:tx.w=v,setvar:tx.%{tx.w}=named", b"named"),
        ("setenv:e=%{ARGS.a},setvar:tx.v=%{ENV.e}", b"x"),
        ("setenv:e=1,setenv:!e,setvar:tx.v=%{ENV.e}", b""),
        ("setuid:%{ARGS.a},setvar:tx.v=%{USERID}", b"x"),
        ("setvar:tx.v=%{RULE.id}", b"1"),
        ("severity:ERROR,msg:'m',setvar:tx.v=%{RULE.severity}%{RULE.msg}", b"3m"),
    ],
)
def test_members_are_written(action: str, value: bytes | None) -> None:
    assert tx(run(rules(SEEN % action), head(b"/?a=x")), "v") == value


def test_the_highest_severity_is_the_lowest_number_of_those_that_matched() -> None:
    found = run(
        rules(
            SEEN % "severity:4"
            + 'SecRule ARGS:b "@rx ." "id:2,phase:1,pass,severity:0"\n'
            + 'SecRule HIGHEST_SEVERITY "@eq 4" "id:3,phase:1,pass"'
        ),
        head(b"/?a=x"),
    )

    assert ids(found) == [1, 3]


def test_values_to_be_masked_are_named() -> None:
    found = run(
        rules(SEEN % "sanitiseArg:Password,sanitizeRequestHeader:x-key,sanitiseMatched"),
        head(b"/?a=x"),
    )

    assert found.state.sanitised == {
        ("ARGS", b"password"),
        ("ARGS_GET", b"password"),
        ("ARGS_POST", b"password"),
        ("REQUEST_HEADERS", b"x-key"),
        ("ARGS", b"a"),
    }


@pytest.mark.parametrize(
    ("ctl", "left"),
    [
        ("ruleRemoveById=2", [1, 3]),
        ("ruleRemoveById=2-3", [1]),
        ("ruleRemoveByTag=two", [1, 3]),
        ("ruleRemoveByTag=^t", [1]),
        ("ruleRemoveByMsg=third", [1, 2]),
        ("ruleRemoveTargetById=2;ARGS:q", [1, 3]),
        ("ruleRemoveTargetById=2;ARGS:/^Q$/", [1, 3]),
        ("ruleRemoveTargetById=2;ARGS", [1, 3]),
        ("ruleRemoveTargetById=2;ARGS:other", [1, 2, 3]),
        ("ruleRemoveTargetById=2;REQUEST_COOKIES:q", [1, 2, 3]),
        ("ruleRemoveTargetByTag=three;ARGS:q", [1, 2]),
        ("ruleRemoveTargetByMsg=third;ARGS:q", [1, 2]),
        ("ruleEngine=Off", [1]),
    ],
)
def test_ctl_takes_rules_or_their_targets_away_for_one_request(ctl: str, left: list[int]) -> None:
    loaded = rules(
        f'SecRule ARGS:go "@rx ." "id:1,phase:1,pass,ctl:{ctl}"\n'
        'SecRule ARGS:q "@rx x" "id:2,phase:1,pass,tag:two"\n'
        'SecRule ARGS:q "@rx x" "id:3,phase:1,pass,tag:three,msg:\'third\'"'
    )

    assert ids(run(loaded, head(b"/?go=1&q=x"))) == left
    assert ids(run(loaded, head(b"/?q=x"))) == [2, 3]


def test_an_excepted_member_leaves_the_others_to_the_rule() -> None:
    loaded = rules(
        'SecAction "id:1,phase:1,pass,nolog,ctl:ruleRemoveTargetById=2;ARGS:q"\n'
        'SecRule ARGS "@rx x" "id:2,phase:1,pass"'
    )

    found = run(loaded, head(b"/?q=x&r=x"))

    assert [each.name for each in found.matched[-1].found] == [b"ARGS:r"]


@pytest.mark.parametrize(
    ("ctl", "field", "value"),
    [
        ("auditEngine=RelevantOnly", "audit_engine", "relevant-only"),
        ("auditEngine=Off", "audit_engine", "off"),
        ("forceRequestBodyVariable=On", "force_body_variable", True),
        ("requestBodyAccess=Off", "request_body_access", False),
        ("requestBodyLimit=77", "request_body_limit", 77),
        ("requestBodyProcessor=json", "processor", b"JSON"),
        ("responseBodyAccess=On", "response_body_access", True),
        ("responseBodyLimit=78", "response_body_limit", 78),
        ("responseBodyProcessor=XML", "response_processor", b"XML"),
        ("ruleEngine=off", "engine", "off"),
        ("auditLogParts=ABZ", "audit_parts", "ABZ"),
        ("auditLogParts=+EBC", "audit_parts", "AFHZBCE"),
        ("auditLogParts=-FH", "audit_parts", "AZ"),
    ],
)
def test_ctl_sets_what_it_names_for_the_rest_of_the_transaction(
    ctl: str, field: str, value: object
) -> None:
    found = run(rules(f'SecAction "id:1,phase:1,pass,nolog,ctl:{ctl}"'))

    assert getattr(found.state, field) == value


def test_ctl_turns_the_engine_to_detection() -> None:
    text = (
        'SecAction "id:1,phase:1,pass,ctl:ruleEngine=DetectionOnly"\nSecAction "id:2,phase:1,deny"'
    )

    found = run(rules(text))

    assert (found.interruption, found.shadow is not None) == (None, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('SecRule ARGS "@rx (" "id:1,phase:1,pass"', "@rx"),
        ('SecRule ARGS "@eq %{NOTHING}" "id:1,phase:1,pass"', "NOTHING"),
        ('SecAction "id:1,phase:1,pass,setvar:other.a=1"', "other"),
        ('SecAction "id:1,phase:1,pass,ctl:ruleRemoveById=abc"', "abc"),
        ('SecAction "id:1,phase:1,pass,ctl:ruleRemoveTargetById=1"', "ctl"),
        ('SecAction "id:1,phase:1,pass,ctl:nothing=1"', "nothing"),
        ('SecAction "id:1,phase:1,pass,initcol:none=1"', "initcol"),
        ('SecRule ARGS "@pmFromFile none.data" "id:1,phase:1,pass"', "none.data"),
        ('SecAction "id:1,phase:1,proxy:http://a/"', "proxy"),
        ('SecAction "id:1,phase:1,pass,exec:/bin/x"', "exec"),
    ],
)
def test_a_rule_that_cannot_be_used_is_told_with_its_line(text: str, said: str) -> None:
    found = problems("\n" + text)

    assert len(found) == 1
    assert found[0].startswith("main.conf:5:")
    assert said in found[0]


def test_all_problems_are_told_at_once() -> None:
    text = 'SecRule ARGS "@rx (" "id:%d,phase:1,pass"\n'

    assert len(problems(text % 1 + text % 2)) == 2


def test_the_parser_and_the_engine_know_the_same_actions() -> None:
    assert set(ACTIONS) == set(PARSED)
