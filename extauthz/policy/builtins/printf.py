"""`sprintf`, as Go's `fmt` does it (fmt/print.go, fmt/format.go) for OPA's operands.

OPA hands over strings, integers of 64 bits, larger ones, floats of 64 bits, and all other values
as text. What is rare and not done here stops the evaluation instead of giving another text.
"""

import re
from typing import Final

from extauthz.policy.builtins import operands
from extauthz.policy.errors import RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value, is_number
from extauthz.policy.values.text import go_bytes, quoted, term

MAX_WIDTH: Final = 1_000_000
"""Go's own bound of a width or precision."""

_VERB: Final = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\d+)?(?P<dot>\.(?P<precision>\d+)?)?(?P<verb>.)?", re.DOTALL
)
_Argument = str | int | float


class _Big(int):
    """An integer that Go holds as a `*big.Int`."""


_EXPONENT: Final = 6

_GO_TYPES: Final = {str: "string", int: "int64", float: "float64", _Big: "*big.Int"}


def sprintf(layout: Value, values: Value) -> str:
    """`sprintf(layout, values)`."""
    source = operands.string(layout, 1)
    arguments = [_argument(value) for value in operands.array(values, 2)]
    result: list[str] = []
    at = used = 0
    for match in _VERB.finditer(source):
        if match.start() < at:
            continue
        result.append(source[at : match.start()])
        at = match.end()
        verb = match["verb"]
        if verb is None and not match["dot"]:
            result.append("%!(NOVERB)")
        elif verb is None or verb in "[*":
            raise _unsupported("argument indexes, `*` and a point at the end")
        elif verb == "%":
            result.append("%")
        elif used >= len(arguments):
            result.append(f"%!{verb}(MISSING)")
        else:
            result.append(_Verb(match).text(arguments[used]))
            used += 1
    result.append(source[at:])
    if used < len(arguments):
        extra = ", ".join(f"{_GO_TYPES[type(a)]}={_plain(a)}" for a in arguments[used:])
        result.append(f"%!(EXTRA {extra})")
    return "".join(result)


def _unsupported(what: str) -> RegoError:
    return RegoError("rego_builtin", f"sprintf: {what} in a format are not supported")


def _argument(value: Value) -> _Argument:
    if not is_number(value):
        return value if type(value) is str else term(value)
    text = numbers.number_text(value)
    if not numbers.is_integer_text(value):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    whole = int(text)
    return whole if -(2**63) <= whole < 2**63 else _Big(whole)


def _plain(argument: _Argument) -> str:
    if isinstance(argument, float):
        return _shortest(argument)
    return argument if isinstance(argument, str) else str(int(argument))


def _shortest(number: float) -> str:
    """Go's `%g`: the shortest digits; with an exponent below 1e-4 and from 1e6 on."""
    sign, digits, exponent = _digits(number)
    if exponent < -4 or exponent >= _EXPONENT:
        return sign + _scientific(digits, exponent)
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits.ljust(exponent + 1, "0")
    rest = whole[exponent + 1 :]
    return sign + whole[: exponent + 1] + ("." + rest if rest else "")


def _digits(number: float) -> tuple[str, str, int]:
    mantissa, _, exponent = f"{number!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, rest = mantissa.lstrip("-").partition(".")
    digits = (whole + rest).lstrip("0")
    if not digits.strip("0"):
        return sign, "0", 0
    point = len(whole) if whole.strip("0") else -(len(rest) - len(rest.lstrip("0")))
    return sign, digits.rstrip("0"), point - 1 + int(exponent or "0")


def _scientific(digits: str, exponent: int) -> str:
    rest = "." + digits[1:] if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


class _Verb:
    """One `%` directive."""

    def __init__(self, match: re.Match[str]) -> None:
        flags = match["flags"]
        self.verb = match["verb"]
        self.minus = "-" in flags
        self.plus = "+" in flags
        self.sharp, self.space = "#" in flags, " " in flags
        self.zero = "0" in flags and not self.minus
        self.width = int(match["width"] or 0)
        self.has_width = match["width"] is not None
        self.precision = int(match["precision"] or 0) if match["dot"] else None
        if max(self.width, self.precision or 0) > MAX_WIDTH:
            raise _unsupported("widths beyond a million")

    def text(self, argument: _Argument) -> str:
        if self.verb == "T":
            return self.pad(_GO_TYPES[type(argument)])
        if self.verb == "p":
            return self.bad(argument)
        if isinstance(argument, str):
            return self.string(argument)
        if isinstance(argument, float):
            return self.float(argument)
        return self.integer(argument)

    def bad(self, argument: _Argument) -> str:
        """Go's complaint about a verb that does not fit."""
        if self.has_width or self.precision is not None or self.plus or self.sharp or self.space:
            raise _unsupported("flags of a verb that does not fit its operand")
        kind = "big.Int" if isinstance(argument, _Big) else _GO_TYPES[type(argument)]
        return f"%!{self.verb}({kind}={_plain(argument)})"

    def pad(self, text: str, zeros: bool = False) -> str:
        if self.minus:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if zeros else " ")

    def string(self, text: str) -> str:
        cut = text if self.precision is None else text[: self.precision]
        if self.verb in "sv":
            if self.sharp and self.verb == "v":
                cut = quoted(cut)
            return self.pad(cut, self.zero)
        if self.verb == "q":
            if self.sharp or self.plus:
                raise _unsupported("`%#q` and `%+q`")
            return self.pad(quoted(cut), self.zero)
        if self.verb in "xX":
            if self.sharp or self.space:
                raise _unsupported("`%#x` and `% x` of strings")
            data = go_bytes(text)
            data = data if self.precision is None else data[: self.precision]
            encoded = data.hex()
            return self.pad(encoded.upper() if self.verb == "X" else encoded, self.zero)
        return self.bad(text)

    def integer(self, number: int) -> str:
        is_big = isinstance(number, _Big)
        if self.verb in "vd" or (is_big and self.verb == "s"):
            digits = str(abs(int(number)))
        elif self.verb in "boxXO":
            digits = format(abs(int(number)), self.verb.lower() if self.verb == "O" else self.verb)
        elif self.verb in "cqU" and not is_big:
            if not 0 <= number <= 0x10FFFF or 0xD800 <= number < 0xE000 or self.verb != "c":
                raise _unsupported("`%q` and `%U` of numbers, and characters that are none,")
            return self.pad(chr(number), self.zero)
        else:
            return self.bad(number)
        prefix = ""
        if (self.sharp and self.verb != "v") or self.verb == "O":
            if is_big or self.precision is not None:
                raise _unsupported("`#` with a precision")
            prefix = {"x": "0x", "X": "0X", "b": "0b", "o": "0", "O": "0o"}.get(self.verb, "")
        plus = self.plus and (is_big or self.verb != "v")
        sign = "-" if number < 0 else "+" if plus else " " if self.space else ""
        if self.precision is not None:
            if self.precision == 0 and number == 0:
                return self.pad("")
            digits = digits.rjust(self.precision, "0")
        elif self.zero and self.has_width:
            if prefix:
                raise _unsupported("`#` with zeros")
            digits = digits.rjust(self.width - len(sign), "0")
        return self.pad(sign + prefix + digits)

    def float(self, number: float) -> str:
        if (self.sharp and self.verb != "v") or self.verb in "bxX":
            raise _unsupported("`%b`, `%x` and `#` of fractions")
        precision = self.precision
        size = abs(number)
        if self.verb in "vgG":
            if precision is None:
                digits = _shortest(size)
            else:
                digits = f"{size:.{precision or 1}g}"
        elif self.verb in "fFeE":
            kind = "f" if self.verb in "fF" else "e"
            digits = f"{size:.{6 if precision is None else precision}{kind}}"
        else:
            return self.bad(number)
        if self.verb in "GE":
            digits = digits.upper()
        negative = f"{number!r}".startswith("-")
        plus = self.plus and self.verb != "v"
        sign = "-" if negative else "+" if plus else " " if self.space else ""
        if self.zero and self.has_width:
            digits = digits.rjust(self.width - len(sign), "0")
        return self.pad(sign + digits)
