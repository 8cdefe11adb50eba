"""Regular expressions and globs, by RE2: linear time, and Go's own semantics.

Go's `regexp` and RE2 share their syntax and their leftmost-first matching. Iteration over matches
and templates are Go's (regexp/regexp.go), since Python's differ on empty matches.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import re2

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.representation import Value

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_ANY_BYTE: Final = re.compile(r"(?>\\Q.*?(?:\\E|$)|\\[^CQ]|[^\\])*?\\C", re.DOTALL)
"""`\\C`, which RE2 has and Go has not."""
_TEMPLATE: Final = re.compile(r"\$(?:(\$)|([0-9A-Za-z_]+)|\{([0-9A-Za-z_]+)\})")
_SPECIAL: Final = frozenset("*?\\[]{}")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    """A compiled pattern, or None: it is not one."""
    if _ANY_BYTE.match(pattern):
        return None
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error:
        return None


def _pattern(value: Value, position: int) -> Any:
    source = operands.string(value, position)
    pattern = _compiled(source)
    if pattern is None:
        raise BuiltinError(f"error parsing regexp: {source[:80]!r}")
    return pattern


def _utf8(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RegoError("rego_builtin", "a regex over bytes that are not UTF-8") from None
    return text


def is_valid(pattern: Value) -> bool:
    """`regex.is_valid(pattern)`."""
    return type(pattern) is str and _compiled(pattern) is not None


def match(pattern: Value, text: Value) -> bool:
    """`regex.match(pattern, text)`: anywhere in it."""
    source = operands.string(text, 2) if type(pattern) is str else text
    found = _pattern(pattern, 1)
    return found.search(_utf8(source)) is not None


def _matches(pattern: Any, text: str, limit: int = -1) -> Iterator[Any]:
    """Go's `allMatches`: an empty match right behind another does not count."""
    if "\\B" in pattern.pattern and not text.isascii():
        # RE2 finds it between the bytes of one character
        raise RegoError("rego_builtin", "a regex with \\B over text that is not ASCII")
    previous, count = -1, 0
    # not `search` from each place on: it reads the whole text every time
    for found in pattern.finditer(text):
        if count == limit:
            return
        start, end = found.span()
        if not start == end == previous:
            count += 1
            yield found
        previous = end


def find_n(pattern: Value, text: Value, count: Value) -> list[str]:
    """`regex.find_n(pattern, text, count)`; -1: all."""
    found, source, number = _finding(pattern, text, count)
    return [hit.group() for hit in _matches(found, source, number)]


def find_all_submatch_n(pattern: Value, text: Value, count: Value) -> list[list[str]]:
    """`regex.find_all_string_submatch_n(pattern, text, count)`."""
    found, source, number = _finding(pattern, text, count)
    return [
        [hit.group(), *(group or "" for group in hit.groups())]
        for hit in _matches(found, source, number)
    ]


def _finding(pattern: Value, text: Value, count: Value) -> tuple[Any, str, int]:
    operands.string(pattern, 1)
    source, number = operands.string(text, 2), operands.machine_integer(count, 3)
    return _pattern(pattern, 1), _utf8(source), number


def split(pattern: Value, text: Value) -> list[str]:
    """`regex.split(pattern, text)`."""
    operands.string(pattern, 1)
    source = _utf8(operands.string(text, 2))
    found = _pattern(pattern, 1)
    if pattern and not source:
        return [""]
    parts: list[str] = []
    begin = end = 0
    for hit in _matches(found, source):
        end = hit.start()
        if hit.end():
            parts.append(source[begin:end])
        begin = hit.end()
    if end != len(source):
        parts.append(source[begin:])
    return parts


def replace(text: Value, pattern: Value, template: Value) -> str:
    """`regex.replace(text, pattern, template)`; `$1` and `${name}` are groups."""
    source = operands.string(text, 1)
    operands.string(pattern, 2)
    shape = operands.string(template, 3)
    found = _pattern(pattern, 2)
    parts: list[str] = []
    last = 0
    for hit in _matches(found, _utf8(source)):
        parts += (source[last : hit.start()], _expand(shape, hit, found))
        last = hit.end()
    return "".join(parts) + source[last:]


def _expand(template: str, hit: Any, pattern: Any) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        if name.isdigit() and (name == "0" or name[0] != "0"):
            index = int(name) if len(name) < 9 else pattern.groups + 1
        else:
            index = pattern.groupindex.get(name, pattern.groups + 1)
        return (hit.group(index) or "") if index <= pattern.groups else ""

    return _TEMPLATE.sub(group, template)


def glob_match(pattern: Value, delimiters: Value, text: Value) -> bool:
    """`glob.match(pattern, delimiters, text)`; no delimiters: `.`, null: none."""
    source = operands.string(pattern, 1)
    if delimiters is None:
        marks = ""
    elif type(delimiters) is list:
        for mark in delimiters:
            if type(mark) is not str:
                raise operands.wrong_element(2, delimiters, mark, "string")
            if len(mark) != 1:
                raise operands.wrong_element(2, delimiters, mark, "rune")
        marks = "".join(delimiters) or "."
    else:
        raise operands.wrong_type(2, delimiters, "array", "null")
    tested = operands.string(text, 3)
    return _glob(source, marks).fullmatch(_utf8(tested)) is not None


def glob_quote_meta(pattern: Value) -> str:
    """`glob.quote_meta(pattern)`."""
    source = operands.string(pattern, 1)
    return "".join("\\" + char if char in _SPECIAL else char for char in source)


@lru_cache(maxsize=256)
def _glob(pattern: str, delimiters: str) -> Any:
    expression = _GlobReader(_utf8(pattern), delimiters).read()
    return re2.compile(f"(?s:{expression})", _OPTIONS)


def _literal(char: str) -> str:
    return char if char.isascii() and char.isalnum() else f"\\x{{{ord(char):x}}}"


class _GlobReader:
    """Translates a glob of gobwas/glob v1.0.0 (which OPA uses) to a regular expression."""

    def __init__(self, pattern: str, delimiters: str) -> None:
        self.pattern = pattern
        self.at = 0
        marks = "".join(map(_literal, delimiters))
        self.one = f"[^{marks}]" if marks else "."

    def read(self) -> str:
        parts: list[str] = []
        depth = 0
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            self.at += 1
            if char == "{":
                depth += 1
                parts.append("(?:")
            elif char == "," and depth:
                parts.append("|")
            elif char == "}" and depth:
                depth -= 1
                parts.append(")")
            elif char == "[":
                parts.append(self.characters())
            elif char == "?":
                parts.append(self.one)
            elif char == "*":
                if self.pattern.startswith("*", self.at):
                    self.at += 1
                    parts.append(".*")
                else:
                    parts.append(f"{self.one}*")
            else:
                parts.append(_literal(self.escaped(char)))
        if depth:
            raise BuiltinError("glob: syntax error: unclosed `{`")
        return "".join(parts)

    def next(self) -> str:
        if self.at >= len(self.pattern):
            raise BuiltinError("glob: syntax error: unexpected end of input")
        self.at += 1
        return self.pattern[self.at - 1]

    def escaped(self, char: str) -> str:
        if char == "\\":
            if self.at >= len(self.pattern):
                raise BuiltinError("glob: syntax error: trailing backslash")
            return self.next()
        return char

    def characters(self) -> str:
        """`[abc]`, `[!abc]`, `[a-c]`: a range stands alone."""
        char = self.next()
        negated = "^" if char == "!" else ""
        if negated:
            char = self.next()
        if self.pattern.startswith("-", self.at):
            self.at += 1
            high = self.next()
            if self.next() != "]" or high < char:
                raise BuiltinError("glob: syntax error: could not parse range")
            return f"[{negated}{_literal(char)}-{_literal(high)}]"
        found: list[str] = []
        while char != "]":
            found.append(_literal(self.escaped(char)))
            char = self.next()
        if not found:
            raise BuiltinError("glob: syntax error: could not parse range")
        return f"[{negated}{''.join(found)}]"
