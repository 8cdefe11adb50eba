"""Calculation and bits (v1/topdown/arithmetic.go, bits.go, numbers.go).

Integers are exact; if a fraction is involved, OPA calculates in floats of 64 bits, and so do we.
"""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import trunc
from typing import Final

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, OperandError, RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.numbers import Number, as_int, bounded, from_float, rounded, to_float
from extauthz.policy.values.representation import RegoSet, Value, is_number

MAX_RANGE: Final = 1_000_000
"""Elements of `numbers.range`. OPA has no bound but the request's deadline."""
MAX_SHIFT: Final = 100_000
_SMALL: Final = range(-(2**31), 2**31)


def plus(a: Value, b: Value) -> Number:
    """`a + b`."""
    return _calculate(operands.number(a, 1), operands.number(b, 2), lambda x, y: x + y)


def multiply(a: Value, b: Value) -> Number:
    """`a * b`."""
    x, y = bounded(operands.number(a, 1)), bounded(operands.number(b, 2))
    product = _calculate(x, y, lambda left, right: left * right)
    if product == 0 and not (as_int(x) is not None and as_int(y) is not None):
        return zero(is_negative(x) != is_negative(y))
    return product


def minus(a: Value, b: Value) -> Value:
    """`a - b`, of numbers or of sets."""
    if is_number(a) and is_number(b):
        return _calculate(a, b, lambda x, y: x - y)
    if type(a) is RegoSet and type(b) is RegoSet:
        return RegoSet((key, value) for key, value in a.items() if key not in b)
    if not is_number(a) and type(a) is not RegoSet:
        raise operands.wrong_type(1, a, "number", "set")
    raise operands.wrong_type(2, b, "set" if is_number(b) else "number")


def divide(a: Value, b: Value) -> Number:
    """`a / b`."""
    x, y = bounded(operands.number(a, 1)), bounded(operands.number(b, 2))
    if y == 0:
        raise BuiltinError("divide by zero")
    if type(x) is int and type(y) is int and x and x in _SMALL and y in _SMALL and x % y == 0:
        return x // y
    if x == 0:
        return zero(is_negative(x) != is_negative(y))
    return from_float(rounded(to_float(x) / to_float(y)))


def remainder(a: Value, b: Value) -> Number:
    """`a % b`, with the sign of `a` as in Go."""
    x, y = as_int(operands.number(a, 1)), as_int(operands.number(b, 2))
    if x is None or y is None:
        raise BuiltinError("modulo on floating-point number")
    if y == 0:
        raise BuiltinError("modulo by zero")
    rest = abs(x) % abs(y)
    return -rest if x < 0 else rest


def absolute(a: Value) -> Number:
    """`abs(a)`."""
    x = operands.number(a, 1)
    return abs(x) if type(x) is int and x in _SMALL else from_float(abs(to_float(x)))


def round_(a: Value) -> Number:
    """`round(a)`: halves away from zero."""
    return _unary(a, lambda x: Fraction(trunc(rounded(x + (Fraction(1, 2) if x > 0 else -_HALF)))))


def ceil(a: Value) -> Number:
    """`ceil(a)`. Of a number between -1 and 0 it is 1, as OPA v1.22 says."""

    def up(x: Fraction) -> Fraction:
        whole = Fraction(trunc(x))
        return whole if whole < 0 or whole == x else whole + 1

    return _unary(a, up)


def floor(a: Value) -> Number:
    """`floor(a)`. Of a number between -1 and 0 it is 0, as OPA v1.22 says."""

    def down(x: Fraction) -> Fraction:
        whole = Fraction(trunc(x))
        return whole if whole >= 0 or whole == x else whole - 1

    return _unary(a, down)


_HALF: Final = Fraction(1, 2)


def _unary(a: Value, operation: Callable[[Fraction], Fraction]) -> Number:
    """An operation that gives a whole number."""
    x = operands.number(a, 1)
    if type(x) is int and x in _SMALL:
        return int(operation(Fraction(x)))
    whole = operation(to_float(x))
    # Go's SetInt takes as many bits as the integer has
    return from_float(whole, max(64, abs(whole.numerator).bit_length()))


def _calculate(a: Number, b: Number, operation: Callable[..., Fraction]) -> Number:
    x, y = as_int(a), as_int(b)
    if x is not None and y is not None:
        return bounded(int(operation(x, y)))
    return from_float(rounded(operation(to_float(a), to_float(b))))


def is_negative(number: Number) -> bool:
    """Whether it has a minus sign: `-0.0` has."""
    return number.is_signed() if isinstance(number, Decimal) else number < 0


def zero(negative: bool) -> Number:
    """A float's zero, which has a sign."""
    return numbers.parse("-0") if negative else 0


def bits_or(a: Value, b: Value) -> int:
    """`bits.or(a, b)`; the others likewise."""
    return operands.big_integer(a, 1) | operands.big_integer(b, 2)


def bits_and(a: Value, b: Value) -> int:
    """See `bits_or`."""
    return operands.big_integer(a, 1) & operands.big_integer(b, 2)


def bits_xor(a: Value, b: Value) -> int:
    """See `bits_or`."""
    return operands.big_integer(a, 1) ^ operands.big_integer(b, 2)


def bits_negate(a: Value) -> int:
    """See `bits_or`."""
    return ~operands.big_integer(a, 1)


def shift_left(a: Value, b: Value) -> int:
    """`bits.lsh(a, b)`."""
    x, shift = operands.big_integer(a, 1), _shift(b)
    if shift > MAX_SHIFT:
        raise RegoError("rego_number", f"bits.lsh by more than {MAX_SHIFT}")
    return x << shift


def shift_right(a: Value, b: Value) -> int:
    """`bits.rsh(a, b)`."""
    x, shift = operands.big_integer(a, 1), _shift(b)
    return x >> min(shift, x.bit_length() + 1)


def _shift(b: Value) -> int:
    shift = operands.big_integer(b, 2)
    if shift < 0:
        raise OperandError(
            "operand 2 must be an unsigned integer number but got a negative integer"
        )
    return shift


def numbers_range(a: Value, b: Value) -> list[int]:
    """`numbers.range(a, b)`: both ends included, down if `a` is the greater."""
    return _range(operands.big_integer(a, 1), operands.big_integer(b, 2), 1)


def numbers_range_step(a: Value, b: Value, step: Value) -> list[int]:
    """`numbers.range_step(a, b, step)`."""
    x, y, by = (operands.big_integer(v, i) for i, v in enumerate((a, b, step), 1))
    if by <= 0:
        raise BuiltinError("numbers.range_step: step must be a positive integer")
    return _range(x, y, by)


def _range(x: int, y: int, step: int) -> list[int]:
    found = range(x, y + 1, step) if x <= y else range(x, y - 1, -step)
    if abs(y - x) // step > MAX_RANGE:
        raise RegoError("rego_range", f"a range of more than {MAX_RANGE} numbers")
    return list(found)
