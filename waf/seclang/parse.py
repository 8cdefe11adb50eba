"""Rule files to a program: every problem of all of them at once."""

import bisect
import contextlib
import itertools
import re
from dataclasses import dataclass
from typing import Final

from callout.config.problems import Problem, Rejected, Severity, in_order
from callout.config.validate import suggest
from waf.seclang.actions import parse_actions
from waf.seclang.chains import Chains
from waf.seclang.checks import check
from waf.seclang.directives import DIRECTIVES, PARSED, Known
from waf.seclang.files import Catalogue, Files, Limits, resolve
from waf.seclang.lexer import Directive, Word, directives
from waf.seclang.markers import lost_jumps
from waf.seclang.operator import parse_operator
from waf.seclang.report import Report
from waf.seclang.shown import shown
from waf.seclang.syntax import Item, Marker, Place, Program, Rule, Setting
from waf.seclang.targets import parse_targets

_LINE_END: Final = re.compile("\n")


def parse(name: str, files: Files, limits: Limits | None = None) -> Program | Rejected:
    """What the file `name` says, with all that it includes.

    85 ms for the CRS: 703 rules in 30 files, 0.8 MB.
    """
    parser = _Parser(Catalogue(files), limits or Limits())
    with contextlib.suppress(_TooMuch):  # the error is recorded
        parser.read(name, ())
    if parser.errors:
        return Rejected(in_order(parser.problems))
    lost = itertools.islice(lost_jumps(parser.items), parser.limits.problems)
    warnings = (*parser.problems, *lost)
    return Program(tuple(parser.items), in_order(warnings))


class _TooMuch(Exception):
    """A limit is passed: reading on would only cost more."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One file, and where its lines begin."""

    path: str
    text: str
    starts: list[int]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1."""
        line = bisect.bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def place(self, directive: Directive) -> Place:
        return Place(self.path, self.position(directive.name.at)[0])


class _Parser:
    def __init__(self, catalogue: Catalogue, limits: Limits) -> None:
        self._catalogue = catalogue
        self.limits = limits
        self._chains = Chains()
        self._files = self._bytes = self._rules = 0
        self.items: list[Item] = []
        self.problems: list[Problem] = []
        self.errors = 0

    def read(self, path: str, including: tuple[str, ...]) -> None:
        """One file, as if it stood in place of its Include."""
        data = self._catalogue.read(path)
        if data is None:
            self._tell(path, (0, 0), "", "expected a rule file, found none")
            return
        self._files += 1
        if len(data) > self.limits.file_bytes:
            most = self.limits.file_bytes
            self._tell(path, (0, 0), "", f"expected at most {most} bytes, found {len(data)}")
            return
        self._bytes += len(data)
        if self._bytes > self.limits.total_bytes:
            most = self.limits.total_bytes
            self._tell(path, (0, 0), "", f"expected at most {most} bytes in all files, found more")
            raise _TooMuch
        text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        source = _Source(path, text, [0, *(end.end() for end in _LINE_END.finditer(text))])

        def complain(offset: int, message: str) -> None:
            self._tell(path, source.position(offset), "", message)

        for directive in directives(text, complain, self.limits.directive_characters):
            self._directive(source, directive, (*including, path))
        self._give_up_chain()

    def _directive(self, source: _Source, directive: Directive, path: tuple[str, ...]) -> None:
        written = directive.name.text
        report = self._report(source, directive.name, written)
        known = DIRECTIVES.get(written.lower())
        if known is not None:
            self._setting(source, directive, known, report)
            return
        match written.lower():
            case "secrule":
                self._rule(source, directive, report)
            case "secaction":
                self._action(source, directive, report)
            case "secmarker":
                self._give_up_chain()
                if _has(directive, 1, 1, report):
                    self.items.append(Marker(source.place(directive), directive.words[0].text))
            case "include" | "includeoptional" as name:
                self._give_up_chain()
                if _has(directive, 1, 1, report):
                    self._include(source, directive.words[0], path, name == "include")
            case _:
                names = [*PARSED, *(each.name for each in DIRECTIVES.values())]
                report(
                    0,
                    f"expected the name of a directive, found {shown(written)}",
                    suggest(written, names),
                )

    def _rule(self, source: _Source, directive: Directive, report: Report) -> None:
        if not _has(directive, 2, 3, report):
            self._chains.broken()
            return
        targets, operator, *rest = directive.words
        rule = Rule(
            source.place(directive),
            parse_targets(targets.text, self._report(source, targets, "SecRule")),
            parse_operator(operator.text, self._report(source, operator, "SecRule")),
            parse_actions(rest[0].text, self._report(source, rest[0], "SecRule")) if rest else (),
        )
        word = rest[0] if rest else directive.name
        self._add(rule, self._report(source, word, "SecRule"))

    def _action(self, source: _Source, directive: Directive, report: Report) -> None:
        if not _has(directive, 1, 1, report):
            self._chains.broken()
            return
        report = self._report(source, directive.words[0], "SecAction")
        actions = parse_actions(directive.words[0].text, report)
        self._add(Rule(source.place(directive), (), None, actions), report)

    def _add(self, rule: Rule, report: Report) -> None:
        self._rules += 1
        if self._rules > self.limits.rules:
            report(0, f"expected at most {self.limits.rules} rules, found more")
            raise _TooMuch
        whole = self._chains.add(rule, report)
        if whole is not None:
            self.items.append(whole)

    def _give_up_chain(self) -> None:
        waiting = self._chains.broken()
        if waiting is not None:
            message = "expected another rule after `chain`, found none"
            self._tell(waiting.place.file, (waiting.place.line, 1), "SecRule", message)

    def _include(self, source: _Source, word: Word, path: tuple[str, ...], needed: bool) -> None:
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
            elif len(path) >= self.limits.depth:
                report(0, f"expected at most {self.limits.depth} files deep, found more")
            elif self._files >= self.limits.files:
                report(0, f"expected at most {self.limits.files} rule files, found more")
                raise _TooMuch
            else:
                self.read(name, path)

    def _setting(self, source: _Source, directive: Directive, known: Known, report: Report) -> None:
        if known.effect == "refused":
            report(0, f"it is not supported: {known.why}")
        elif known.effect == "warned":
            report(0, f"it does nothing here: {known.why}", severity="warning")
        elif known.effect == "used" and _has(directive, known.least, known.most, report):
            words = directive.words
            check(
                known.name, [(each.text, self._report(source, each, known.name)) for each in words]
            )
            arguments = tuple(each.text for each in words)
            self.items.append(Setting(source.place(directive), known.name, arguments))

    def _report(self, source: _Source, word: Word, name: str) -> Report:
        def report(
            offset: int, message: str, suggestion: str = "", severity: Severity = "error"
        ) -> None:
            position = source.position(word.offset(offset))
            self._tell(source.path, position, shown(name)[1:-1], message, suggestion, severity)

        return report

    def _tell(
        self,
        file: str,
        position: tuple[int, int],
        path: str,
        message: str,
        suggestion: str = "",
        severity: Severity = "error",
    ) -> None:
        if severity == "warning" and len(self.problems) >= self.limits.problems:
            return
        self.problems.append(Problem(file, *position, path, message, suggestion, severity))
        if severity == "error":
            self.errors += 1
            if self.errors >= self.limits.problems:
                raise _TooMuch


def _has(directive: Directive, least: int, most: int | None, report: Report) -> bool:
    found = len(directive.words)
    if least <= found and (most is None or found <= most):
        return True
    if most is None:
        wanted = f"at least {least}"
    else:
        wanted = str(least) if least == most else f"{least} to {most}"
    report(0, f"expected {wanted} argument{'' if wanted.endswith('1') else 's'}, found {found}")
    return False
