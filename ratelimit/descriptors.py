"""One document of envoyproxy/ratelimit's configuration, read into a tree of rules."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from callout.config import yaml
from callout.config.problems import Problem, describe
from callout.config.source import Mark, Source, Step
from callout.config.validate import suggest
from ratelimit.limits import CALENDAR_MONTH, MONTH, MOST_REQUESTS, UNITS, Limit, Unit
from ratelimit.rules import JoinedNode, Node, Rule

DOMAIN_KEYS: Final = ("domain", "descriptors")
DESCRIPTOR_KEYS: Final = (
    "key",
    "value",
    "rate_limit",
    "descriptors",
    "shadow_mode",
    "quota_mode",
    "share_threshold",
    "detailed_metric",
    "value_to_metric",
    "metadata",
)
LIMIT_KEYS: Final = (
    "unit",
    "unit_multiplier",
    "requests_per_unit",
    "unlimited",
    "name",
    "replaces",
)
_REPLACES_KEYS: Final = ("name",)

LONGEST_WINDOW: Final = 366 * 86_400
"""Seconds of `unit` times `unit_multiplier`: what every algorithm and store can count in."""

MOST_LEVELS: Final = 20
"""Of `metadata`: each is three in an answer, and protobuf reads no more than a hundred."""

_WRITTEN: Final = re.compile(r"[-+.\w]+")
"""A number or a boolean, as it stands in the file."""


def not_known(document: Source) -> list[Problem]:
    """Keys that mean nothing where they stand, and what should be a mapping or a list of them."""
    problems: list[Problem] = []
    _check(document, (), DOMAIN_KEYS, problems)
    return problems


_BELOW: Final = {
    "descriptors": DESCRIPTOR_KEYS,
    "rate_limit": LIMIT_KEYS,
    "replaces": _REPLACES_KEYS,
}


def _check(
    document: Source, path: tuple[Step, ...], known: tuple[str, ...], problems: list[Problem]
) -> None:
    value = document.at(*path).value
    if not isinstance(value, Mapping):
        message = f"expected a mapping with {', '.join(known)}, found {describe(value)}"
        problems.append(document.problem(path, message))
        return
    for key, inner in value.items():
        here = (*path, key)
        if key not in known:
            message = f"config error, unknown key '{key}'"
            problems.append(document.problem(here, message, suggest(key, known), key=True))
        elif key not in _BELOW or inner is None:
            pass
        elif key == "rate_limit":
            _check(document, here, _BELOW[key], problems)
        elif not isinstance(inner, list):
            problems.append(document.problem(here, f"expected a list, found {describe(inner)}"))
        else:
            for index, each in enumerate(inner):
                if isinstance(each, Mapping):
                    _check(document, (*here, index), _BELOW[key], problems)
                    continue
                shown = each if isinstance(each, (str, int, float)) else describe(each)
                message = f"config error, yaml file contains list of type other than map: {shown}"
                problems.append(document.problem((*here, index), message))


class Reader:
    """Reads one document whose keys are known."""

    def __init__(
        self, document: Source, lines: Sequence[str], *, joined: bool, calendar: bool = False
    ) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._lines = lines
        self._node = JoinedNode if joined else Node
        self._calendar = calendar

    def domain(self) -> str | None:
        """The domain; None after a problem."""
        domain = self._text((), "domain")
        if domain == "":
            path = ("domain",) if "domain" in self._document.value else ()
            self._problem(path, "config file cannot have empty domain")
        return domain or None

    def descriptors(
        self, parent: Node, above: str, path: tuple[Step, ...] = ("descriptors",)
    ) -> None:
        """Put what is listed there under `parent`, whose name in statistics is `above`."""
        for index in range(len(self._document.at(*path).value or ())):
            self._descriptor((*path, index), parent, above)

    def _problem(self, path: tuple[Step, ...], message: str) -> None:
        self.problems.append(self._document.problem(path, message))

    def _descriptor(self, path: tuple[Step, ...], parent: Node, above: str) -> None:
        key, value = self._text(path, "key"), self._text(path, "value")
        if key == "":
            self._problem(path, "descriptor has empty key")
        if key and "*" in key and self._node is Node:
            message = "a `*` in a key is not supported: wildcards are for `value`"
            self._problem((*path, "key"), message)
        joined = f"{key}_{value}" if value else f"{key}"
        name = f"{above}.{joined}"
        share = self._flag(path, "share_threshold")
        node = self._node(self._rule(path, name), share, self._flag(path, "value_to_metric"))
        if share and "*" not in joined:
            self._problem(
                (*path, "share_threshold"),
                "share_threshold can only be used with wildcard values (containing '*'), "
                f"but found key '{joined}'",
            )
        if key and value is not None and not parent.place(key, value, node):
            self._problem(path, f"duplicate descriptor composite key '{name}'")
        self.descriptors(node, name, (*path, "descriptors"))

    def _rule(self, path: tuple[Step, ...], name: str) -> Rule | None:
        modes = [self._flag(path, key) for key in ("shadow_mode", "quota_mode", "detailed_metric")]
        metadata = self._document.at(*path, "metadata").value
        if metadata is not None and not isinstance(metadata, Mapping):
            message = f"expected a mapping, found {describe(metadata)}"
            self._problem((*path, "metadata"), message)
        elif _levels(metadata) > MOST_LEVELS:
            message = f"expected at most {MOST_LEVELS} levels of nesting, found more"
            self._problem((*path, "metadata"), message)
        here = (*path, "rate_limit")
        if self._document.at(*here).value is None:
            return None
        shadow, quota, detailed = modes
        called = self._text(here, "name") or ""
        limit = self._limit(here, called)
        replaces = self._replaces(here, called)
        mark = self._document.at(*path).mark
        return Rule(limit, shadow, quota, called, replaces, detailed, name, mark, metadata)

    def _limit(self, path: tuple[Step, ...], name: str) -> Limit | None:
        """None: unlimited, or a problem."""
        written = self._text(path, "unit")
        unit = UNITS.get(written.lower()) if written is not None else None
        if self._flag(path, "unlimited"):
            if unit is not None:
                self._problem((*path, "unit"), "should not specify rate limit unit when unlimited")
            return None
        if written is not None and unit is None:
            there = (*path, "unit") if written else path
            self._problem(there, f"invalid rate limit unit '{written}'")
        of_calendar = self._calendar and unit is MONTH
        requests = self._number(path, "requests_per_unit", 0, 0, MOST_REQUESTS)
        most = LONGEST_WINDOW // unit.seconds if unit is not None else LONGEST_WINDOW
        times = self._number(path, "unit_multiplier", 1, 1, most)
        if of_calendar and times != 1:
            message = (
                "expected 1 beside a month of the calendar: several have no window of their own"
            )
            self._problem((*path, "unit_multiplier"), message)
        elif of_calendar:
            unit = CALENDAR_MONTH
        elif unit is not None and times != 1:
            unit = Unit(f"{times} {unit.name}s", times * unit.seconds)
        return Limit(requests, unit, name) if unit is not None else None

    def _replaces(self, path: tuple[Step, ...], name: str) -> frozenset[str]:
        names = []
        for index in range(len(self._document.at(*path, "replaces").value or ())):
            here = (*path, "replaces", index)
            replaced = self._text(here, "name")
            if replaced == "":
                self._problem(here, "should not have an empty replaces entry")
            elif replaced == name:
                self._problem(here, "replaces should not contain name of same descriptor")
            elif replaced is not None:
                names.append(replaced)
        return frozenset(names)

    def _flag(self, path: tuple[Step, ...], key: str) -> bool:
        value = self._document.at(*path, key).value
        if value is None or isinstance(value, bool):
            return bool(value)
        self._problem((*path, key), f"expected true or false, found {describe(value)}")
        return False

    def _number(self, path: tuple[Step, ...], key: str, default: int, least: int, most: int) -> int:
        value = self._document.at(*path, key).value
        if value is None:
            return default
        if type(value) is int and least <= value <= most:
            return value
        message = f"expected a whole number from {least} to {most}, found {describe(value)}"
        self._problem((*path, key), message)
        return default

    def _text(self, path: tuple[Step, ...], key: str) -> str | None:
        """The text; empty when it is not there; None after a problem.

        Numbers and booleans are taken as they are written, as envoyproxy/ratelimit does: 010 is
        not 10.
        """
        value = self._document.at(*path, key).value
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, (bool, int)):
            written = self._written(self._document.at(*path, key).mark)
            again = yaml.parse("", written.encode())
            # Behind a tag or an anchor stands something else.
            if isinstance(again, list) and again and again[0].value == value:
                return written
        message = f"expected a text, found {describe(value)}: put it in quotes"
        self._problem((*path, key), message)
        return None

    def _written(self, mark: Mark) -> str:
        """The word at that place of the file."""
        if not 0 < mark.line <= len(self._lines):
            return ""
        word = _WRITTEN.match(self._lines[mark.line - 1], mark.column - 1)
        return word[0] if word is not None else ""


def _levels(value: object) -> int:
    """Of mappings and lists in each other; YAML itself has no more than 64."""
    below: Iterable[object] = ()
    if isinstance(value, Mapping):
        below = value.values()
    elif isinstance(value, list):
        below = value
    else:
        return 0
    return 1 + max(map(_levels, below), default=0)
