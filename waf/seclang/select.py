"""Removals, updates and default actions carried out: a program without them.

Each directive acts on the rules before it, as in ModSecurity 2 and Coraza; in ModSecurity 3 also
on those after it. One that finds none before it is warned about. Updates of targets and actions act
on the first rule of a chain, as in ModSecurity 3 and Coraza; ModSecurity 2 updates the targets of
the links too.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from callout.config.problems import Problem, Severity
from waf.ids import id_ranges
from waf.seclang.actions import parse_actions
from waf.seclang.inherit import UNSAID, inherit, merge
from waf.seclang.labels import label_test
from waf.seclang.phases import REQUEST_BODY, phase_of
from waf.seclang.shown import shown
from waf.seclang.syntax import ActionCall, Item, Program, Rule, Setting, Target
from waf.seclang.targets import parse_targets

_Meant = Callable[[Rule], bool]


def select(program: Program) -> Program:
    """The rules that are left, with the actions and targets that they have in the end.

    A rule's actions hold one that says what a match does, never `block`.
    """
    selection = _Selection()
    for item in program.items:
        selection.take(item)
    return Program(selection.items(), (*program.warnings, *selection.warnings))


class _Selection:
    def __init__(self) -> None:
        self._items: list[Item] = []
        self._defaults: dict[int, tuple[ActionCall, ...]] = {}
        self._inherited: dict[int, tuple[ActionCall, ...]] = {}
        """By the position of its rule: the SecDefaultAction where it stands."""
        self._positions: list[int] = []
        """Of the rules among the items."""
        self._by_id: dict[int, int] = {}
        """Positions."""
        self._removed: set[int] = set()
        self.warnings: list[Problem] = []

    def take(self, item: Item) -> None:
        """The next item of the program."""
        match item:
            case Rule():
                self._positions.append(len(self._items))
                self._by_id[_id(item)] = len(self._items)
                phase = phase_of(item.actions) or REQUEST_BODY
                self._inherited[len(self._items)] = self._defaults.get(phase, UNSAID)
                self._items.append(item)
            case Setting(name="SecDefaultAction"):
                self._default(item)
            case Setting() if item.name.startswith("SecRuleRemove"):
                for position in self._found(item):
                    self._removed.add(position)
            case Setting() if item.name == "SecRuleUpdateActionById":
                over = parse_actions(item.arguments[1], _unreported)
                self._change(item, lambda rule: replace(rule, actions=merge(rule.actions, over)))
            case Setting() if item.name.startswith("SecRuleUpdateTarget"):
                self._retarget(item)
            case _:
                self._items.append(item)

    def items(self) -> tuple[Item, ...]:
        """What is left, its default actions taken in."""
        left: list[Item] = []
        for position, item in enumerate(self._items):
            if position in self._removed:
                continue
            if isinstance(item, Rule):
                item = replace(item, actions=inherit(self._inherited[position], item.actions))
            left.append(item)
        return tuple(left)

    def _default(self, item: Setting) -> None:
        actions = parse_actions(item.arguments[0], _unreported)
        phase = phase_of(actions) or REQUEST_BODY
        if phase in self._defaults:
            self._warn(item, f"phase {phase} has a SecDefaultAction: this one is for rules below")
        self._defaults[phase] = actions

    def _retarget(self, item: Setting) -> None:
        new, *others = (parse_targets(each, _unreported) for each in item.arguments[1:])
        if not others:
            self._change(item, lambda rule: _with_targets(rule, new))
            return
        old = others[0]
        replaced = []

        def change(rule: Rule) -> Rule:
            kept = tuple(each for each in rule.targets if each not in old)
            if kept == rule.targets:
                return rule
            replaced.append(rule)
            return _with_targets(replace(rule, targets=kept), new)

        self._change(item, change)
        if not replaced:
            self._warn(item, f"no rule that is meant looks at {shown(item.arguments[2])}")

    def _change(self, item: Setting, change: Callable[[Rule], Rule]) -> None:
        for position in self._found(item):
            rule = self._items[position]
            if isinstance(rule, Rule):
                self._items[position] = change(rule)

    def _found(self, item: Setting) -> list[int]:
        """The positions of the rules that a directive means."""
        if item.name.endswith("ById"):
            texts = item.arguments if "Remove" in item.name else item.arguments[:1]
            found = self._with_ids([span for text in texts for span in id_ranges(text)])
        else:
            meant = _meant(item)
            found = [each for each in self._positions if meant(self._items[each])]  # type: ignore[arg-type]
        found = [position for position in found if position not in self._removed]
        if not found:
            self._warn(item, "no rule before it is meant: it acts on the rules before it only")
        return found

    def _with_ids(self, spans: Sequence[tuple[int, int]]) -> list[int]:
        # Thousands of exclusions name one id each: not each of them looks at every rule.
        found = {self._by_id[low] for low, high in spans if low == high and low in self._by_id}
        for low, high in spans:
            if low < high:
                found.update(at for number, at in self._by_id.items() if low <= number <= high)
        return sorted(found)

    def _warn(self, item: Setting, message: str) -> None:
        place = item.place
        self.warnings.append(
            Problem(place.file, place.line, 1, item.name, message, severity="warning")
        )


def _meant(item: Setting) -> _Meant:
    label = "tag" if item.name.endswith("ByTag") else "msg"
    test = label_test(item.arguments[0])

    def meant(rule: Rule) -> bool:
        return any(each.name == label and test(each.argument or "") for each in rule.actions)

    return meant


def _id(rule: Rule) -> int:
    return next(int(each.argument or 0) for each in rule.actions if each.name == "id")


def _with_targets(rule: Rule, new: Sequence[Target]) -> Rule:
    added = (each for each in new if each not in rule.targets)
    return replace(rule, targets=(*rule.targets, *added))


def _unreported(
    offset: int, message: str, suggestion: str = "", severity: Severity = "error"
) -> None:
    """What is read here was read without a problem when the program was parsed."""
    del offset, message, suggestion, severity
