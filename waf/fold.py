"""Rules whose answer is the same for every request, answered once, before any request comes.

CRS asks `TX:DETECTION_PARANOIA_LEVEL "@lt 2"` 184 times a request, and gives TX its defaults by
some forty rules more. What only reads members of TX that no rule has written by then, but rules
that are themselves answered here, is answered here: rules that do not match are left out, what
their gates skip is left out, and what they write is what TX begins with.

The result does, to any request, what the program does; only two things show. A rule that is left
out, and logs nothing, is not among the rules that matched; and TX has its first values even if an
earlier rule ends the phase.
"""

import bisect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from waf.collections.members import number
from waf.ids import IdProblem, id_ranges
from waf.operators.contract import Operator, OperatorProblem, Surroundings
from waf.seclang.labels import label_test
from waf.seclang.phases import REQUEST_BODY, phase_of
from waf.seclang.syntax import ActionCall, Item, Marker, Program, Rule, Target

_MACRO: Final = re.compile(r"%\{([^{}]+)\}")
_TX: Final = re.compile(r"tx[.:](.+)", re.IGNORECASE | re.DOTALL)
_SILENT: Final = frozenset(
    {"id", "phase", "pass", "noauditlog", "msg", "logdata", "tag", "ver", "rev"}
    | {"maturity", "accuracy", "setvar", "skipafter"}
)
"""Actions that, of a rule that is told to nobody, show only in TX and in where the rules go on."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A program with fewer rules, and what TX begins with."""

    program: Program
    tx: Mapping[bytes, bytes]
    answered: frozenset[bytes] = frozenset()
    """Members of TX, names in lower case: with other values of these, other rules were left."""


def fold(program: Program, operators: Mapping[str, Operator]) -> Folded:
    """Answers what can be answered.

    Args:
        program: with removals, updates and default actions already applied.
        operators: by name in lower case.
    """
    if any(action.name == "skip" for rule in _rules(program.items) for action in rule.actions):
        # It counts rules: with some left out it would count others.
        return Folded(program, {})
    return _Folding(program, operators).run()


@dataclass(slots=True)
class _Known:
    """What is known of TX, at some point of the way of every request through the rules."""

    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By name in lower case: name, value."""
    written: set[str] = field(default_factory=set)
    """Names in lower case that rules may have written at run time."""
    prefixes: set[str] = field(default_factory=set)
    """Beginnings of such names."""
    read: set[str] = field(default_factory=set)
    """Names that rules before have read at run time: they must not see what comes after."""
    all_read: bool = False

    def settled(self, name: str) -> bool:
        return name not in self.written and not any(name.startswith(p) for p in self.prefixes)


class _Folding:
    def __init__(self, program: Program, operators: Mapping[str, Operator]) -> None:
        self._items = program.items
        self._warnings = program.warnings
        self._operators = operators
        self._known = _Known()
        self._dropped: set[int] = set()
        self._phases: dict[int, list[tuple[int, Rule]]] = {phase: [] for phase in range(1, 6)}
        self._places: dict[str, list[int]] = {}
        """Where a skipAfter of a name may lead: positions of markers and rules."""
        for position, item in enumerate(program.items):
            if isinstance(item, Rule):
                self._phases[phase_of(item.actions) or REQUEST_BODY].append((position, item))
                self._places.setdefault(_id(item), []).append(position)
            elif isinstance(item, Marker):
                self._places.setdefault(item.name, []).append(position)
        self._removable: list[frozenset[int]] = []
        """For each `ctl` that removes rules, and stands before: their positions."""
        self._read: set[str] = set()
        """Members of TX whose values the answer at hand relies on."""
        self._answered: set[str] = set()
        """Likewise, all answers so far."""
        self._skips: set[int] = set()
        """Up to which positions rules of the phase may have skipped, those behind us left out."""

    def run(self) -> Folded:
        for rules in self._phases.values():
            self._skips.clear()
            dead = -1
            for position, rule in rules:
                if position <= dead:
                    self._dropped.add(position)
                else:
                    dead = self._fold(position, rule, rules)
        items = tuple(
            Marker(item.place, _id(item)) if position in self._dropped else item  # type: ignore[arg-type]
            for position, item in enumerate(self._items)
        )
        tx = {_encode(name): _encode(value) for name, value in self._known.values.values()}
        return Folded(Program(items, self._warnings), tx, frozenset(map(_encode, self._answered)))

    def _fold(self, position: int, rule: Rule, phase: Sequence[tuple[int, Rule]]) -> int:
        """Answer one rule if that can be done; the position up to which it skips the others."""
        self._read.clear()
        answer = self._answer(rule)
        if answer is not None:
            self._answered |= self._read
        if answer is False:
            self._dropped.add(position)
            return -1
        end = self._end(position, rule)
        if answer and self._silent(rule) and self._may_fold(position, rule, end, phase):
            values = self._written_by(rule)
            if values is not None:
                self._answered |= self._read
                self._known.values |= values
                self._dropped.add(position)
                return -1 if end is None else end
        self._leave(rule, end)
        return -1

    def _answer(self, rule: Rule) -> bool | None:
        """Whether the rule, without its links, matches; None: it depends on the request."""
        call = rule.operator
        if call is None:
            return True
        if any(
            action.name in ("t", "multimatch") and action.argument != "none"
            for action in rule.actions
        ):
            return None
        argument = self._expand(call.argument)
        operator = self._operators.get(call.name)
        values = self._values(rule.targets)
        if argument is None or operator is None or values is None:
            return None
        try:
            test = operator(_encode(argument), Surroundings(read=_no_files))
        except OperatorProblem:
            return None
        return any((test(value) is None) is call.negated for value in values)

    def _values(self, targets: Sequence[Target]) -> list[bytes] | None:
        found: list[bytes] = []
        for target in targets:
            if target.collection != "TX" or target.selector is None or target.pattern:
                return None
            name = target.selector.lower()
            if target.kind == "except" or not self._known.settled(name):
                return None
            value = self._known.values.get(name)
            if target.kind == "count":
                found.append(b"0" if value is None else b"1")
            else:
                self._read.add(name)
                if value is not None:
                    found.append(_encode(value[1]))
        return found

    def _expand(self, text: str) -> str | None:
        """The text with its macros replaced; None: they depend on the request."""
        pieces = _MACRO.split(text)
        for index in range(1, len(pieces), 2):
            member = _TX.fullmatch(pieces[index].strip())
            if member is None or not self._known.settled(member[1].lower()):
                return None
            self._read.add(member[1].lower())
            pieces[index] = self._known.values.get(member[1].lower(), ("", ""))[1]
        return "".join(pieces)

    def _silent(self, rule: Rule) -> bool:
        told = False
        for action in rule.actions:
            if action.name in ("log", "auditlog"):
                told = True
            elif action.name == "nolog":
                told = False
            elif action.name != "t" and action.name not in _SILENT:
                return False
        return not told and not rule.links

    def _may_fold(
        self, position: int, rule: Rule, end: int | None, phase: Sequence[tuple[int, Rule]]
    ) -> bool:
        """Whether a rule that matches is asked by every request, or its absence is not seen."""
        self._skips = {until for until in self._skips if until > position}
        if self._skips:
            # Who skips this one must skip all that it skips, and miss nothing that it writes.
            writes = any(action.name == "setvar" for action in rule.actions)
            if writes or end is None or end > min(self._skips):
                return False
        for removed in self._removable:
            if position in removed and (
                end is None or any(position < at <= end and at not in removed for at, _ in phase)
            ):
                return False
        return True

    def _written_by(self, rule: Rule) -> dict[str, tuple[str, str]] | None:
        """What TX has after the rule; None: that cannot be told, or somebody would see it early."""
        known = self._known
        before = dict(known.values)
        try:
            for action in rule.actions:
                if action.name == "setvar" and not self._write(action.argument or ""):
                    return None
            return dict(known.values)
        finally:
            known.values = before

    def _write(self, text: str) -> bool:
        target, equals, value = text.partition("=")
        member = _TX.fullmatch(target.strip())
        if member is None:
            return False
        name = self._expand(member[1])
        expanded = self._expand(value) if equals else "1"
        known = self._known
        if name is None or expanded is None:
            return False
        lower = name.lower()
        if known.all_read or lower in known.read or not known.settled(lower):
            return False
        old = known.values.get(lower)
        if expanded[:1] in ("+", "-"):
            self._read.add(lower)
            sign = 1 if expanded[0] == "+" else -1
            total = number(_encode(old[1])) if old is not None else 0
            expanded = str(total + sign * number(_encode(expanded[1:])))
        known.values[lower] = (name if old is None else old[0], expanded)
        return True

    def _leave(self, rule: Rule, end: int | None) -> None:
        """The rule stays: what it may do is no longer known."""
        if end is not None:
            self._skips.add(end)
        for link in (rule, *rule.links):
            self._note_reads(link)
            for action in link.actions:
                self._note_action(action)

    def _note_reads(self, rule: Rule) -> None:
        known = self._known
        for target in rule.targets:
            if target.collection == "TX":
                known.all_read = known.all_read or target.selector is None or target.pattern
                known.read.add((target.selector or "").lower())
        texts = [action.argument or "" for action in rule.actions]
        if rule.operator is not None:
            texts.append(rule.operator.argument)
        for macro in (name for text in texts for name in _MACRO.findall(text)):
            member = _TX.fullmatch(macro.strip())
            if member is not None:
                known.read.add(member[1].lower())

    def _note_action(self, action: ActionCall) -> None:
        known = self._known
        argument = action.argument or ""
        if action.name == "capture":
            known.written.update("0123456789")
        elif action.name in ("setvar", "expirevar"):
            member = _TX.fullmatch(argument.lstrip("!").partition("=")[0].strip())
            if member is not None:
                literal, *macros = _MACRO.split(member[1].lower(), maxsplit=1)
                (known.prefixes if macros else known.written).add(literal)
                if not argument.startswith("!") and argument.partition("=")[2][:1] in ("+", "-"):
                    # Adding reads, too.
                    known.read.add(literal)
        elif action.name == "ctl":
            self._note_removal(argument)

    def _note_removal(self, argument: str) -> None:
        name, _, which = argument.partition("=")
        control = name.strip().lower()
        if not control.startswith("ruleremove"):
            return
        which = which.partition(";")[0].strip()
        positions = frozenset(
            position
            for position, item in enumerate(self._items)
            if isinstance(item, Rule) and _meant(control, which, item)
        )
        self._removable.append(positions)

    def _end(self, position: int, rule: Rule) -> int | None:
        """Where a rule that matches goes on: the position of the marker; None: right after it."""
        name = next((a.argument for a in rule.actions if a.name == "skipafter"), None)
        if name is None:
            return None
        places = self._places.get(name, [])
        after = bisect.bisect_right(places, position)
        return places[after] if after < len(places) else len(self._items)


def _rules(items: Iterable[Item]) -> list[Rule]:
    return [item for item in items if isinstance(item, Rule)]


def _id(rule: Rule) -> str:
    return next((a.argument or "" for a in rule.actions if a.name == "id"), "")


def _meant(control: str, which: str, rule: Rule) -> bool:
    """Whether a `ctl` that removes, from a rule or its targets, means a rule; or may mean it."""
    try:
        if control.endswith("byid"):
            number_of = _id(rule)
            spans = id_ranges(which)
            return number_of.isdigit() and any(low <= int(number_of) <= high for low, high in spans)
        test = label_test(which)
    except (IdProblem, ValueError):
        return True
    label = "tag" if control.endswith("bytag") else "msg"
    return any(a.name == label and test(a.argument or "") for a in rule.actions)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _no_files(name: str) -> bytes:
    raise OperatorProblem(f"{name} may not be read here")
