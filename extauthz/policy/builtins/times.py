"""Time (v1/topdown/time.go): nanoseconds since 1970, in the range of 64 bits."""

import re
import zoneinfo
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import tzinfo as TimeZone  # noqa: N812
from decimal import Decimal
from typing import Any, Final

from extauthz.policy.builtins import go_layouts, operands
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.translator.runtime import NOW
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value, is_number

_SECOND: Final = 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:(Z)|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_DURATION: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_SEGMENT: Final = re.compile(r"([0-9.]+)(ms|us|µs|ns|[a-z])")
_SEGMENTS: Final = re.compile(rf"[-+]?(?:{_SEGMENT.pattern})+")
_HOURS: Final = {"d": 24, "w": 7 * 24, "y": 365 * 24}
_UNITS: Final = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000,
    "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND,
}  # fmt: skip


def now_ns(memo: dict[Any, Any]) -> int:
    """`time.now_ns()`: one moment for a whole evaluation."""
    now: int = memo[NOW]
    return now


def _in_range(nanoseconds: int) -> int:
    if not -(2**63) <= nanoseconds < 2**63:
        raise BuiltinError("time outside of valid range")
    return nanoseconds


def _zone(name: str) -> TimeZone:
    if name in ("", "UTC"):
        return UTC
    if name == "Local":
        raise RegoError("rego_builtin", "the time zone Local is not supported: name a real one")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise BuiltinError(f"unknown time zone {name}") from None


def _moment(value: Value) -> tuple[int, TimeZone]:
    """A time operand: nanoseconds, or `[nanoseconds, zone]`."""
    zone: TimeZone = UTC
    if type(value) is list and value:
        if len(value) > 1:
            operands.number(value[0], 1)
            zone = _zone(operands.string(value[1], 1))
        if len(value) > 2:
            operands.string(value[2], 1)
        value = value[0]
        operands.number(value, 1)
    if not is_number(value):
        raise operands.wrong_type(1, value, "either number (ns) or [number (ns), string (tz)]")
    exact = numbers.to_float(value)
    if exact.denominator != 1 or not -(2**63) <= exact < 2**63:
        raise BuiltinError("timestamp too big")
    return int(exact), zone


def _local(value: Value) -> datetime:
    nanoseconds, zone = _moment(value)
    return _at(nanoseconds // _SECOND, zone)


def _at(seconds: int, zone: TimeZone) -> datetime:
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)


def parse_ns(layout: Value, text: Value) -> int:
    """`time.parse_ns(layout, text)`."""
    shape, source = operands.string(layout, 1), operands.string(text, 2)
    seconds, nanoseconds = go_layouts.read(go_layouts.NAMED.get(shape, shape), source)
    return _in_range(seconds * _SECOND + nanoseconds)


def format_(value: Value) -> str:
    """`time.format(time)`: of `[nanoseconds, zone, layout]`, or as RFC 3339."""
    nanoseconds, zone = _moment(value)
    layout = value[2] if type(value) is list and len(value) > 2 else ""
    layout = go_layouts.NAMED.get(layout or "RFC3339Nano", layout)
    return go_layouts.write(_at(nanoseconds // _SECOND, zone), nanoseconds % _SECOND, layout)


def date_(value: Value) -> list[int]:
    """`time.date(time)`."""
    moment = _local(value)
    return [moment.year, moment.month, moment.day]


def clock(value: Value) -> list[int]:
    """`time.clock(time)`."""
    moment = _local(value)
    return [moment.hour, moment.minute, moment.second]


def weekday(value: Value) -> str:
    """`time.weekday(time)`."""
    return _WEEKDAYS[_local(value).weekday()]


def add_date(value: Value, years: Value, months: Value, days: Value) -> int:
    """`time.add_date(time, years, months, days)`; the 31st of a short month is in the next."""
    nanoseconds, zone = _moment(value)
    added = [operands.machine_integer(v, i) for i, v in enumerate((years, months, days), 2)]
    moment = _at(nanoseconds // _SECOND, zone)
    month = moment.month - 1 + added[1]
    try:
        first = date(moment.year + added[0] + month // 12, month % 12 + 1, 1)
        day = first + timedelta(days=moment.day - 1 + added[2])
    except (OverflowError, ValueError):
        raise BuiltinError("time outside of valid range") from None
    wall = datetime(day.year, day.month, day.day, moment.hour, moment.minute, moment.second, 0, UTC)
    seconds = int((wall - _EPOCH).total_seconds())
    return _in_range(_from_wall(seconds, zone) * _SECOND + nanoseconds % _SECOND)


def _from_wall(seconds: int, zone: TimeZone) -> int:
    """The moment at which the clocks of `zone` show `seconds`, as Go's `time.Date` chooses it."""
    try:
        offset = _offset(seconds, zone)
        if offset and _offset(seconds - offset, zone) != offset:
            offset = _offset(seconds - offset, zone)
    except (OverflowError, ValueError):
        raise BuiltinError("time outside of valid range") from None
    return seconds - offset


def _offset(seconds: int, zone: TimeZone) -> int:
    return int((_at(seconds, zone).utcoffset() or timedelta()).total_seconds())


def diff(a: Value, b: Value) -> list[int]:
    """`time.diff(a, b)`: years, months, days, hours, minutes, seconds."""
    (first, zone), (second, _) = _moment(a), _moment(b)
    early, late = (_at(ns // _SECOND, zone) for ns in sorted((first, second)))
    parts = [
        late.year - early.year,
        late.month - early.month,
        late.day - early.day,
        late.hour - early.hour,
        late.minute - early.minute,
        late.second - early.second,
    ]
    next_month = (date(early.year, early.month, 1) + timedelta(days=32)).replace(day=1)
    days = (next_month - date(early.year, early.month, 1)).days
    for index, size in ((5, 60), (4, 60), (3, 24), (2, days), (1, 12)):
        if parts[index] < 0:
            parts[index] += size
            parts[index - 1] -= 1
    return parts


def parse_rfc3339_ns(text: Value) -> int:
    """`time.parse_rfc3339_ns(text)`."""
    source = operands.string(text, 1)
    match = _RFC3339.fullmatch(source)
    if match is None:
        raise BuiltinError(f'parsing time "{source}": not RFC 3339')
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    offset = 0
    if match[8] is None:
        hours, minutes = int(match[10]), int(match[11])
        if hours > 24 or minutes > 60:
            raise BuiltinError(f'parsing time "{source}": time zone offset out of range')
        offset = (hours * 60 + minutes) * (-60 if match[9] == "-" else 60)
    fraction = int((match[7] or "0")[:9].ljust(9, "0"))
    if year == 0:
        raise BuiltinError("time outside of valid range")
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)  # noqa: UP017
    except ValueError as error:
        raise BuiltinError(f'parsing time "{source}": {error}') from None
    seconds = int((moment - _EPOCH).total_seconds()) - offset
    return _in_range(seconds * _SECOND + fraction)


def parse_duration_ns(text: Value) -> int:
    """`time.parse_duration_ns(text)`: Go's durations (`1h30m`), and the units d, w and y."""
    source = operands.string(text, 1)
    if not any(unit in source for unit in "dwy"):
        return _duration(source, source)
    sign, body = source[: source[:1] in ("-", "+")], source.lstrip("-+")
    if not _SEGMENTS.fullmatch(source):
        raise BuiltinError(f'time: invalid duration "{source}"')
    return _duration(sign + "".join(map(_in_hours, _SEGMENT.findall(body))), source)


def _in_hours(segment: tuple[str, str]) -> str:
    digits, unit = segment
    if unit not in _HOURS:
        return digits + unit
    try:
        hours = float(digits) * _HOURS[unit]
    except ValueError:
        return "?"
    return f"{Decimal(repr(hours)):f}h"


def _duration(text: str, source: str) -> int:
    """Go's `ParseDuration`; `source` is shown in errors."""
    sign = -1 if text.startswith("-") else 1
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0
    total = 0
    at = 0
    while match := _DURATION.match(body, at):
        amount, unit = match.groups()
        whole, _, rest = amount.partition(".")
        if len(whole) > 19:
            raise BuiltinError(f'time: invalid duration "{source}"')
        total += int(whole or "0") * _UNITS[unit] + _fraction(rest, _UNITS[unit])
        at = match.end()
    if at != len(body) or not body or total >= 2**63 + (sign < 0):
        raise BuiltinError(f'time: invalid duration "{source}"')
    return sign * total


def _fraction(digits: str, unit: int) -> int:
    """The part of a unit after the point: in floats, as Go calculates it."""
    kept, scale = 0, 1.0
    for digit in digits[:19]:
        longer = kept * 10 + int(digit)
        if longer >= 2**63:
            break
        kept, scale = longer, scale * 10
    return int(kept * (unit / scale))
