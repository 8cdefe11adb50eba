"""SHADOW_MODE and QUOTA_MODE: ours beside the model."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ratelimit.er.stats import GLOBAL_SHADOW, ErStats
from ratelimit.modes import Modes
from tests.ratelimit.er.test_against_model import KEYS, VALUES, Conversation, descriptors
from tests.ratelimit.world import Away, World, code

RULES = {
    "ratelimit/x.yaml": json.dumps(
        {
            "domain": "d",
            "descriptors": [
                {"key": key, "rate_limit": {"unit": "year", "requests_per_unit": limit}}
                for key, limit in (("none", 0), ("one", 1))
            ]
            + [{"key": "all", "rate_limit": {"unlimited": True}}],
        }
    )
}


@pytest.mark.parametrize(
    "modes", [Modes(shadow=True), Modes(quota=True), Modes(shadow=True, quota=True)], ids=str
)
def test_every_request_is_answered_as_the_model_does(modes: Modes) -> None:
    over = 0

    @settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(descriptors(KEYS, VALUES), st.integers(0, 2**32))
    def conversation(written: list[dict[str, Any]], seed: int) -> None:
        nonlocal over
        counted = ErStats()
        between = Conversation(written, Random(seed), modes, counted)
        for _ in range(40):
            between.step()
        shadowed = between.model.stats.pop("global_shadow_mode", 0)
        assert dict(counted.counters())[GLOBAL_SHADOW] == shadowed
        between.same_statistics()
        over += shadowed

    conversation()
    assert bool(over) is modes.shadow


async def test_in_shadow_each_descriptor_is_told_to_be_over_and_the_request_passes() -> None:
    world = World(RULES, modes=Modes(shadow=True))

    response = await world.ask("d", {"none": "x"}, {"one": "x"})

    assert code(response) == "OK"
    assert [each.code for each in response.statuses] == [2, 1]
    assert not response.response_headers_to_add
    assert (world.seen.last.verdict, world.seen.last.shadow) == ("deny", True)


async def test_in_shadow_requests_pass_while_the_counters_are_away() -> None:
    world = World(RULES, Away(), modes=Modes(shadow=True))

    response = await world.ask("d", {"none": "x"})

    assert code(response) == "OK"
    assert response.dynamic_metadata["degraded"] is True


async def test_in_quota_mode_a_request_is_refused_when_all_its_limits_are_over() -> None:
    world = World(RULES, modes=Modes(quota=True))

    assert code(await world.ask("d", {"none": "x"})) == "OVER_LIMIT"
    assert code(await world.ask("d", {"none": "x"}, {"one": "x"})) == "OK"
    assert code(await world.ask("d", {"none": "x"}, {"one": "x"})) == "OVER_LIMIT"
    assert code(await world.ask("d", {"none": "x"}, {"all": "x"})) == "OVER_LIMIT"
    # Of a descriptor without a rule something is always left.
    assert code(await world.ask("d", {"none": "x"}, {"unknown": "x"})) == "OK"
