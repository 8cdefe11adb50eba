"""Months of the calendar in domains of files."""

from datetime import UTC, datetime
from typing import Any

import pytest
from envoy.service.ratelimit.v3 import rls_pb2

from callout.config.problems import Rejected
from callout.testing.requests import rate_limit_request
from ratelimit.answers import Extras
from ratelimit.config import LimitsSection
from tests.ratelimit.world import World, built, code, policy

RULES = "domain: d\ndescriptors:\n  - {key: k, rate_limit: {unit: month, requests_per_unit: 2}}\n"
CALENDAR = LimitsSection(calendar=True)
MONTH = rls_pb2.RateLimitResponse.RateLimit.MONTH


def world(**options: Any) -> World:
    return World({"ratelimit/d.yaml": RULES}, section=CALENDAR, **options)


def at(made: World, *moment: int) -> None:
    year, month, day, *rest = moment
    made.clock.move(datetime(year, month, day, *rest, tzinfo=UTC).timestamp() - made.clock())


async def test_the_limit_is_whole_again_on_the_first_and_clients_are_told_when() -> None:
    made = world()
    at(made, 2028, 2, 29, 23, 59, 50)

    answers = [await made.ask("d", {"k": "x"}) for _ in range(3)]

    assert [code(each) for each in answers] == ["OK", "OK", "OVER_LIMIT"]
    assert answers[2].statuses[0].duration_until_reset.seconds == 10
    assert answers[2].statuses[0].current_limit.unit == MONTH
    at(made, 2028, 3, 1)
    assert code(await made.ask("d", {"k": "x"})) == "OK"
    at(made, 2028, 3, 31, 23, 59, 59)
    last = [code(await made.ask("d", {"k": "x"})) for _ in range(2)]
    assert last == ["OK", "OVER_LIMIT"]


async def test_a_limit_that_a_request_brings_is_by_the_calendar_too() -> None:
    made = world()
    at(made, 2027, 4, 30)
    request = rate_limit_request("d", {"k": "x"})
    request.descriptors[0].limit.requests_per_unit = 1
    request.descriptors[0].limit.unit = 5

    answers: list[Any] = [await made.asked(request) for _ in range(2)]

    assert [code(each) for each in answers] == ["OK", "OVER_LIMIT"]
    assert answers[1].statuses[0].duration_until_reset.seconds == 86_400


async def test_no_header_says_how_long_a_month_is() -> None:
    answer = await world(extras=Extras("ietf")).ask("d", {"k": "x"})

    headers = {each.key: each.value for each in answer.response_headers_to_add}
    assert headers["RateLimit-Policy"].endswith(";q=2")


def test_several_months_together_are_refused() -> None:
    several = RULES.replace("unit: month", "unit: month, unit_multiplier: 3")
    refused = built({"ratelimit/d.yaml": several}, CALENDAR)

    assert isinstance(refused, Rejected)
    assert "expected 1 beside a month of the calendar" in refused.problems[0].message
    assert refused.problems[0].line == 3


@pytest.mark.parametrize(("days", "expected"), [(29, "OVER_LIMIT"), (30, "OK")])
async def test_a_month_of_a_policy_is_30_days_all_the_same(days: int, expected: str) -> None:
    limits = policy("shop", "limits: [{name: all, rate: 1/month}]")
    made = World({"p.yaml": limits}, section=CALENDAR)
    made.clock.move(-made.clock() % (30 * 86_400))

    assert code(await made.visit()) == "OK"
    made.clock.move(days * 86_400)
    assert code(await made.visit()) == expected
