"""Requests judged here and by ModSecurity 3 with the same rules: where they differ, and why."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.waf.crs.cases import Sent, load
from tests.waf.crs.rival import Rival
from tests.waf.crs.run import transact
from tests.waf.crs.server import received, refuses
from waf.rules import RuleSet
from waf.transaction import Transaction

_SUMS: Final = frozenset({949110, 959100, 980170})
"""Rules that add up what others found: they differ where those do."""

ONLY_THEIRS: Final[Mapping[int, str]] = {
    **dict.fromkeys(
        (920260, 920272, 920273, 944100, 944110, 944120, 944130, 944210, 944240, 944250),
        "REQUEST_BODY holds any body there; in ModSecurity 2, in Coraza and here that of a form, or"
        " one that ctl:forceRequestBodyVariable asked for. The suite fails there for it",
    ),
    **dict.fromkeys((932340, 932350), "`$` matches before a newline at the end, of PCRE not RE2"),
    932200: "`\\s` matches a vertical tab, of PCRE not of RE2",
    942330: "`^` and `$` match at each line there; CRS is written for patterns that do not",
    942131: "the suite says that it must not match there either: 942131-3, -5, -7",
    **dict.fromkeys(
        (934100, 934160),
        "t:base64Decode leaves what has a wrong byte as it is there, and the steps after it see it;"
        " in ModSecurity 2, in Coraza and here it decodes what stands before the byte",
    ),
    920460: "REQUEST_URI holds the path decoded there; in ModSecurity 2 and here as it was sent",
    **dict.fromkeys((931131, 934110), "REQUEST_FILENAME of an absolute URI holds its host there"),
}
ONLY_OURS: Final[Mapping[int, str]] = {
    **dict.fromkeys(
        (942100, 942101),
        "a typographic quote is a quote by the best-fit map, which is not loaded there",
    ),
    942440: "`^` and `$` match at each line there, of a pattern that is negated",
    930130: "@pmFromFile misses `.env` in `secrets.env` there: another phrase begins alike",
}

READ_OTHERWISE: Final = "the body is one that ModSecurity 3 reads otherwise"


@dataclass
class Comparison:
    """What was found so far."""

    asked: int = 0
    same: int = 0
    """Requests for which the same rules log."""
    only_here: Counter[int] = field(default_factory=Counter)
    only_there: Counter[int] = field(default_factory=Counter)
    read_otherwise: int = 0
    """Rules that log only here, for a body that is read otherwise there."""
    unknown: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    """Differences without a reason: the side, the rule, which requests."""

    def table(self) -> str:
        """In Markdown."""
        lines = ["| rule | logs only | requests | why |", "|--:|---|--:|---|"]
        for side, found, reasons in (
            ("here", self.only_here, ONLY_OURS),
            ("there", self.only_there, ONLY_THEIRS),
        ):
            for rule, count in sorted(found.items()):
                reason = reasons.get(rule, "**unknown**")
                lines.append(f"| {rule} | {side} | {count} | {reason} |")
        lines.append(f"| any | here | {self.read_otherwise} | {READ_OTHERWISE} |")
        return "\n".join(lines)


def suite(folder: Path) -> Iterator[tuple[str, Sent]]:
    """Every request of the suite that a server lets in, with the test's name."""
    for path in sorted((folder / "tests/regression/tests").rglob("*.yaml")):
        for case in load(path):
            for stage in case.stages:
                if not refuses(stage.sent):
                    yield case.id, received(stage.sent)


def compare(rules: RuleSet, rival: Rival, sent: Iterable[tuple[str, Sent]]) -> Comparison:
    """Ask both about each request, which has a name."""
    found = Comparison()
    for name, request in sent:
        transaction = transact(rules, request)
        here = {match.labels.id for match in transaction.matched if match.logged} - _SUMS
        there = rival.ask(request) - _SUMS
        found.asked += 1
        found.same += here == there
        otherwise = read_otherwise(transaction)
        if otherwise:
            found.read_otherwise += len(here - there)
        for rule in set() if otherwise else here - there:
            found.only_here[rule] += 1
            if rule not in ONLY_OURS:
                found.unknown.setdefault(("only here", rule), []).append(name)
        for rule in there - here:
            found.only_there[rule] += 1
            if rule not in ONLY_THEIRS:
                found.unknown.setdefault(("only there", rule), []).append(name)
    return found


def read_otherwise(transaction: Transaction) -> bool:
    """Whether the body is one that ModSecurity 3 reads otherwise.

    What has no type is a form here, as in ModSecurity 2 and Coraza, and only REQUEST_BODY there.
    What is broken is read on here, and dropped there. A part that is a file to some and none to
    others is both here.
    """
    state = transaction.state
    values = state.body_values
    arguments = {name for name, _ in values.arguments}
    both = any(not arguments.isdisjoint(file.fields) for file in values.files)
    return bool(state.body) and (state.force_body_variable or bool(values.error) or both)
