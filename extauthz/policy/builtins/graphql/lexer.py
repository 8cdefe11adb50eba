"""Tokens of GraphQL (gqlparser's folder `lexer`)."""

import re
from typing import Final, NamedTuple

from extauthz.policy.builtins.graphql.nodes import Position
from extauthz.policy.values.text import quoted

INVALID, EOF, NAME, INT, FLOAT, STRING, BLOCK_STRING, COMMENT, SPREAD = (
    "<Invalid>", "<EOF>", "Name", "Int", "Float", "String", "BlockString", "Comment", "...",
)  # fmt: skip
"""Kinds of tokens, besides punctuation, as they are called in errors."""

_PUNCTUATION: Final = frozenset("!$&():=@[]{}|")
_BLANK: Final = re.compile(r"[\t ,\ufeff]+")
_COMMENT: Final = re.compile("#[^\0-\x08\n-\x1f]*")
_NAME: Final = re.compile("[_A-Za-z][_0-9A-Za-z]*")
_PLAIN: Final = re.compile('[^"\\\\\0-\x08\n-\x1f]+')
_ESCAPES: Final = {
    '"': '"', "/": "/", "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip
_QUOTES: Final = re.compile('"+')
_HEX: Final = re.compile("[0-9a-fA-F]{4}")


class Token(NamedTuple):
    """A token."""

    kind: str
    value: str
    position: Position
    error: str = ""
    """Of an invalid one: what is wrong."""

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.value)}" if self.value else self.kind


class Lexer:
    """Reads one token after the other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.line_start = 0

    def read(self) -> Token:
        """The next token; at the end always EOF, at what is invalid always that."""
        self._skip_blank()
        if self.at >= len(self.text):
            return self._token(EOF, self.at)
        begin, char = self.at, self.text[self.at]
        if char in _PUNCTUATION:
            self.at += 1
            return Token(char, "", self._position(begin))
        if found := _NAME.match(self.text, begin):
            self.at = found.end()
            return self._token(NAME, begin)
        if char == '"':
            if self.text.startswith('"""', begin):
                return self._block_string()
            return self._string()
        if char == "#":
            found = _COMMENT.match(self.text, begin)
            assert found  # noqa: S101
            self.at = found.end()
            return self._token(COMMENT, begin)
        if char == "-" or "0" <= char <= "9":
            return self._number()
        if self.text.startswith("...", begin):
            self.at += 3
            return Token(SPREAD, "", self._position(begin))
        if char < " ":
            return self._invalid(f'Cannot contain the invalid character "\\u{ord(char):04x}"')
        if char == "'":
            return self._invalid(
                "Unexpected single quote character ('), did you mean to use a double quote (\")?"
            )
        # Go looks at bytes
        first = chr(char.encode("utf-8", "surrogatepass")[0])
        return self._invalid(f'Cannot parse the unexpected character "{first}".')

    def _skip_blank(self) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "\n\r":
                self.at += 1
                self.line += 1
                self.line_start = self.at
                if char == "\r" and self.text.startswith("\n", self.at):
                    self.at += 1
            elif found := _BLANK.match(self.text, self.at):
                self.at = found.end()
            else:
                return

    def _position(self, begin: int) -> Position:
        return Position(self.line, begin - self.line_start + 1)

    def _token(self, kind: str, begin: int) -> Token:
        return Token(kind, self.text[begin : self.at], self._position(begin))

    def _invalid(self, message: str) -> Token:
        return Token(INVALID, "", self._position(self.at), message)

    def _digits(self) -> int:
        begin = self.at
        while self.at < len(self.text) and "0" <= self.text[self.at] <= "9":
            self.at += 1
        return self.at - begin

    def _accept(self, chars: str) -> bool:
        found = self.at < len(self.text) and self.text[self.at] in chars
        self.at += found
        return found

    def _number(self) -> Token:
        begin, kind = self.at, INT
        self._accept("-")
        if self._accept("0"):
            if count := self._digits():
                self.at -= count
                return self._bad_number("unexpected digit after 0:")
        elif not self._digits():
            return self._bad_number("expected digit but got:")
        if self._accept("."):
            kind = FLOAT
            if not self._digits():
                return self._bad_number("expected digit but got:")
        if self._accept("eE"):
            kind = FLOAT
            self._accept("-+")
            if not self._digits():
                return self._bad_number("expected digit but got:")
        return self._token(kind, begin)

    def _bad_number(self, what: str) -> Token:
        found = f'"{self.text[self.at]}"' if self.at < len(self.text) else EOF
        return self._invalid(f"Invalid number, {what} {found}.")

    def _string(self) -> Token:
        # as gqlparser: the column is that behind the quote
        self.at += 1
        position = self._position(self.at)
        parts: list[str] = []
        while self.at < len(self.text):
            if found := _PLAIN.match(self.text, self.at):
                parts.append(found[0])
                self.at = found.end()
                continue
            char = self.text[self.at]
            if char in "\n\r":
                break
            if char == '"':
                self.at += 1
                return Token(STRING, "".join(parts), position)
            if char != "\\":
                return self._invalid(f'Invalid character within String: "\\u{ord(char):04x}".')
            escape = self.text[self.at + 1 : self.at + 2]
            code = _HEX.match(self.text, self.at + 2)
            if escape == "u" and code and self.at + 6 < len(self.text):
                rune = chr(int(code[0], 16))
                parts.append("\ufffd" if "\ud800" <= rune <= "\udfff" else rune)
                self.at += 6
            elif escape in _ESCAPES:
                parts.append(_ESCAPES[escape])
                self.at += 2
            else:
                self.at += 1
                shown = self.text[self.at : self.at + 5] if escape == "u" else escape
                return self._invalid(
                    f"Invalid character escape sequence{': ' if shown else ''}"
                    f"{chr(92) + shown if shown else ''}."
                )
        return self._invalid("Unterminated string.")

    def _block_string(self) -> Token:
        self.at += 3
        begin = self.at
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                found = _QUOTES.match(self.text, self.at)
                assert found  # noqa: S101
                quotes = len(found[0])
                if quotes >= 3:
                    parts.append('"' * (quotes - 3))
                    column = begin - self.line_start + 1
                    self.at += quotes
                    value = _block_value("".join(parts))
                    return Token(BLOCK_STRING, value, Position(self.line, column))
                parts.append('"' * quotes)
                self.at += quotes
            elif char < " " and char not in "\t\n\r":
                return self._invalid(f'Invalid character within String: "\\u{ord(char):04x}".')
            elif self.text.startswith('\\"""', self.at):
                parts.append('"""')
                self.at += 4
            elif char in "\n\r":
                self.at += 2 if self.text.startswith("\r\n", self.at) else 1
                parts.append("\n")
                self.line += 1
                self.line_start = self.at
            else:
                found = _PLAIN.match(self.text, self.at)
                text = found[0] if found else char
                parts.append(text)
                self.at += len(text)
        return self._invalid("Unterminated string.")


def _block_value(raw: str) -> str:
    """A block string without its common indentation and its blank lines around."""
    lines = raw.split("\n")
    indents = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip(" \t")]
    if indents:
        common = min(indents)
        lines[1:] = [line[common:] for line in lines[1:]]
    while lines and not lines[0].strip(" \t"):
        del lines[0]
    while lines and not lines[-1].strip(" \t"):
        del lines[-1]
    return "\n".join(lines)
