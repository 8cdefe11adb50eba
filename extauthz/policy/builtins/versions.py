"""Semantic versions and quantities with units (internal/semver, parse_units.go, parse_bytes.go)."""

import re
from decimal import Decimal
from fractions import Fraction
from math import trunc
from typing import Final, NamedTuple

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.numbers import Number
from extauthz.policy.values.representation import Value

_VERSION: Final = re.compile(
    r"v?(?P<major>0|[1-9][0-9]*)\.(?P<minor>0|[1-9][0-9]*)\.(?P<patch>0|[1-9][0-9]*)"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


class _Version(NamedTuple):
    numbers: tuple[int, int, int]
    pre: str


def _parse(text: str) -> _Version | None:
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    pre = match["pre"] or ""
    if any(len(part) > 1 and part[0] == "0" and part.isdigit() for part in pre.split(".")):
        return None
    if any(len(match[name]) > 19 for name in ("major", "minor", "patch")):
        return None
    parts = (int(match["major"]), int(match["minor"]), int(match["patch"]))
    return _Version(parts, pre) if max(parts) < 2**63 else None


def semver_is_valid(version: Value) -> bool:
    """`semver.is_valid(version)`."""
    return type(version) is str and _parse(version) is not None


def semver_compare(a: Value, b: Value) -> int:
    """`semver.compare(a, b)`: -1, 0 or 1."""
    texts = operands.string(a, 1), operands.string(b, 2)
    versions = []
    for position, text in enumerate(texts, 1):
        version = _parse(text)
        if version is None:
            # OPA prints the operand as a term
            raise BuiltinError(f'operand {position}: string "{text}" is not a valid SemVer')
        versions.append(version)
    first, second = versions
    if first.numbers != second.numbers:
        return -1 if first.numbers < second.numbers else 1
    return _compare_pre(first.pre, second.pre)


def _compare_pre(a: str, b: str) -> int:
    if a == b or not a or not b:
        return 0 if a == b else (1 if not a else -1)
    left, right = a.split("."), b.split(".")
    for x, y in zip(left, right, strict=False):
        if x == y:
            continue
        if x.isdigit() and y.isdigit():
            if max(len(x), len(y)) > 18:
                raise RegoError("rego_number", "a number in a version is too large")
            return -1 if int(x) < int(y) else 1
        if x.isdigit() or y.isdigit():
            return -1 if x.isdigit() else 1
        return -1 if x < y else 1
    return (len(left) > len(right)) - (len(left) < len(right))


_SI: Final = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_EXPONENT: Final = re.compile(r"[eE](?=[0-9+-])[+-]?([0-9]*)")


def units_parse(amount: Value) -> Number:
    """`units.parse(amount)`: `10K`, `1Ki`, `200m` (a thousandth)."""
    text = operands.string(amount, 1).replace('"', "")
    number, unit = _quantity(text, "units.parse", "no amount provided", "exponent too large")
    scale = _unit_scale(unit)
    if scale is None:
        shown = unit[:1] + unit[1:].lower()
        raise BuiltinError(f"units.parse: unit {shown} not recognized")
    value = _exact(number)
    if value is None:
        raise BuiltinError("units.parse: could not parse amount to a number")
    exact = value * scale
    if exact.denominator == 1:
        return numbers.bounded(exact.numerator)
    scaled = abs(exact) * 10**10
    digits = str(trunc(scaled + Fraction(1, 2))).rjust(11, "0")
    return numbers.parse(f"{'-' if exact < 0 else ''}{digits[:-10]}.{digits[-10:]}")


def _unit_scale(unit: str) -> Fraction | None:
    if not unit:
        return Fraction(1)
    first, rest = unit[0], unit[1:].lower()
    if first == "m" and not rest:
        return Fraction(0.001)
    power = _SI.get(first.lower())
    if power is None or rest not in ("", "i"):
        return None
    return Fraction(1024**power if rest else 1000**power)


def units_parse_bytes(amount: Value) -> int:
    """`units.parse_bytes(amount)`: `10KB`, `1GiB`; in any case of letters."""
    text = operands.string(amount, 1).lower().replace('"', "")
    number, unit = _quantity(
        text, "units.parse_bytes", "no byte amount provided", "exponent too large"
    )
    match = re.fullmatch(r"([kmgtpe])(i?)b?", unit)
    if unit and match is None:
        raise BuiltinError(f"units.parse_bytes: byte unit {unit} not recognized")
    value = _exact(number)
    if value is None:
        raise BuiltinError("units.parse_bytes: could not parse byte amount to a number")
    scale = (1024 if match[2] else 1000) ** _SI[match[1]] if match else 1
    return int(numbers.bounded(trunc(numbers.rounded(numbers.rounded(value) * scale))))


def _quantity(text: str, name: str, missing: str, too_large: str) -> tuple[str, str]:
    """Split into number and unit (OPA's `extractNumAndUnit`)."""
    if " " in text:
        raise BuiltinError(f"{name}: spaces not allowed in resource strings")
    at = 0
    while at < len(text):
        char = text[at]
        if char in "eE":
            exponent = _EXPONENT.match(text, at)
            if exponent is None:
                break
            if len(exponent[1]) > 6:
                raise BuiltinError(f"{name}: {too_large}")
            at += 2 if text[at + 1] in "+-" else 1
        elif char in "+-." or (char.isascii() and char.isdigit()):
            at += 1
        else:
            break
    if not at:
        raise BuiltinError(f"{name}: {missing}")
    return text[:at], text[at:]


def _exact(number: str) -> Fraction | None:
    if not _NUMBER.fullmatch(number):
        return None
    return Fraction(numbers.bounded(Decimal(number)))
