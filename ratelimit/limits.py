"""How many in how long: units, limits, and the windows that hits are counted in."""

import re
import time
from calendar import timegm
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MOST_REQUESTS = 2**32 - 1
"""`requests_per_unit` is a uint32 in Envoy's API."""


class Unit(NamedTuple):
    """A length of time that a limit is given for."""

    name: str
    seconds: int
    """0: a month of the calendar, as long as it is."""


SECOND = Unit("second", 1)
MINUTE = Unit("minute", 60)
HOUR = Unit("hour", 3600)
DAY = Unit("day", 86400)
WEEK = Unit("week", 7 * 86400)
MONTH = Unit("month", 30 * 86400)
YEAR = Unit("year", 365 * 86400)
CALENDAR_MONTH = Unit("month", 0)
"""Of UTC, in place of `MONTH`: envoyproxy/ratelimit's USE_CALENDAR_MONTH_RATE_LIMIT."""

UNITS = {unit.name: unit for unit in (SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, YEAR)}
"""By the names that envoyproxy/ratelimit's files use, in lower case."""

SHORT_UNITS = UNITS | {"s": SECOND, "sec": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
"""By the names that a policy's `rate` may use."""


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """So many requests in each window. Compared by identity: it is made once, at load."""

    requests: int
    """0 to 2^32-1; 0 refuses every hit."""
    unit: Unit
    name: str = ""
    """What the operator calls it; told to clients where Envoy is configured to."""


class InvalidRate(NamedTuple):
    """Not a rate; `expected` says what one looks like."""

    expected: str


_RATE = re.compile(r"([0-9]{1,10})/(?:([0-9]{1,9}) ?)?([a-z]+)")
_EXPECTED = (
    "N/UNIT or N/M UNIT, as 100/min or 100/5min, with N from 0 to 4294967295, "
    "M UNIT no longer than a year, and UNIT one of "
) + ", ".join(sorted(SHORT_UNITS, key=lambda name: (SHORT_UNITS[name].seconds, len(name))))
_BY_LENGTH = {unit.seconds: unit for unit in UNITS.values()}


def rate(text: str, name: str = "") -> Limit | InvalidRate:
    """Read `100/min`, `100/5min` or `10/30 s`.

    What is as long as a unit is that unit, `60s` a minute: clients are told so by Envoy, whose
    messages have no word for other lengths.
    """
    found = _RATE.fullmatch(text)
    if found is None or int(found[1]) > MOST_REQUESTS or found[3] not in SHORT_UNITS:
        return InvalidRate(_EXPECTED)
    unit = SHORT_UNITS[found[3]]
    times = int(found[2] or 1)
    seconds = times * unit.seconds
    if not 1 <= seconds <= YEAR.seconds:
        return InvalidRate(_EXPECTED)
    window = _BY_LENGTH.get(seconds) or Unit(f"{times} {unit.name}s", seconds)
    return Limit(int(found[1]), window, name)


def window(now: float, seconds: int) -> tuple[int, int]:
    """The fixed window that `now` is in: its start and its end, in seconds since the epoch.

    Windows are aligned to the Unix epoch, as envoyproxy/ratelimit's are: weeks start on a
    Thursday, months are 30 days, years 365. Only where `seconds` is 0, it is the calendar's month.
    """
    if not seconds:
        return _month(int(now) // 86_400)
    start = int(now) // seconds * seconds
    return start, start + seconds


@lru_cache(64)
def _month(day: int) -> tuple[int, int]:
    """The month that this day since the epoch is in: 0.06 us, where making it takes 1.5."""
    year, month, *_ = time.gmtime(day * 86_400)
    start = timegm((year, month, 1, 0, 0, 0))
    return start, timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0))
