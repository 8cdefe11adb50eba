"""YAML to plain values with the place of every key and value; what is wrong is a problem.

libyaml's events are composed here instead of by PyYAML, for three reasons: nesting and aliases
are bounded before they cost anything, all problems of a file are found in one pass, and plain
scalars mean what YAML 1.2's core schema says: `on`, `off`, `yes` and dates are text (YAML 1.1
would make the key `on` of a Policy the boolean true).
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from callout.config.pace import breathe
from callout.config.problems import Problem, Rejected, describe
from callout.config.source import Mark, Origin, Source, Step, path_text

MAX_BYTES: Final = 16 * 1024 * 1024
"""A file of 10,000 policies has about 4 MB."""
MAX_DEPTH: Final = 64
"""Levels of nesting; a policy needs about ten. What walks values later may recurse safely."""
MAX_ALIASED: Final = 100_000
"""Values that aliases may repeat in one file: a few lines can ask for billions."""
MAX_PROBLEMS: Final = 100
"""For one file; beyond it a person would not read on."""
MAX_DIGITS: Final = 100
"""Of a number: Python itself refuses to convert thousands of digits."""


def parse(file: str, data: bytes) -> list[Source] | Rejected:
    """Reads all documents of a file; empty ones are left out. Never raises.

    Args:
        file: the name that positions carry.
        data: UTF-8, with or without a byte order mark.
    """
    if len(data) > MAX_BYTES:
        message = f"expected at most {MAX_BYTES} bytes, found {len(data)}"
        return Rejected((Problem(file, 0, 0, "", message),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig", "replace")
        line, column = good.count("\n") + 1, len(good) - (good.rfind("\n") + 1) + 1
        return Rejected((Problem(file, line, column, "", "expected UTF-8, found other bytes"),))
    composer = _Composer(file)
    try:
        composer.run(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError as error:
        composer.problems.append(_syntax_problem(file, text, error))
    except _TooMuch:
        pass  # the problem is recorded
    if composer.problems:
        return Rejected(tuple(composer.problems))
    return [Source(each.value, each.origin) for each in composer.documents]


def _syntax_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        context = f" {error.context}" if error.context else ""
        message = f"expected YAML, found a mistake{context}: {error.problem}"
        if mark is not None:
            return Problem(file, mark.line + 1, mark.column + 1, "", message)
        return Problem(file, 0, 0, "", message)
    # yaml.reader.ReaderError, without a line: a character that YAML forbids
    found = _UNPRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return Problem(file, line, column, "", "expected printable text, found a control character")


_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""YAML 1.2, 5.1."""


class _TooMuch(Exception):
    """Reading on would only cost more."""


_NO_KEYS: Final[dict[str, Mark]] = {}
_NO_CHILDREN: Final[dict[Step, Origin]] = {}
"""Of scalars: never filled."""


class _Node:
    """A value that is complete, or a collection that is being filled."""

    __slots__ = ("anchor", "children", "height", "key", "keys", "mark", "size", "value")

    def __init__(
        self,
        value: Any,
        mark: Mark,
        anchor: str | None,
        keys: dict[str, Mark] = _NO_KEYS,
        children: dict[Step, Origin] = _NO_CHILDREN,
    ) -> None:
        self.value = value
        self.mark = mark
        self.anchor = anchor
        self.keys = keys
        self.children = children
        self.key: _Node | None = None
        """Of a mapping that is being filled: the key whose value comes next."""
        self.size = 1
        """Values in it, itself included; an alias counts as what it repeats."""
        self.height = 0

    @property
    def origin(self) -> Origin:
        return Origin(self.mark, self.keys, self.children)


class _Composer:
    """Builds documents from events, without recursion."""

    def __init__(self, file: str) -> None:
        self.documents: list[_Node] = []
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Node] = []
        self._anchors: dict[str, _Node] = {}
        self._aliased = 0

    def run(self, events: Iterator[Any]) -> None:
        for number, event in enumerate(events):
            if not number % 32:
                breathe()
            # By the class itself: comparing with one after the other took a third of the time.
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                self._add(_Node(self._scalar(event), self._mark(event), event.anchor))
            elif kind is yaml.MappingStartEvent:
                self._begin({}, "map", event)
            elif kind is yaml.SequenceStartEvent:
                self._begin([], "seq", event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._add(self._open.pop())
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self._anchors = {}

    def _mark(self, event: Any) -> Mark:
        mark = event.start_mark
        return Mark(self._file, mark.line + 1, mark.column + 1)

    def _report(self, mark: Mark, message: str) -> None:
        path: list[Step] = []
        for node in self._open:
            if isinstance(node.value, list):
                path.append(len(node.value))
            elif node.key is not None and isinstance(node.key.value, str):
                path.append(node.key.value)
        self.problems.append(Problem(*mark, path_text(tuple(path[:12])), message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _TooMuch

    def _begin(self, empty: Any, kind: str, event: Any) -> None:
        mark = self._mark(event)
        if event.tag not in (None, "!", f"tag:yaml.org,2002:{kind}"):
            self._report(mark, f"expected plain YAML, found the unknown tag {_tag(event.tag)}")
        if len(self._open) >= MAX_DEPTH:
            self._report(mark, f"expected at most {MAX_DEPTH} levels of nesting, found more")
            raise _TooMuch
        self._open.append(_Node(empty, mark, event.anchor, {}, {}))

    def _alias(self, event: Any) -> None:
        mark = self._mark(event)
        target = self._anchors.get(event.anchor)
        if target is None:
            what = f"*{event.anchor}"[:60]
            self._report(mark, f"expected an anchor that is complete before it, found {what}")
            target = _Node(None, mark, None)
        self._aliased += target.size
        if self._aliased > MAX_ALIASED:
            self._report(mark, f"expected aliases to repeat at most {MAX_ALIASED} values")
            raise _TooMuch
        if len(self._open) + target.height > MAX_DEPTH:
            self._report(mark, f"expected at most {MAX_DEPTH} levels of nesting, found more")
            raise _TooMuch
        self._add(target)

    def _add(self, node: _Node) -> None:
        """Puts a complete value where it belongs: into the innermost open collection."""
        if node.anchor is not None:
            self._anchors[node.anchor] = node
        if not self._open:
            if node.value is not None:
                self.documents.append(node)
            return
        parent = self._open[-1]
        parent.size += node.size
        if node.height >= parent.height:
            parent.height = node.height + 1
        if isinstance(parent.value, list):
            parent.children[len(parent.value)] = node.origin
            parent.value.append(node.value)
        elif parent.key is None:
            parent.key = node
            self._check_key(parent, node)
        else:
            key, parent.key = parent.key, None
            if isinstance(key.value, str) and key.value not in parent.value:
                parent.value[key.value] = node.value
                parent.keys[key.value] = key.mark
                parent.children[key.value] = node.origin

    def _check_key(self, parent: _Node, key: _Node) -> None:
        if not isinstance(key.value, str):
            self._report(key.mark, f"expected a key that is text, found {describe(key.value)}")
        elif key.value in parent.value:
            line = parent.keys[key.value].line
            self._report(key.mark, f"expected each key once, found it again (first in line {line})")

    def _scalar(self, event: Any) -> Any:
        text, tag = event.value, event.tag
        if tag is None:
            return self._plain(event) if event.implicit[0] else text
        if tag in ("!", "tag:yaml.org,2002:str"):
            return text
        kind = tag.removeprefix("tag:yaml.org,2002:")
        if kind not in _KINDS:
            self._report(
                self._mark(event), f"expected plain YAML, found the unknown tag {_tag(tag)}"
            )
            return text
        value = self._plain(event)
        if not isinstance(value, _KINDS[kind]) or isinstance(value, bool) is not (kind == "bool"):
            self._report(self._mark(event), f"expected what !!{kind} says, found {describe(value)}")
        return value

    def _plain(self, event: Any) -> Any:
        """YAML 1.2, 10.3.2; a number that JSON cannot say is a problem."""
        text = event.value
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) > MAX_DIGITS:
            self._report(
                self._mark(event), f"expected a number of at most {MAX_DIGITS} digits, found more"
            )
            return 0
        if text.startswith(("0x", "0o")):
            return int(text, 0)
        if text.lstrip("+-").isdigit():
            return int(text)
        number = math.inf if "n" in text.lower() else float(text)
        if not math.isfinite(number):
            self._report(self._mark(event), f"expected a finite number, found {text}")
            return 0
        return number


_CONSTANTS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER: Final = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_KINDS: Final[dict[str, Any]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "null": type(None),
}


def _tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")[:60]
