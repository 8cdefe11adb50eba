"""@eq, @ge, @gt, @le and @lt."""

import operator
import re
from collections.abc import Callable
from typing import Final

from waf.operators.contract import Captures, Surroundings, Test

_NUMBER: Final = re.compile(rb"[ \t-\r]*([+-]?)0*([0-9]{1,19})")
_LONGEST: Final = 18
"""Decimal digits that fit in 64 bits whatever they are."""


def number(text: bytes) -> int:
    """Read the number at the beginning as `atoll` of C does; without one it is 0.

    Beyond 64 bits it is 10 to the 18th, as huge for every comparison.
    """
    if len(text) <= _LONGEST and text.isdigit():
        return int(text)
    match = _NUMBER.match(text)
    if match is None:
        return 0
    size = min(int(match[2]), 10**_LONGEST)
    return -size if match[1] == b"-" else size


def _comparing(compare: Callable[[int, int], bool], argument: bytes) -> Test:
    other = number(argument)

    def test(value: bytes) -> Captures | None:
        return (value,) if compare(number(value), other) else None

    return test


def eq(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values whose number is that of the argument.

    Argument: a decimal number; what is none is 0, in the value too.
    Returns: the value. 0.3 us.
    Example: `&REQUEST_HEADERS:Host "@eq 0"`.
    Differences: for ModSecurity 3 a number beyond 64 bits is 0; here it is huge, for @ge and the
    others too.
    """
    return _comparing(operator.eq, argument)


def ge(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values whose number is at least that of the argument.

    Argument: as of @eq.
    Returns: the value. 0.3 us.
    Example: `TX:BLOCKING_INBOUND_ANOMALY_SCORE "@ge 5"`.
    Differences: none.
    """
    return _comparing(operator.ge, argument)


def gt(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values whose number is greater than that of the argument.

    Argument: as of @eq.
    Returns: the value. 0.3 us.
    Example: `ARGS_COMBINED_SIZE "@gt 64000"`.
    Differences: none.
    """
    return _comparing(operator.gt, argument)


def le(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values whose number is at most that of the argument.

    Argument: as of @eq.
    Returns: the value. 0.3 us.
    Example: `TX:PARANOIA "@le 2"`.
    Differences: none.
    """
    return _comparing(operator.le, argument)


def lt(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values whose number is less than that of the argument.

    Argument: as of @eq.
    Returns: the value. 0.3 us.
    Example: `TX:DETECTION_PARANOIA_LEVEL "@lt 2"`.
    Differences: none.
    """
    return _comparing(operator.lt, argument)
