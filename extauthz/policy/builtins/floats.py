"""Numbers as Go writes floats."""

from decimal import Decimal


def json_float(value: float) -> str:
    """A float as `encoding/json` writes it."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return repr(value).replace("e-0", "e-")


def shortest(value: Decimal) -> str:
    """A number as `FormatFloat(value, 'g', -1)` writes it, if these are the shortest digits."""
    sign, digits, exponent = value.normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101
    point = len(digits) + exponent - 1
    if value and not -4 <= point < 6:
        first, *others = map(str, digits)
        rest = "." + "".join(others) if others else ""
        return f"{'-' * sign}{first}{rest}e{'-' if point < 0 else '+'}{abs(point):02d}"
    return format(value.normalize(), "f")
