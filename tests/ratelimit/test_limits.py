from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.limits import (
    CALENDAR_MONTH,
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    UNITS,
    WEEK,
    YEAR,
    InvalidRate,
    Limit,
    Unit,
    rate,
    window,
)

RATES = {
    "1/s": (1, SECOND),
    "2/sec": (2, SECOND),
    "3/second": (3, SECOND),
    "100/min": (100, MINUTE),
    "100/minute": (100, MINUTE),
    "5/h": (5, HOUR),
    "5/hour": (5, HOUR),
    "6/d": (6, DAY),
    "6/day": (6, DAY),
    "7/week": (7, WEEK),
    "8/month": (8, MONTH),
    "9/year": (9, YEAR),
    "0/day": (0, DAY),
    "4294967295/s": (4294967295, SECOND),
    "100/5min": (100, Unit("5 minutes", 300)),
    "10/30s": (10, Unit("30 seconds", 30)),
    "10/30 s": (10, Unit("30 seconds", 30)),
    "10/365d": (10, YEAR),
    "10/60s": (10, MINUTE),
    "10/1h": (10, HOUR),
    "10/007day": (10, WEEK),
}

NO_RATES = [
    "",
    "100",
    "/min",
    "100/",
    "100/m",
    "100/Min",
    "100 / min",
    "-1/min",
    "1.5/min",
    "4294967296/s",
    "99999999999999999999/s",
    "١/min",
    "100/min\n",
    "100/minutes",
    "100/0s",
    "100/2year",
    "100/366d",
    "100/999999999s",
    "100/9999999999s",
    "100/-5min",
    "100/5  min",
    "100/ min",
    "100/5",
    "100/1.5min",
]


@pytest.mark.parametrize("text", RATES)
def test_a_rate_is_a_number_and_a_unit(text: str) -> None:
    read = rate(text, "mine")
    assert isinstance(read, Limit)
    assert (read.requests, read.unit, read.name) == (*RATES[text], "mine")


@pytest.mark.parametrize("text", NO_RATES)
def test_anything_else_is_no_rate(text: str) -> None:
    assert isinstance(rate(text), InvalidRate)


def test_units_are_as_long_as_envoyproxy_ratelimits() -> None:
    assert [unit.seconds for unit in UNITS.values()] == [
        1,
        60,
        3600,
        86_400,
        604_800,
        2_592_000,
        31_536_000,
    ]


@given(st.floats(0, 4e9), st.sampled_from(list(UNITS.values())))
def test_a_window_holds_its_moment_and_is_aligned_to_the_epoch(now: float, unit: Unit) -> None:
    start, end = window(now, unit.seconds)
    assert start <= now < end == start + unit.seconds
    assert start % unit.seconds == 0


@given(st.floats(0, 4e9))
def test_a_month_of_the_calendar_begins_and_ends_with_it_in_utc(now: float) -> None:
    start, end = (datetime.fromtimestamp(each, UTC) for each in window(now, CALENDAR_MONTH.seconds))
    moment = datetime.fromtimestamp(now, UTC)
    assert start == datetime(moment.year, moment.month, 1, tzinfo=UTC)
    assert end.day == 1
    assert timedelta(days=28) <= end - start <= timedelta(days=31)
    assert start <= moment < end


def test_february_of_a_leap_year_has_its_day() -> None:
    noon = datetime(2028, 2, 29, 12, tzinfo=UTC).timestamp()
    start, end = window(noon, 0)
    assert end - start == 29 * 86_400
