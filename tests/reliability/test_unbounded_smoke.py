"""A small run of `make unbounded`: every kind of request, both stores, what must not grow."""

import pytest

from callout.testing import tools
from tests.reliability import unbounded

NOT_YET_FULL = 250.0
"""Megabytes: of so few requests each half fills tables as the other does."""


@pytest.mark.timeout(300)
def test_clients_that_nobody_had_seen_leave_series_and_keys_bounded() -> None:
    tools.require("redis-server")
    memory, redis = unbounded.run(6_000)
    assert memory.wrong(NOT_YET_FULL) == []
    assert redis.wrong(NOT_YET_FULL) == []
    assert memory.requests >= 6_000
    assert memory.most_keys == 0
    assert redis.most_keys > 100, "Redis was counted in"


def test_what_is_more_than_its_bound_is_told() -> None:
    good = unbounded.Found("memory", 100, 100, 10.0, 5.0, 0, 0, 0)
    assert good.wrong() == []
    for name, value in (
        ("memory", 251.0),
        ("second_half", 26.0),
        ("series", 21),
        ("left_keys", 2),
        ("decided", 9),
    ):
        assert len(good._replace(**{name: value}).wrong()) == 1, name
