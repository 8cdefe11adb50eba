"""Rules as they stand in their file, one by one, hung together to chains."""

from dataclasses import replace
from typing import Final

from waf.seclang.action_names import ACTIONS
from waf.seclang.phases import phase_of
from waf.seclang.report import Report
from waf.seclang.shown import shown
from waf.seclang.syntax import ActionCall, Place, Rule

_HIGHEST_ID: Final = 2**31 - 1
"""All engines take it."""


class Chains:
    """Takes the rules of all files in order, and gives each chain when it is complete."""

    def __init__(self) -> None:
        """No rule yet."""
        self._open: list[Rule] = []
        self._ids: dict[int, Place] = {}

    def add(self, rule: Rule, report: Report) -> Rule | None:
        """The rule with all its links; None while more of them are to come.

        `report` tells of the rule's list of actions.
        """
        if self._open:
            _check_link(rule.actions, report)
        else:
            self._check_head(rule, report)
        self._open.append(rule)
        if any(action.name == "chain" for action in rule.actions):
            return None
        head, *links = self._open
        self._open = []
        return replace(head, links=tuple(links))

    def broken(self) -> Rule | None:
        """The rule that waits for a link where none can come any more; it is given up."""
        last = self._open[-1] if self._open else None
        self._open = []
        return last

    def _check_head(self, rule: Rule, report: Report) -> None:
        for name in ("id", "phase"):
            if sum(action.name == name for action in rule.actions) > 1:
                report(0, f"expected one `{name}:`, found more")
        written = next((each.argument for each in rule.actions if each.name == "id"), None)
        number = _number(written or "")
        if written is None:
            report(0, "expected an `id:` among the actions, found none")
        elif number is None:
            report(0, f"expected an id from 1 to {_HIGHEST_ID}, found {shown(written)}")
        else:
            first = self._ids.setdefault(number, rule.place)
            if first is not rule.place:
                report(0, f"expected an id of its own, found that of {first.file}:{first.line}")
        if phase_of(rule.actions) is None:
            for action in rule.actions:
                if action.name == "phase":
                    found = shown(action.argument or "")
                    report(0, f"expected phase 1 to 5, request, response or logging, found {found}")


def _check_link(actions: tuple[ActionCall, ...], report: Report) -> None:
    for action in actions:
        known = ACTIONS[action.name]
        if known.head:
            report(0, f"{known.name} belongs to the first rule of the chain, found it in another")


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text) if 1 <= int(text) <= _HIGHEST_ID else None
