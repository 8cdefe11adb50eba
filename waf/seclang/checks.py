"""The arguments of directives that `select` carries out, checked where their places are known."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from waf.ids import IdProblem, id_ranges
from waf.seclang.action_names import ACTIONS
from waf.seclang.actions import parse_actions
from waf.seclang.labels import label_test
from waf.seclang.phases import phase_of
from waf.seclang.report import Report
from waf.seclang.shown import shown
from waf.seclang.targets import parse_targets

Check: TypeAlias = Callable[[str, Report], object]


def check(name: str, arguments: Sequence[tuple[str, Report]]) -> None:
    """Reports what is wrong with the arguments of the directive `name`, as the table spells it."""
    first, others = _CHECKS.get(name, (None, None))
    for position, (text, report) in enumerate(arguments):
        reads = others if position else first
        if reads is not None:
            reads(text, report)


def _default(text: str, report: Report) -> None:
    actions = parse_actions(text, report)
    if phase_of(actions) is None:
        report(0, "expected a phase, found none")
    verdicts = [each.name for each in actions if ACTIONS[each.name].group == "disruptive"]
    if not verdicts or "block" in verdicts:
        report(0, "expected what a match does (pass, deny, drop ...), found none")
    for action in actions:
        known = ACTIONS[action.name]
        of_rule = known.group in ("label", "flow") and action.name != "phase"
        changes = action.name == "t" and (action.argument or "").lower() != "none"
        if of_rule or changes or action.name == "tag":
            report(0, f"{known.name} belongs to a rule, found it in a SecDefaultAction")


def _new_actions(text: str, report: Report) -> None:
    for action in parse_actions(text, report):
        if action.name in ("id", "phase", "chain"):
            report(0, f"{action.name} cannot be changed, found it in an update")


def _ids(text: str, report: Report) -> None:
    try:
        spans = id_ranges(text)
    except IdProblem:
        report(0, f"expected ids of rules, or ranges of them, found {shown(text)}")
        return
    if not spans:
        report(0, "expected the id of a rule, found none")
    elif any(low > high for low, high in spans):
        report(0, f"expected ranges from low to high, found {shown(text)}")


def _label(text: str, report: Report) -> None:
    try:
        label_test(text)
    except ValueError as problem:
        report(0, f"{problem}, found {shown(text)}")


_CHECKS: Final[Mapping[str, tuple[Check, Check | None]]] = {
    "SecDefaultAction": (_default, None),
    "SecRuleRemoveById": (_ids, _ids),
    "SecRuleRemoveByMsg": (_label, None),
    "SecRuleRemoveByTag": (_label, None),
    "SecRuleUpdateActionById": (_ids, _new_actions),
    "SecRuleUpdateTargetById": (_ids, parse_targets),
    "SecRuleUpdateTargetByMsg": (_label, parse_targets),
    "SecRuleUpdateTargetByTag": (_label, parse_targets),
}
"""Of the first argument, and of the others."""
