"""`regex.globs_match`: whether one text matches both globs (yashtewari/glob-intersection).

The library tries ways one after another, which takes exponential time for some globs. Here the
answers for all pairs of rests of both globs are put into tables, from the end: time is their
product. The answers are the library's own, also where it errs (`a` and `ab*`).
"""

from dataclasses import dataclass
from typing import Final

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.representation import Value

MAX_PAIRS: Final = 250_000
"""Tokens of one glob times those of the other: 0.3 s."""


@dataclass(slots=True)
class _Token:
    """What one place of a glob may be."""

    ranges: tuple[tuple[int, int], ...] | None
    """Code points, from and to; None: any (`.`)."""
    is_set: bool
    flag: str
    """`+`, `*` or nothing."""


def globs_match(a: Value, b: Value) -> bool:
    """`regex.globs_match(glob1, glob2)`."""
    left, right = _simplified(operands.string(a, 1)), _simplified(operands.string(b, 2))
    if len(left) * len(right) > MAX_PAIRS:
        raise RegoError("rego_range", f"globs of more than {MAX_PAIRS} pairs of places")
    trimmed = _trimmed(left, right)
    return trimmed is not None and _intersect(*trimmed)


def _match(a: _Token, b: _Token) -> bool:
    if a.ranges is None or b.ranges is None:
        return True
    return any(low <= high2 and low2 <= high for low, high in a.ranges for low2, high2 in b.ranges)


def _simplified(glob: str) -> list[_Token]:
    simple: list[_Token] = []
    for token in _Reader(glob).tokens():
        last = simple[-1] if simple else None
        if (
            last
            and last.flag
            and token.flag
            and (last.ranges, last.is_set) == (token.ranges, token.is_set)
        ):
            last.flag = "+" if "+" in (last.flag, token.flag) else "*"
        else:
            simple.append(token)
    return simple


def _trimmed(a: list[_Token], b: list[_Token]) -> tuple[list[_Token], list[_Token]] | None:
    """Without equal beginnings and ends (but one place of each); None: these do not match."""
    left = 0
    while left < len(a) and left < len(b) and not a[left].flag and not b[left].flag:
        if not _match(a[left], b[left]):
            return None
        left += 1
    left = max(left - 1, 0)
    end_a, end_b = len(a) - 1, len(b) - 1
    while min(end_a, end_b) >= left and not a[end_a].flag and not b[end_b].flag:
        if not _match(a[end_a], b[end_b]):
            return None
        end_a, end_b = end_a - 1, end_b - 1
    if end_a < len(a) - 1:
        end_a, end_b = end_a + 1, end_b + 1
    return a[left : end_a + 1], b[left : end_b + 1]


def _intersect(a: list[_Token], b: list[_Token]) -> bool:
    """The library's `intersectNormal`, whose answer may depend on which glob comes first."""
    rows, columns = len(a), len(b)
    ends = [[i == rows and j == columns for j in range(columns + 1)] for i in range(rows + 1)]
    a_first, b_first = ends, [row.copy() for row in ends]
    a_star = [[i + 1 == rows] * (columns + 1) for i in range(rows + 1)]
    b_star = [[j + 1 == columns for j in range(columns + 1)] for _ in range(rows + 1)]
    for i in reversed(range(rows)):
        x, after_x = a[i], a[i + 1] if i + 1 < rows else None
        for j in reversed(range(columns)):
            y, after_y = b[j], b[j + 1] if j + 1 < columns else None
            both = _match(x, y)
            a_star[i][j] = (after_x is not None and _match(y, after_x) and a_first[i + 1][j]) or (
                both and a_star[i][j + 1]
            )
            b_star[i][j] = (after_y is not None and _match(x, after_y) and b_first[i][j + 1]) or (
                both and b_star[i + 1][j]
            )
            if not x.flag and not y.flag:
                a_first[i][j] = both and a_first[i + 1][j + 1]
                b_first[i][j] = both and b_first[i + 1][j + 1]
                continue
            by_a = a_star[i][j]
            if x.flag == "+":
                by_a = both and (a_star[i][j + 1] or (bool(y.flag) and a_first[i + 1][j]))
            by_b = b_star[i][j]
            if y.flag == "+":
                by_b = both and (b_star[i + 1][j] or (bool(x.flag) and b_first[i][j + 1]))
            a_first[i][j] = by_a if x.flag else by_b
            b_first[i][j] = by_b if y.flag else by_a
    return a_first[0][0]


class _Reader:
    """Reads a glob: characters, `.`, `[a-z]`, each with `+` or `*` behind it or not."""

    def __init__(self, glob: str) -> None:
        self.glob = glob
        self.at = 0

    def tokens(self) -> list[_Token]:
        """All of it."""
        found: list[_Token] = []
        while self.at < len(self.glob):
            char, escaped = self.next()
            if escaped or char not in ".[]+*":
                token = _Token(((ord(char), ord(char)),), False, "")
            elif char == ".":
                token = _Token(None, False, "")
            elif char == "[":
                token = _Token(self.members(), True, "")
            elif char == "]":
                raise self.invalid("set-close ']' with no preceding '['")
            else:
                raise self.invalid(f"flag '{char}' must be preceded by a non-flag")
            if self.glob.startswith(("+", "*"), self.at):
                token.flag = self.glob[self.at]
                self.at += 1
            found.append(token)
        return found

    def next(self) -> tuple[str, bool]:
        """The next character, and whether a backslash stood before it."""
        char = self.glob[self.at]
        if char != "\\":
            self.at += 1
            return char, False
        if self.at == len(self.glob) - 1:
            raise self.invalid("input ends with a \\ (escape) character")
        self.at += 2
        return self.glob[self.at - 1], True

    def members(self) -> tuple[tuple[int, int], ...]:
        """The inside of `[...]`, as ranges in order that do not touch."""
        ranges: list[tuple[int, int]] = []
        previous = ""
        while self.at < len(self.glob):
            char, escaped = self.next()
            if escaped or char not in "-]":
                ranges.append((ord(char), ord(char)))
                previous = char
            elif char == "]":
                return _merged(ranges)
            else:
                ranges.append(self.range_from(previous))
                previous = ""
        raise self.invalid("found [ without matching ]")

    def range_from(self, previous: str) -> tuple[int, int]:
        """The range whose `-` was just read."""
        if not previous:
            raise self.invalid("range character '-' must be preceded by a Unicode character")
        if self.at >= len(self.glob) - 1:
            raise self.invalid("range character '-' must be followed by a Unicode character")
        char, escaped = self.next()
        if not escaped and char in "]-":
            raise self.invalid("range character '-' cannot be followed by a special symbol")
        if char < previous:
            raise self.invalid(
                f"range is out of order: '{char}' comes before '{previous}' in Unicode"
            )
        return ord(previous), ord(char)

    def invalid(self, message: str) -> BuiltinError:
        """OPA's error."""
        return BuiltinError(
            f"input:{self.glob}, pos:{self.at}, {message}: the input provided is invalid"
        )


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)
