"""Dynamic metadata of a request and of the rules that let it pass, and headers for the upstream."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from callout.testing.requests import rate_limit_request
from ratelimit.answers import Extras, Names
from ratelimit.rule_metadata import asked
from tests.ratelimit.world import World, code, policy

YEAR = "unit: year, requests_per_unit"
FILE = f"""
domain: shop
descriptors:
  - {{key: ann, rate_limit: {{{YEAR}: 1}}, metadata: {{a: 1, own: {{x: 1, y: [2]}}}}}}
  - {{key: bob, rate_limit: {{{YEAR}: 9}}, metadata: {{a: 2, own: {{x: 2, z: ~}}}}}}
  - {{key: dim, rate_limit: {{{YEAR}: 0}}, shadow_mode: true, metadata: {{d: true}}}}
  - {{key: cat, rate_limit: {{unlimited: true}}, metadata: {{c: 3}}}}
  - {{key: detail, detailed_metric: true, rate_limit: {{{YEAR}: 9}}, metadata: {{e: 1}}}}
"""
FILES = {"ratelimit/x.yaml": FILE, "own.yaml": policy("own", "limits: [{name: a, rate: 9/min}]")}


def world(**how: Any) -> World:
    return World(FILES, extras=Extras(rule_metadata=True, **how))


def told(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = MessageToDict(response.dynamic_metadata)
    return found


async def test_what_passes_is_told_with_the_metadata_of_its_rules() -> None:
    shop = world()

    first = await shop.ask("shop", {"ann": "1"}, {"bob": "1"})
    second = await shop.ask("shop", {"ann": "1"}, {"bob": "1"})

    descriptors = [{"entries": ["ann=1"]}, {"entries": ["bob=1"]}]
    assert told(first) == {
        "domain": "shop",
        "descriptors": descriptors,
        "metadata": {"a": 1, "own": {"x": 1, "y": [2], "z": None}},
    }
    assert code(second) == "OVER_LIMIT"
    assert told(second) == {
        "domain": "shop",
        "descriptors": descriptors,
        "metadata": {"a": 2, "own": {"x": 2, "z": None}},
    }


@pytest.mark.parametrize(
    ("key", "metadata"),
    [
        ("dim", {"d": True}),
        ("cat", None),
        ("detail", {"e": 1}),
        ("unknown", None),
    ],
)
async def test_a_limit_in_shadow_lets_pass_and_an_unlimited_rule_says_nothing(
    key: str, metadata: Any
) -> None:
    assert told(await world().ask("shop", {key: "1"})).get("metadata") == metadata


async def test_a_refusal_says_of_itself_too() -> None:
    shop = world(metadata=True)
    await shop.ask("shop", {"ann": "1"})

    found = told(await shop.ask("shop", {"ann": "1"}, hits=3))

    assert found == {
        "domain": "shop",
        "descriptors": [{"entries": ["ann=1"]}],
        "hitsAddend": 3,
        "policy": "shop",
        "limit": "1/year",
        "reason": "over_limit",
        "shadow": False,
    }


async def test_what_a_descriptor_brings_is_told() -> None:
    request = rate_limit_request("elsewhere", {"k": ""})
    request.descriptors[0].hits_addend.value = 2
    request.descriptors[0].limit.requests_per_unit = 7
    request.descriptors[0].limit.unit = 2

    found = told(await world().asked(request))

    assert found == {
        "domain": "elsewhere",
        "descriptors": [
            {"entries": ["k="], "limit": "requests_per_unit:7 unit:MINUTE", "hitsAddend": 2}
        ],
    }


async def test_descriptors_of_policies_are_not_told_again() -> None:
    """They have identities."""
    assert told(await world().visit(id="secret")) == {}


async def test_without_the_setting_nothing_is_told() -> None:
    shop = World(FILES)

    response = await shop.ask("shop", {"bob": "1"})

    assert not response.HasField("dynamic_metadata")


async def test_the_upstream_is_told_by_names_of_its_own_of_what_passes() -> None:
    shop = world(headers="draft-03", upstream=Names("x-limit", "x-remaining", "x-reset"))

    passed = await shop.ask("shop", {"ann": "1"})
    refused = await shop.ask("shop", {"ann": "1"})

    found = {each.key: each.value for each in passed.request_headers_to_add}
    assert found.keys() == {"x-limit", "x-remaining", "x-reset"}
    assert (found["x-limit"], found["x-remaining"]) == ("1", "0")
    assert {each.key for each in passed.response_headers_to_add} == set(Names())
    assert not refused.request_headers_to_add


@given(
    st.lists(st.dictionaries(st.text(), st.text(), max_size=3), min_size=1, max_size=3), st.text()
)
def test_every_request_can_be_told(descriptors: list[dict[str, str]], domain: str) -> None:
    request = rate_limit_request(domain, *descriptors, hits_addend=2**32 - 1)

    assert asked(request.SerializeToString())
