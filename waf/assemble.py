"""A program of rule files made ready to run: every name looked up, every pattern compiled.

All faults are told at once, each with the file and the line of its rule.
"""

import bisect
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from callout.config.problems import Problem, Rejected
from waf.actions.contract import ActionProblem, Around, Draft
from waf.actions.table import ACTIONS
from waf.directives import read_setting
from waf.directory import RuleDirectory
from waf.macros import Expand, MacroProblem, compile_text, has_macro
from waf.operators.contract import Operator, OperatorProblem, Sought, Surroundings, Test
from waf.operators.undecided import for_negated
from waf.rules import Chain, CompiledRule, Group, RuleSet, Transformation
from waf.seclang.syntax import Marker, Program, Rule, Setting, Target
from waf.settings import EngineSettings
from waf.state import Labels, State
from waf.targets import Readers, TargetProblem, TargetSet, compile_targets, covers
from waf.transformations.marks import ANY, MARKS

_NO_MEMBERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})
_MOST_TESTS: Final = 64
"""Tests that a rule with macros keeps by argument: those of CRS have one argument for good."""


def assemble(
    program: Program,
    operators: Mapping[str, Operator],
    transformations: Mapping[str, Transformation],
    read: Callable[[str, str], bytes],
    tx: Mapping[bytes, bytes] = _NO_MEMBERS,
) -> RuleSet | Rejected:
    """Makes rules ready to run.

    Args:
        program: with removals, updates and default actions already applied.
        operators: by name in lower case.
        transformations: by name in lower case.
        read: the content of a file that a rule names: the rule's own file, the name. Raises
            OperatorProblem.
        tx: what TX begins with, as `waf/fold.py` found it.
    """
    return _Assembly(operators, transformations, read).run(program, tx)


_LONGEST_KEPT: Final = 4096
"""Bytes of such an argument: a client may have written it, and each rule would keep its own."""


class _Assembly:
    def __init__(
        self,
        operators: Mapping[str, Operator],
        transformations: Mapping[str, Transformation],
        read: Callable[[str, str], bytes],
    ) -> None:
        self._operators = operators
        self._transformations = transformations
        self._read = read
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []
        self._datasets: dict[str, bytes] = {}
        self._directory = RuleDirectory()
        self._readers = Readers(self._pattern)
        self._chains: dict[tuple[str, ...], Chain] = {}
        self._targets: dict[tuple[Target, ...], TargetSet] = {}
        self._groups: dict[tuple[int, tuple[str, ...], bool], Group] = {}
        self._around = Around(
            text=self._text,
            exception=self._exception,
            directory=self._directory,
            known_transformation=transformations.__contains__,
        )

    def run(self, program: Program, tx: Mapping[bytes, bytes]) -> RuleSet | Rejected:
        settings = EngineSettings()
        compiled: dict[int, list[tuple[int, Draft, CompiledRule]]] = {n: [] for n in range(1, 6)}
        ends: dict[str, list[int]] = {}
        for position, item in enumerate(program.items):
            if isinstance(item, Marker):
                ends.setdefault(item.name, []).append(position)
            elif isinstance(item, Setting):
                if item.name == "SecDataset":
                    name, lines = item.arguments
                    self._datasets[name] = lines.encode("utf-8", "surrogateescape")
                try:
                    settings = read_setting(settings, item)
                except ActionProblem as problem:
                    self._report(item.place.file, item.place.line, f"{item.name} {problem}")
            else:
                index = self._directory.next_index()
                draft, rule = self._rule(item, index, None)
                self._directory.add(index, rule.labels)
                if draft.id:
                    ends.setdefault(str(draft.id), []).append(position)
                compiled[draft.phase].append((position, draft, rule))
        phases = {phase: _linked(rules, ends) for phase, rules in compiled.items()}
        if self._problems:
            return Rejected(tuple(self._problems))
        warnings = (*program.warnings, *self._warnings)
        return RuleSet(settings, phases, len(self._chains), tx, warnings=warnings)

    def _rule(self, rule: Rule, index: int, head: Labels | None) -> tuple[Draft, CompiledRule]:
        draft = Draft()
        for call in rule.actions:
            action = ACTIONS.get(call.name)
            if action is None:
                self._fault(rule, f"there is no action {call.name}")
                continue
            try:
                action(draft, call.argument, self._around)
            except (ActionProblem, OperatorProblem) as problem:
                self._fault(rule, f"{call.name} {problem}")
        labels = head or _labels(draft, rule)
        group, test, dynamic = None, None, None
        sought: list[Sought] = []
        if rule.operator is not None:
            try:
                group = self._group(rule.targets, tuple(draft.transformations), draft.multi_match)
            except (TargetProblem, OperatorProblem) as problem:
                self._fault(rule, str(problem))
            try:
                test, dynamic = self._test(rule, sought)
            except (OperatorProblem, ActionProblem) as problem:
                self._fault(rule, f"@{rule.operator.name} {problem}")
        links = tuple(self._rule(link, index, labels)[1] for link in rule.links)
        return draft, CompiledRule(
            index=index,
            labels=labels,
            group=group,
            test=test,
            dynamic=dynamic,
            sought=sought[0] if sought else None,
            negated=rule.operator is not None and rule.operator.negated,
            capture=draft.capture,
            steps=tuple(draft.steps),
            links=links,
            verdict="deny" if draft.verdict == "block" else draft.verdict,
            status=_status(draft),
            location=draft.location,
            allow=draft.allow,
            after=None,
            logged=draft.logged,
            audited=draft.audited,
            message=self._text(draft.message),
            log_data=self._text(draft.log_data),
        )

    def _group(
        self, targets: tuple[Target, ...], chain: tuple[str, ...], multi_match: bool
    ) -> Group:
        found = self._targets.get(targets)
        if found is None:
            found = compile_targets(len(self._targets), targets, self._readers)
            self._targets[targets] = found
        key = (found.index, chain, multi_match)
        group = self._groups.get(key)
        if group is None:
            group = Group(len(self._groups), found, self._chain(chain), multi_match)
            self._groups[key] = group
        return group

    def _chain(self, names: tuple[str, ...]) -> Chain | None:
        if not names:
            return None
        chain = self._chains.get(names)
        if chain is None:
            prefix = self._chain(names[:-1])
            function = self._transformations[names[-1]]
            marks = MARKS.get(names[-1], ANY)
            chain = Chain(len(self._chains), prefix, function, marks)
            self._chains[names] = chain
        return chain

    def _test(
        self, rule: Rule, sought: list[Sought]
    ) -> tuple[Test | None, Callable[[State], Test | None] | None]:
        call = rule.operator
        assert call is not None  # noqa: S101 - the caller has looked
        operator = self._operators.get(call.name)
        if operator is None:
            raise OperatorProblem("is not an operator")
        file = rule.place.file
        around = Surroundings(
            read=lambda name: self._read(file, name),
            dataset=self._dataset,
            warn=functools.partial(self._doubt, rule),
        )
        argument = self._text(call.argument) if has_macro(call.argument) else None
        if argument is None or isinstance(argument, bytes):
            if not call.negated:
                around = replace(around, seek=sought.append)
            test = operator(call.argument.encode("utf-8", "surrogateescape"), around)
            return for_negated(test) if call.negated else test, None
        around = replace(around, warn=_unheard)
        return None, _dynamic(operator, argument, around, call.negated)

    def _dataset(self, name: str) -> bytes:
        if name not in self._datasets:
            raise OperatorProblem(f"finds no SecDataset named {name} before it")
        return self._datasets[name]

    def _pattern(self, pattern: bytes) -> Test:
        return self._operators["rx"](b"(?i)" + pattern, Surroundings(read=_no_files))

    def _exception(self, text: str) -> tuple[str, Callable[[bytes | None], bool]]:
        collection, colon, selector = text.partition(":")
        pattern = len(selector) > 1 and selector[0] == selector[-1] == "/" and selector != "/*"
        if pattern:
            selector = selector[1:-1]
        target = Target(collection.strip().upper(), selector if colon else None, pattern)
        try:
            compile_targets(0, (Target(target.collection),), self._readers)
            covered = covers(target, self._pattern)
        except (TargetProblem, OperatorProblem) as problem:
            raise ActionProblem(str(problem)) from None
        return target.collection, covered

    def _text(self, text: str) -> bytes | Expand:
        try:
            return compile_text(text, self._lookup)
        except MacroProblem as problem:
            raise ActionProblem(str(problem)) from None

    def _lookup(self, collection: str, selector: str | None) -> Expand:
        try:
            targets = compile_targets(0, (Target(collection, selector),), self._readers)
        except TargetProblem as problem:
            raise MacroProblem(str(problem)) from None

        def expand(state: State) -> bytes:
            found = targets.find(state)
            return found[0].value if found else b""

        return expand

    def _fault(self, rule: Rule, message: str) -> None:
        self._report(rule.place.file, rule.place.line, message)

    def _doubt(self, rule: Rule, message: str) -> None:
        place = rule.place
        problem = Problem(place.file, place.line, 1, "", message, severity="warning")
        self._warnings.append(problem)

    def _report(self, file: str, line: int, message: str) -> None:
        self._problems.append(Problem(file, line, 1, "", message))


def _linked(
    rules: Sequence[tuple[int, Draft, CompiledRule]], ends: Mapping[str, Sequence[int]]
) -> tuple[CompiledRule, ...]:
    """The rules of a phase, each knowing where the phase goes on after it."""
    places = [position for position, _, _ in rules]
    linked: list[CompiledRule] = []
    for number, (position, draft, rule) in enumerate(rules):
        after: int | None = None
        if draft.skip_after is not None:
            # The first of that name further down; when there is none, the phase ends.
            end = next((end for end in ends.get(draft.skip_after, ()) if end > position), None)
            after = len(rules) if end is None else bisect.bisect_right(places, end)
        elif draft.skip:
            after = min(number + 1 + draft.skip, len(rules))
        linked.append(rule if after is None else replace(rule, after=after))
    return tuple(linked)


def _labels(draft: Draft, rule: Rule) -> Labels:
    return Labels(
        id=draft.id,
        phase=draft.phase,
        revision=draft.revision,
        version=draft.version,
        severity=draft.severity,
        maturity=draft.maturity,
        accuracy=draft.accuracy,
        tags=tuple(draft.tags),
        message=draft.message,
        log_data=draft.log_data,
        file=rule.place.file,
        line=rule.place.line,
    )


def _status(draft: Draft) -> int:
    if draft.verdict == "redirect":
        return draft.status if draft.status is not None and 300 <= draft.status < 400 else 302
    return 403 if draft.status is None else draft.status


def _no_files(name: str) -> bytes:
    raise OperatorProblem(f"{name} may not be read here")


def _unheard(message: str) -> None:
    """Of an argument that a request makes: there is nobody to tell."""


def _dynamic(
    operator: Operator, argument: Expand, around: Surroundings, negated: bool
) -> Callable[[State], Test | None]:
    tests: dict[bytes, Test | None] = {}

    def dynamic(state: State) -> Test | None:
        expanded = argument(state)
        if expanded in tests:
            return tests[expanded]
        try:
            test: Test | None = operator(expanded, around)
            if negated and test is not None:
                test = for_negated(test)
        except OperatorProblem:
            # What a request made of the argument is no fault of the rule's: it does not match.
            test = None
        if len(tests) >= _MOST_TESTS:
            tests.clear()
        if len(expanded) <= _LONGEST_KEPT:
            tests[expanded] = test
        return test

    return dynamic
