"""What a rule does: `id:942100,phase:2,block,t:none,msg:'a, b',setvar:tx.score=+5`."""

import re
from typing import Final

from callout.config.problems import Severity
from callout.config.validate import suggest
from waf.seclang.action_names import ACTIONS, TRANSFORMATIONS
from waf.seclang.report import Report
from waf.seclang.shown import shown
from waf.seclang.syntax import ActionCall

_BLANK: Final = " \t\r\n\f\v"
_BETWEEN: Final = re.compile(r"[\s,]*", re.ASCII)
_NAME: Final = re.compile(r"(?P<name>[^\s,:]+)\s*(?P<colon>:?)\s*", re.ASCII)
_QUOTED: Final = re.compile(r"'(?P<text>(?:[^'\\]|\\.)*)'\s*(?=,|\Z)", re.DOTALL | re.ASCII)
_UNCLOSED: Final = re.compile(r"'(?P<text>(?:[^',\\]|\\.)*)\Z", re.DOTALL)
_PLAIN: Final = re.compile(r"(?P<text>(?:[^,\\]|\\.|\\\Z)*)", re.DOTALL)
_TRANSFORMATIONS: Final = frozenset(each.lower() for each in TRANSFORMATIONS)


def parse_actions(text: str, report: Report) -> tuple[ActionCall, ...]:
    r"""The actions of a rule; of what cannot be understood, a report each.

    A quote opens only at the beginning of an argument, and `\'` is a quote within; without quotes
    an argument goes up to the comma, or on from `\,`. Commas without an action between them are
    passed over, as ModSecurity 2 does.
    """
    actions = []
    at = _past_commas(text, 0)
    while at < len(text):
        name = _NAME.match(text, at)
        if name is None:
            report(at, f"expected the name of an action, found {shown(text[at:])}")
            break
        start, at = at, name.end()
        argument: str | None = None
        if name["colon"]:
            quoted = at < len(text) and text[at] == "'"
            value = (_QUOTED if quoted else _PLAIN).match(text, at)
            if value is None:
                # Coraza's recommended file has such a message at the end of a list: nothing else
                # is in it. With a comma, it could have swallowed a `deny`.
                value = _UNCLOSED.match(text, at)
                severity: Severity = "warning" if value else "error"
                message = "expected a closing ' before a comma or the end, found none"
                report(at, message, severity=severity)
            if value is None:
                break
            at = value.end()
            argument = _unescaped(value["text"], "'" if quoted else ",")
            if not quoted:
                argument = argument.rstrip(_BLANK)
        elif at < len(text) and text[at] != ",":
            report(at, f"expected a comma after {shown(name['name'])}, found {shown(text[at:])}")
            break
        at = _past_commas(text, at)
        action = ActionCall(name["name"].lower(), argument or None)
        if _is_sound(action, name["name"], start, report):
            actions.append(action)
    return tuple(actions)


def _past_commas(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _unescaped(text: str, mark: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(rf"\\([\\{mark}])", lambda each: mark if each[1] == mark else "\\\\", text)


def _is_sound(action: ActionCall, written: str, offset: int, report: Report) -> bool:
    known = ACTIONS.get(action.name)
    if known is None:
        report(
            offset,
            f"expected the name of an action, found {shown(written)}",
            suggest(written, [each.name for each in ACTIONS.values()]),
        )
        return False
    if known.argument == "needed" and action.argument is None:
        report(offset, f"{known.name} needs an argument: `{known.name}:...`")
        return False
    if known.argument == "none" and action.argument is not None:
        report(offset, f"{known.name} takes no argument, found {shown(action.argument)}")
        return False
    if action.name == "t" and (action.argument or "").lower() not in _TRANSFORMATIONS:
        found = action.argument or ""
        report(
            offset,
            f"expected the name of a transformation after `t:`, found {shown(found)}",
            suggest(found, TRANSFORMATIONS),
        )
        return False
    return True
