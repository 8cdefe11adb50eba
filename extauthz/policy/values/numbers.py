"""Exact numbers: `int`, and `Decimal` for what is written with a fraction or an exponent.

OPA keeps a number as the text that it was written as, compares exactly, and calculates with
integers exactly and otherwise in floats of a 64-bit mantissa (Go's `big.Float`). So do we.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

from extauthz.policy.errors import BuiltinError, RegoError

Number: TypeAlias = int | Decimal

MANTISSA_BITS: Final = 64
MAX_EXPONENT: Final = 30_000
"""OPA's bound is a binary exponent of 100,000; a number beyond it is refused, since arithmetic
on it takes time that grows with the exponent, which a request could choose."""
MAX_DIGITS: Final = 4_000
"""Python's `int()` refuses 4,300 digits; longer integers are kept as `Decimal`. And no number
with a larger exponent is calculated with: one step with 1e-29000 took 70 ms, with 1e-4000 1 ms."""

NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number as JSON writes it."""


class Written(Decimal):
    """A number whose text Python would write otherwise: `1e3`, `-0`."""

    text: str


def parse(text: str) -> Number:
    """The number that `text` (already checked to be one) says.

    Raises:
        BuiltinError: its exponent is beyond OPA's bound.
    """
    if len(text) < MAX_DIGITS:
        try:
            number = int(text)
        except ValueError:
            pass
        else:
            if number or text[0] != "-":
                return number
    mantissa, _, exponent = text.lower().partition("e")
    if exponent and (len(exponent) > 7 or abs(int(exponent)) + len(mantissa) > MAX_EXPONENT):
        raise BuiltinError("invalid number: number too big")
    exact = Decimal(text)
    if str(exact) == text:
        return exact
    written = Written(text)
    written.text = text
    return written


def number_text(number: Number) -> str:
    """`number` as OPA prints it: as it was written, or as Go prints the result."""
    if isinstance(number, Written):
        return number.text
    return str(number)


def is_integer_text(number: Number) -> bool:
    """Whether the number is written without fraction and exponent."""
    return type(number) is int or not any(mark in number_text(number) for mark in ".eE")


def as_int(number: Number) -> int | None:
    """The integer that `number` is, also when written `1.0` or `1e3`; None: it has a fraction."""
    if type(number) is int:
        return number
    exact = Fraction(bounded(number))
    return exact.numerator if exact.denominator == 1 else None


def as_index(number: Number) -> int | None:
    """A machine integer: 64 bits, written plainly or with only zeros after the point."""
    if type(number) is not int:
        if "e" in number_text(number).lower():
            return None
        whole = as_int(number)
        if whole is None or len(number_text(number).lstrip("-")) > 19:
            return None
        number = whole
    return number if -(2**63) <= number < 2**63 else None


def bounded(number: Number) -> Number:
    """`number`, if arithmetic on it takes bounded time.

    Raises:
        RegoError: it does not; evaluation stops (OPA would calculate, slowly).
    """
    if isinstance(number, Decimal) and (
        abs(number.adjusted()) > MAX_DIGITS or len(number.as_tuple().digits) > MAX_DIGITS
    ):
        raise RegoError("rego_number", "a number is too large to calculate with")
    if type(number) is int and number.bit_length() > 400_000:
        raise RegoError("rego_number", "a number is too large to calculate with")
    return number


def rounded(exact: Fraction, bits: int = MANTISSA_BITS) -> Fraction:
    """`exact`, rounded to a mantissa of `bits`, halves to even."""
    unit = _unit(abs(exact), bits) if exact else Fraction(1)
    return round(exact / unit) * unit


def _unit(value: Fraction, bits: int) -> Fraction:
    """What the last bit of a mantissa of `bits` is worth in a float near `value` (positive)."""
    shift = value.numerator.bit_length() - value.denominator.bit_length() - bits
    unit = Fraction(2) ** shift
    return unit * 2 if value >= unit * (1 << bits) else unit


def to_float(number: Number) -> Fraction:
    """`number` as Go's `big.Float` of 64 bits holds it."""
    return rounded(Fraction(bounded(number)))


def from_float(value: Fraction, bits: int = MANTISSA_BITS) -> Number:
    """The number that Go prints for a float: the shortest digits that mean it (`Text('g', -1)`).

    Args:
        value: fits a mantissa of `bits`.
        bits: the float's precision.
    """
    if not value:
        return 0
    digits, point = _shortest(abs(value), bits)
    sign = "-" if value < 0 else ""
    if value.denominator == 1:
        return parse(sign + digits.ljust(point, "0"))
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        rest = "." + digits[1:] if len(digits) > 1 else ""
        return parse(f"{sign}{digits[0]}{rest}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}")
    if point <= 0:
        return parse(f"{sign}0.{'0' * -point}{digits}")
    return parse(f"{sign}{digits[:point]}.{digits[point:]}")


def _shortest(value: Fraction, bits: int) -> tuple[str, int]:
    """Go's `roundShortest` (math/big/ftoa.go), digit by digit: the result must be Go's own.

    Returns:
        The digits, and how many of them stand before the point (may be negative).
    """
    unit = _unit(value, bits)
    if value / unit < 1 << (bits - 1):
        unit /= 2
    digits, point = _decimal(value)
    low, _ = _decimal(value - unit / 2)
    high, _ = _decimal(value + unit / 2)
    inclusive = int(value / unit) % 2 == 0
    for index, digit in enumerate(digits):
        low_digit = low[index] if index < len(low) else "0"
        high_digit = high[index] if index < len(high) else "0"
        down = low_digit != digit or (inclusive and index + 1 == len(low))
        up = digit != high_digit and (
            inclusive or int(digit) + 1 < int(high_digit) or index + 1 < len(high)
        )
        if down or up:
            cut = index + 1
            if down and up:
                up = _nearer_above(digits, cut)
            return _cut(digits, point, cut, up)
    return digits, point


def _decimal(value: Fraction) -> tuple[str, int]:
    """The exact digits of a binary fraction, without zeros at the ends, and its point."""
    places = value.denominator.bit_length() - 1
    if places > MAX_DIGITS or value.numerator.bit_length() > 3 * MAX_DIGITS:
        raise RegoError("rego_number", "a number is too large to calculate with")
    text = str(value.numerator * 5**places)
    return text.rstrip("0"), len(text) - places


def _nearer_above(digits: str, cut: int) -> bool:
    if cut >= len(digits):
        return False
    if digits[cut:] == "5":
        return int(digits[cut - 1]) % 2 == 1
    return digits[cut] >= "5"


def _cut(digits: str, point: int, cut: int, up: bool) -> tuple[str, int]:
    if cut >= len(digits):
        return digits, point
    kept = digits[:cut]
    if up:
        raised = str(int(kept) + 1)
        return raised.rstrip("0"), point + len(raised) - len(kept)
    return kept.rstrip("0"), point
