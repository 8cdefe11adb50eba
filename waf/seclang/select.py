"""Removals, updates and default actions carried out: a program without them.

Each directive acts on the rules before it, as in ModSecurity 2 and Coraza; in ModSecurity 3 also
on those after it. One that finds none before it is warned about. Updates of targets and actions act
on the first rule of a chain, as in ModSecurity 3 and Coraza; ModSecurity 2 updates the targets of
the links too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from callout.config.problems import Problem, Severity
from waf.ids import id_ranges
from waf.seclang.actions import parse_actions
from waf.seclang.inherit import UNSAID, inherit, merge
from waf.seclang.labels import label_test
from waf.seclang.phases import REQUEST_BODY, phase_of
from waf.seclang.shown import shown
from waf.seclang.syntax import ActionCall, Item, Program, Rule, Setting
from waf.seclang.targets import parse_targets


def select(program: Program) -> Program:
    """The rules that are left, with the actions and targets that they have in the end.

    A rule's actions hold one that says what a match does, never `block`. 8 ms for the CRS.
    """
    selection = _Selection()
    for item in program.items:
        selection.take(item)
    return Program(tuple(selection.left()), (*program.warnings, *selection.warnings))


class _Selection:
    def __init__(self) -> None:
        self._items: list[Item] = []
        self._rules: dict[int, Rule] = {}
        """Those that are not removed, as they are by now, by their positions among the items."""
        self._inherited: dict[int, tuple[ActionCall, ...]] = {}
        """By the position of its rule: the SecDefaultAction that it stands under."""
        self._by_id: dict[int, int] = {}
        self._by_label: dict[tuple[str, str], list[int]] = {}
        """Positions by `tag` or `msg` and its text."""
        self._defaults: dict[int, tuple[ActionCall, ...]] = {}
        self.warnings: list[Problem] = []

    def take(self, item: Item) -> None:
        """The next item of the program."""
        match item:
            case Rule():
                self._rule(len(self._items), item)
                self._items.append(item)
            case Setting(name="SecDefaultAction"):
                self._default(item)
            case Setting() if item.name.startswith("SecRuleRemove"):
                for position in self._found(item):
                    del self._rules[position]
            case Setting(name="SecRuleUpdateActionById"):
                self._update_actions(item)
            case Setting() if item.name.startswith("SecRuleUpdateTarget"):
                self._update_targets(item)
            case _:
                self._items.append(item)

    def left(self) -> Iterator[Item]:
        """What is not removed, its default actions taken in."""
        for position, item in enumerate(self._items):
            if not isinstance(item, Rule):
                yield item
            elif rule := self._rules.get(position):
                yield replace(rule, actions=inherit(self._inherited[position], rule.actions))

    def _rule(self, position: int, rule: Rule) -> None:
        phase = phase_of(rule.actions) or REQUEST_BODY
        self._inherited[position] = self._defaults.get(phase, UNSAID)
        self._rules[position] = rule
        for action in rule.actions:
            if action.name == "id":
                self._by_id[int(action.argument or 0)] = position
        self._index_labels(position, rule.actions)

    def _index_labels(self, position: int, actions: Sequence[ActionCall]) -> None:
        for action in actions:
            if action.name in ("tag", "msg"):
                key = (action.name, action.argument or "")
                self._by_label.setdefault(key, []).append(position)

    def _default(self, item: Setting) -> None:
        actions = parse_actions(item.arguments[0], _unreported)
        phase = phase_of(actions) or REQUEST_BODY
        if phase in self._defaults:
            self._warn(item, f"phase {phase} has a SecDefaultAction: this one is for rules below")
        self._defaults[phase] = actions

    def _update_actions(self, item: Setting) -> None:
        over = parse_actions(item.arguments[1], _unreported)
        for position in self._found(item):
            rule = self._rules[position]
            self._rules[position] = replace(rule, actions=merge(rule.actions, over))
            self._index_labels(position, over)

    def _update_targets(self, item: Setting) -> None:
        new, *others = (parse_targets(each, _unreported) for each in item.arguments[1:])
        old = others[0] if others else ()
        found = self._found(item)
        changed = False
        for position in found:
            rule = self._rules[position]
            kept = tuple(each for each in rule.targets if each not in old)
            if old and kept == rule.targets:
                continue
            added = tuple(each for each in new if each not in kept)
            self._rules[position] = replace(rule, targets=(*kept, *added))
            changed = True
        if found and not changed:
            self._warn(item, f"no rule that is meant looks at {shown(item.arguments[2])}")

    def _found(self, item: Setting) -> list[int]:
        """The positions of the rules that a directive means."""
        if item.name.endswith("ById"):
            texts = item.arguments if "Remove" in item.name else item.arguments[:1]
            found = self._with_ids([span for text in texts for span in id_ranges(text)])
        else:
            label = "tag" if item.name.endswith("ByTag") else "msg"
            found = self._with_label(label, label_test(item.arguments[0]))
        left = sorted(found & self._rules.keys())
        if not left:
            self._warn(item, "no rule before it is meant: it acts on the rules before it only")
        return left

    def _with_ids(self, spans: Sequence[tuple[int, int]]) -> set[int]:
        # Thousands of exclusions name one id each: not each of them looks at every rule.
        found = {self._by_id[low] for low, high in spans if low == high and low in self._by_id}
        for low, high in spans:
            if low < high:
                found.update(at for number, at in self._by_id.items() if low <= number <= high)
        return found

    def _with_label(self, label: str, meant: Callable[[str], bool]) -> set[int]:
        return {
            position
            for (name, text), positions in self._by_label.items()
            if name == label and meant(text)
            for position in positions
            # An update may have given it another message since.
            if position in self._rules and ActionCall(label, text) in self._rules[position].actions
        }

    def _warn(self, item: Setting, message: str) -> None:
        place = item.place
        self.warnings.append(
            Problem(place.file, place.line, 1, item.name, message, severity="warning")
        )


def _unreported(
    offset: int, message: str, suggestion: str = "", severity: Severity = "error"
) -> None:
    """What is read here was read without a problem when the program was parsed."""
    del offset, message, suggestion, severity
