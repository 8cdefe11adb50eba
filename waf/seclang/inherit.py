"""What a rule does after its phase's SecDefaultAction, or an update, is taken in."""

from collections.abc import Sequence
from typing import Final

from waf.seclang.action_names import ACTIONS
from waf.seclang.syntax import ActionCall

UNSAID: Final = (ActionCall("log"), ActionCall("auditlog"), ActionCall("pass"))
"""The SecDefaultAction of a phase that has none: `block` passes then, as in all three engines."""
_EXCLUSIVE: Final = ("disruptive", "log", "auditlog")


def inherit(
    defaults: Sequence[ActionCall], actions: Sequence[ActionCall]
) -> tuple[ActionCall, ...]:
    """The actions of a rule under its SecDefaultAction.

    `block` becomes what the default does. A rule that does not say what a match does inherits it,
    as in ModSecurity 2 and Coraza; ModSecurity 3 passes then.
    """
    base = tuple(each for each in defaults if each.name != "phase")
    verdict = next(each for each in reversed(base) if ACTIONS[each.name].group == "disruptive")
    return merge(base, [verdict if each.name == "block" else each for each in actions])


def merge(base: Sequence[ActionCall], over: Sequence[ActionCall]) -> tuple[ActionCall, ...]:
    """The actions of `over` after those of `base`, which give way where only one can count."""
    merged = list(base)
    for action in over:
        group = ACTIONS[action.name].group
        if group in _EXCLUSIVE:
            merged = [each for each in merged if ACTIONS[each.name].group != group]
        elif group != "each":
            merged = [each for each in merged if each.name != action.name]
        merged.append(action)
    return tuple(merged)
