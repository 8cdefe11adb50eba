"""Rule files to a program: every problem of all of them at once."""

import bisect
import re
from dataclasses import dataclass
from typing import Final

from callout.config.problems import Problem, Rejected, Severity, in_order
from callout.config.validate import suggest
from waf.ids import IdProblem, id_ranges
from waf.seclang.action_names import ACTIONS
from waf.seclang.actions import parse_actions
from waf.seclang.chains import Chains
from waf.seclang.directives import DIRECTIVES, PARSED, Known
from waf.seclang.files import Catalogue, Files, Limits, resolve
from waf.seclang.labels import label_test
from waf.seclang.lexer import Directive, Word, directives
from waf.seclang.operator import parse_operator
from waf.seclang.phases import phase_of
from waf.seclang.report import Report
from waf.seclang.shown import shown
from waf.seclang.syntax import Item, Marker, Place, Program, Rule, Setting
from waf.seclang.targets import parse_targets

_LINE_END: Final = re.compile("\n")


def parse(name: str, files: Files, limits: Limits | None = None) -> Program | Rejected:
    """What the file `name` says, with all that it includes.

    43 ms for the CRS, 1.0 MB in 27 files.
    """
    parser = _Parser(Catalogue(files), limits or Limits())
    parser.read(name, ())
    parser.check_markers()
    problems = in_order(parser.problems)
    if any(each.severity == "error" for each in problems):
        return Rejected(problems)
    return Program(tuple(parser.items), problems)


class _TooMuch(Exception):
    """A limit is passed: reading on would only cost more."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One file, and where its lines begin."""

    path: str
    text: str
    starts: list[int]

    def place(self, offset: int) -> tuple[int, int]:
        line = bisect.bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


class _Parser:
    def __init__(self, catalogue: Catalogue, limits: Limits) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._chains = Chains()
        self._files = self._rules = 0
        self.items: list[Item] = []
        self.problems: list[Problem] = []

    def read(self, path: str, including: tuple[str, ...]) -> None:
        """One file, as if it stood in place of its Include."""
        data = self._catalogue.read(path)
        if data is None:
            self._tell(path, 0, 0, "", "expected a rule file, found none")
            return
        self._files += 1
        if len(data) > self._limits.file_bytes:
            most = self._limits.file_bytes
            self._tell(path, 0, 0, "", f"expected at most {most} bytes, found {len(data)}")
            return
        text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        source = _Source(path, text, [0, *(end.end() for end in _LINE_END.finditer(text))])

        def complain(offset: int, message: str) -> None:
            self._tell(path, *source.place(offset), "", message)

        try:
            for directive in directives(text, complain):
                self._directive(source, directive, (*including, path))
        except _TooMuch:
            if including:
                raise
        self._give_up_chain()

    def check_markers(self) -> None:
        """Tells of a skipAfter whose marker never comes: it ends its phase."""
        names = {item.name for item in self.items if isinstance(item, Marker)}
        for item in self.items:
            if not isinstance(item, Rule):
                continue
            names.update(each.argument or "" for each in item.actions if each.name == "id")
        for item in self.items:
            if not isinstance(item, Rule):
                continue
            for action in item.actions:
                if action.name == "skipafter" and action.argument not in names:
                    self._tell(
                        item.place.file,
                        item.place.line,
                        1,
                        "SecRule",
                        f"there is no SecMarker {shown(action.argument or '')}:"
                        " skipAfter ends the phase",
                        suggest(action.argument or "", names),
                        "warning",
                    )

    def _directive(self, source: _Source, directive: Directive, path: tuple[str, ...]) -> None:
        report = self._report(source, directive.name, directive.name.text)
        if directive.end - directive.name.at > self._limits.directive_characters:
            most = self._limits.directive_characters
            report(0, f"expected at most {most} characters with its joined lines, found more")
            return
        match directive.name.text.lower():
            case "secrule":
                self._rule(source, directive, report)
            case "secaction":
                self._action(source, directive, report)
            case "secmarker":
                if _has(directive, 1, 1, report):
                    self._give_up_chain()
                    place = Place(source.path, source.place(directive.name.at)[0])
                    self.items.append(Marker(place, directive.words[0].text))
            case "include" | "includeoptional" as name:
                if _has(directive, 1, 1, report):
                    self._include(source, directive.words[0], path, name == "include")
            case name:
                known = DIRECTIVES.get(name)
                if known is None:
                    found = shown(directive.name.text)
                    meant = suggest(
                        directive.name.text, [*PARSED, *(each.name for each in DIRECTIVES.values())]
                    )
                    report(0, f"expected the name of a directive, found {found}", meant)
                else:
                    self._setting(source, directive, known, report)

    def _rule(self, source: _Source, directive: Directive, report: Report) -> None:
        if not _has(directive, 2, 3, report):
            self._give_up_chain()
            return
        targets, operator, *rest = directive.words
        rule = Rule(
            Place(source.path, source.place(directive.name.at)[0]),
            parse_targets(targets.text, self._report(source, targets, "SecRule")),
            parse_operator(operator.text, self._report(source, operator, "SecRule")),
            parse_actions(rest[0].text, self._report(source, rest[0], "SecRule")) if rest else (),
        )
        self._add(source, rule, rest[0] if rest else directive.name, report)

    def _action(self, source: _Source, directive: Directive, report: Report) -> None:
        if not _has(directive, 1, 1, report):
            self._give_up_chain()
            return
        word = directive.words[0]
        place = Place(source.path, source.place(directive.name.at)[0])
        actions = parse_actions(word.text, self._report(source, word, "SecAction"))
        self._add(source, Rule(place, (), None, actions), word, report)

    def _add(self, source: _Source, rule: Rule, word: Word, report: Report) -> None:
        self._rules += 1
        if self._rules > self._limits.rules:
            report(0, f"expected at most {self._limits.rules} rules, found more")
            raise _TooMuch
        name = "SecRule" if rule.targets else "SecAction"
        whole = self._chains.add(rule, self._report(source, word, name))
        if whole is not None:
            self.items.append(whole)

    def _give_up_chain(self) -> None:
        waiting = self._chains.broken()
        if waiting is not None:
            message = "expected another rule after `chain`, found none"
            self._tell(waiting.place.file, waiting.place.line, 1, "SecRule", message)

    def _include(self, source: _Source, word: Word, path: tuple[str, ...], needed: bool) -> None:
        self._give_up_chain()
        report = self._report(source, word, "Include")
        found = self._catalogue.matching(resolve(word.text, source.path))
        if found is None:
            report(0, f"expected a path among the rule files, found {shown(word.text)}")
            return
        if not found and needed:
            report(0, f"expected a rule file, found none: {shown(word.text)}")
        for name in found:
            if name in path:
                report(0, f"expected no circle, found {shown(name)} included in itself")
            elif len(path) >= self._limits.depth:
                report(0, f"expected at most {self._limits.depth} files deep, found more")
            elif self._files >= self._limits.files:
                report(0, f"expected at most {self._limits.files} rule files, found more")
                raise _TooMuch
            else:
                self.read(name, path)

    def _setting(self, source: _Source, directive: Directive, known: Known, report: Report) -> None:
        if known.effect == "refused":
            report(0, f"{known.name} is not supported: {known.why}")
            return
        if known.effect == "warned":
            report(0, f"{known.name} does nothing here: {known.why}", severity="warning")
            return
        if known.effect == "ignored" or not _has(directive, known.least, known.most, report):
            return
        self.__check_new_actions(source, directive, known.name)
        place = Place(source.path, source.place(directive.name.at)[0])
        self.items.append(Setting(place, known.name, tuple(each.text for each in directive.words)))

    def __check_new_actions(self, source: _Source, directive: Directive, name: str) -> None:
        """What `select` will read again, read once here where its place is known."""
        reports = [self._report(source, word, name) for word in directive.words]
        words = directive.words
        if name == "SecDefaultAction":
            _check_default(words[0].text, reports[0])
        elif name == "SecRuleRemoveById":
            for word, report in zip(words, reports, strict=True):
                _check_ids(word.text, report)
        elif name.startswith("SecRuleRemove"):
            _check_label(words[0].text, reports[0])
        elif name.startswith("SecRuleUpdate"):
            if name.endswith("ById"):
                _check_ids(words[0].text, reports[0])
            else:
                _check_label(words[0].text, reports[0])
            if name == "SecRuleUpdateActionById":
                _check_new_actions(words[1].text, reports[1])
            else:
                for word, report in zip(words[1:], reports[1:], strict=True):
                    parse_targets(word.text, report)

    def _report(self, source: _Source, word: Word, name: str) -> Report:
        def report(
            offset: int, message: str, suggestion: str = "", severity: Severity = "error"
        ) -> None:
            line, column = source.place(word.offset(offset))
            self._tell(source.path, line, column, name, message, suggestion, severity)

        return report

    def _tell(
        self,
        file: str,
        line: int,
        column: int,
        path: str,
        message: str,
        suggestion: str = "",
        severity: Severity = "error",
    ) -> None:
        if len(self.problems) < self._limits.problems or severity == "error":
            self.problems.append(Problem(file, line, column, path, message, suggestion, severity))
        if len(self.problems) >= 2 * self._limits.problems:
            raise _TooMuch


def _has(directive: Directive, least: int, most: int | None, report: Report) -> bool:
    found = len(directive.words)
    if least <= found and (most is None or found <= most):
        return True
    if most is None:
        wanted = f"at least {least}"
    else:
        wanted = str(least) if least == most else f"{least} to {most}"
    plural = "" if wanted == "1" else "s"
    report(0, f"expected {wanted} argument{plural}, found {found}")
    return False


def _check_default(text: str, report: Report) -> None:
    """Reports what a SecDefaultAction may not say."""
    actions = parse_actions(text, report)
    if phase_of(actions) is None:
        report(0, "expected a phase, found none")
    verdict = [each.name for each in actions if ACTIONS[each.name].group == "disruptive"]
    if not verdict or verdict[-1] == "block":
        report(0, "expected what a match does (pass, deny, drop ...), found none")
    for action in actions:
        known = ACTIONS[action.name]
        label = known.group in ("label", "flow") and action.name != "phase"
        changes = action.name == "t" and (action.argument or "").lower() != "none"
        if label or changes or action.name == "tag":
            report(0, f"{known.name} belongs to a rule, found it in a SecDefaultAction")


def _check_new_actions(text: str, report: Report) -> None:
    """Reports what a SecRuleUpdateActionById may not change."""
    for action in parse_actions(text, report):
        if action.name in ("id", "phase", "chain"):
            report(0, f"{action.name} cannot be changed, found it in an update")


def _check_ids(text: str, report: Report) -> None:
    try:
        spans = id_ranges(text)
    except IdProblem as problem:
        report(0, f"expected ids of rules, or ranges of them: {problem}")
        return
    if not spans:
        report(0, "expected the id of a rule, found none")
    elif any(low > high for low, high in spans):
        report(0, f"expected ranges from low to high, found {shown(text)}")


def _check_label(text: str, report: Report) -> None:
    try:
        label_test(text)
    except ValueError as problem:
        report(0, f"{problem}, found {shown(text)}")
