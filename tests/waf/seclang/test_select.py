"""Removals, updates of targets and actions, and default actions."""

import pytest

from waf.seclang.inherit import merge
from waf.seclang.parse import parse
from waf.seclang.select import select
from waf.seclang.syntax import ActionCall, Marker, Program, Rule, Setting, Target

RULES = """
SecRule ARGS "@rx a" "id:10,phase:2,deny,status:406,msg:'One (a)',tag:'attack-sqli',tag:'PL/1'"
SecRule ARGS|TX:x "@rx b" "id:11,phase:2,block,nolog,msg:'Two',tag:'attack-xss',chain"
SecRule MATCHED_VARS "@rx c" "t:none"
SecAction "id:20,phase:1,pass,msg:'One'"
"""


def selected(text: str) -> Program:
    program = parse("r.conf", {"r.conf": text.encode()})
    assert isinstance(program, Program), program
    return select(program)


def rules(text: str) -> dict[int, Rule]:
    found = {}
    for item in selected(text).items:
        assert isinstance(item, Rule)
        found[_id(item)] = item
    return found


def _id(rule: Rule) -> int:
    return next(int(each.argument or 0) for each in rule.actions if each.name == "id")


def written(rule: Rule) -> set[str]:
    """The actions that are no labels: `deny`, `status:406`."""
    labels = ("id", "phase", "msg", "tag")
    return {
        each.name if each.argument is None else f"{each.name}:{each.argument}"
        for each in rule.actions
        if each.name not in labels
    }


@pytest.mark.parametrize(
    ("directive", "left"),
    [
        ("SecRuleRemoveById 10", [11, 20]),
        ("SecRuleRemoveById 10 20", [11]),
        ('SecRuleRemoveById "10-15, 20"', []),
        ("SecRuleRemoveById 11-99", [10]),
        ("SecRuleRemoveByTag attack-sqli", [11, 20]),
        ("SecRuleRemoveByTag attack", [10, 11, 20]),
        ("SecRuleRemoveByTag ^attack-", [20]),
        ("SecRuleRemoveByTag PL/1", [11, 20]),
        ("SecRuleRemoveByMsg One", [10, 11]),
        ("SecRuleRemoveByMsg ^One", [11]),
        (r'SecRuleRemoveByMsg "One \(a\)"', [11, 20]),
        ("SecRuleRemoveById 99", [10, 11, 20]),
    ],
)
def test_removals_take_the_rules_before_them_with_their_chains(
    directive: str, left: list[int]
) -> None:
    assert sorted(rules(RULES + directive)) == left


def test_a_removal_leaves_the_rules_after_it_and_says_so() -> None:
    found = selected("SecRuleRemoveById 10\n" + RULES)
    assert len(found.items) == 3
    assert [str(each) for each in found.warnings] == [
        "r.conf:1:1: warning: SecRuleRemoveById: no rule before it is meant:"
        " it acts on the rules before it only"
    ]


def test_a_rule_is_removed_once() -> None:
    found = selected(RULES + "SecRuleRemoveById 10\nSecRuleUpdateTargetById 10 !ARGS:a")
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("directive", "number", "targets"),
    [
        ("SecRuleUpdateTargetById 10 !ARGS:q", 10, ["ARGS", "!ARGS:q"]),
        ('SecRuleUpdateTargetById 10 "!ARGS:q,!ARGS:/^r/"', 10, ["ARGS", "!ARGS:q", "!ARGS:/^r/"]),
        ('SecRuleUpdateTargetById 10-11 "!ARGS:q|FILES"', 11, ["ARGS", "TX:x", "!ARGS:q", "FILES"]),
        ("SecRuleUpdateTargetById 10 ARGS", 10, ["ARGS"]),
        ("SecRuleUpdateTargetById 11 ARGS:q ARGS", 11, ["TX:x", "ARGS:q"]),
        ("SecRuleUpdateTargetById 11 ARGS:q FILES", 11, ["ARGS", "TX:x"]),
        ("SecRuleUpdateTargetByTag attack-xss !TX", 11, ["ARGS", "TX:x", "!TX"]),
        ("SecRuleUpdateTargetByTag attack- !TX", 11, ["ARGS", "TX:x"]),
        ("SecRuleUpdateTargetByMsg ^One !ARGS:q", 10, ["ARGS", "!ARGS:q"]),
    ],
)
def test_updates_of_targets(directive: str, number: int, targets: list[str]) -> None:
    rule = rules(RULES + directive)[number]
    assert [_written(each) for each in rule.targets] == targets
    assert all(link.targets == (Target("MATCHED_VARS"),) for link in rule.links)


def _written(target: Target) -> str:
    kind = {"value": "", "count": "&", "except": "!"}[target.kind]
    if target.selector is None:
        return kind + target.collection
    selector = f"/{target.selector}/" if target.pattern else target.selector
    return f"{kind}{target.collection}:{selector}"


def test_a_target_that_is_to_be_replaced_and_is_not_there_is_told() -> None:
    found = selected(RULES + "SecRuleUpdateTargetById 10-11 ARGS:q FILES")
    assert [each.message for each in found.warnings] == ["no rule that is meant looks at `FILES`"]
    assert not selected(RULES + "SecRuleUpdateTargetById 10-20 ARGS:q TX:x").warnings


@pytest.mark.parametrize(
    ("directive", "number", "actions"),
    [
        ('SecRuleUpdateActionById 10 "pass"', 10, {"status:406", "pass", "log", "auditlog"}),
        ('SecRuleUpdateActionById 10 "status:500,nolog"', 10, {"deny", "status:500", "nolog"}),
        (
            'SecRuleUpdateActionById 10 "setvar:tx.a=1,t:lowercase"',
            10,
            {"deny", "status:406", "log", "auditlog", "setvar:tx.a=1", "t:lowercase"},
        ),
        ('SecRuleUpdateActionById 11 "deny,log"', 11, {"deny", "log", "chain"}),
    ],
)
def test_updates_of_actions(directive: str, number: int, actions: set[str]) -> None:
    assert written(rules(RULES + directive)[number]) - {"auditlog"} == actions - {"auditlog"}


def test_an_update_replaces_what_can_stand_once() -> None:
    rule = rules(RULES + "SecRuleUpdateActionById 10 \"msg:'New',severity:2\"")[10]
    assert [each.argument for each in rule.actions if each.name == "msg"] == ["New"]


@pytest.mark.parametrize(
    ("defaults", "rule", "actions"),
    [
        ("", "id:1", {"log", "auditlog", "pass"}),
        ("", "id:1,block", {"log", "auditlog", "pass"}),
        ("phase:2,log,deny,status:429", "id:1,block", {"log", "deny", "status:429"}),
        ("phase:2,log,deny,status:429", "id:1,phase:2", {"log", "deny", "status:429"}),
        ("phase:2,log,deny,status:429", "id:1,phase:request,pass", {"log", "pass", "status:429"}),
        ("phase:2,log,deny,status:429", "id:1,block,status:403", {"log", "deny", "status:403"}),
        ("phase:2,nolog,deny", "id:1,log", {"log", "deny"}),
        ("phase:2,log,noauditlog,deny", "id:1,nolog", {"nolog", "noauditlog", "deny"}),
        ("phase:1,log,deny", "id:1,block", {"log", "auditlog", "pass"}),
        ("phase:2,log,pass,setvar:tx.a=1", "id:1,setvar:tx.b=1", None),
    ],
)
def test_rules_inherit_the_default_of_their_phase(
    defaults: str, rule: str, actions: set[str] | None
) -> None:
    text = f'SecDefaultAction "{defaults}"\n' if defaults else ""
    found = written(rules(f'{text}SecRule ARGS "@rx a" "{rule}"')[1])
    assert found == (actions or {"log", "pass", "setvar:tx.a=1", "setvar:tx.b=1"})


def test_a_default_is_for_the_rules_below_it_and_the_next_replaces_it() -> None:
    text = (
        'SecAction "id:1,block"\n'
        'SecDefaultAction "phase:2,pass"\nSecAction "id:2,block"\n'
        'SecDefaultAction "phase:2,deny"\nSecAction "id:3,block"\n'
    )
    found = selected(text)
    assert [
        written(item) - {"log", "auditlog"} for item in found.items if isinstance(item, Rule)
    ] == [
        {"pass"},
        {"pass"},
        {"deny"},
    ]
    assert [each.line for each in found.warnings] == [4]


def test_an_update_to_block_does_what_the_default_of_the_rule_says() -> None:
    text = 'SecDefaultAction "phase:2,deny"\nSecAction "id:1,pass"\nSecRuleUpdateActionById 1 block'
    assert "deny" in written(rules(text)[1])


def test_what_is_carried_out_is_gone_and_the_rest_stays_in_order() -> None:
    text = (
        'SecRuleEngine On\nSecDefaultAction "phase:2,deny"\nSecAction "id:1"\n'
        "SecMarker END\nSecRuleRemoveById 1\nSecRuleUpdateTargetById 1 ARGS\nSecArgumentsLimit 9"
    )
    kinds = [(type(item), getattr(item, "name", "")) for item in selected(text).items]
    assert kinds == [(Setting, "SecRuleEngine"), (Marker, "END"), (Setting, "SecArgumentsLimit")]


def test_links_keep_their_own_actions() -> None:
    (link,) = rules('SecDefaultAction "phase:2,deny"\n' + RULES)[11].links
    assert link.actions == (ActionCall("t", "none"),)


def test_merging_keeps_the_order_of_what_may_stand_many_times() -> None:
    base = (ActionCall("t", "none"), ActionCall("capture"))
    over = (ActionCall("t", "lowercase"), ActionCall("capture"), ActionCall("t", "trim"))
    assert merge(base, over) == (ActionCall("t", "none"), *over)


def test_thousands_of_exclusions_are_carried_out_at_once() -> None:
    # By looking at each rule for each exclusion, 25 million times, it takes half a minute.
    count = 5000
    text = "".join(f'SecAction "id:{n}"\n' for n in range(1, count + 1))
    text += "".join(f"SecRuleUpdateTargetById {n} !ARGS:x\n" for n in range(1, count + 1))
    found = selected(text)
    assert len(found.items) == count
    assert all(isinstance(item, Rule) and len(item.targets) == 1 for item in found.items)
