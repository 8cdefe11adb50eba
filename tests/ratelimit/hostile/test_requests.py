"""Whatever a ShouldRateLimit message says, the answer is one that the service chose."""

import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.grpc.call import Status
from callout.redis.client import Client, ClientOptions
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from ratelimit.config import LimitsSection
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.redis_store import RedisStore
from tests.ratelimit.world import World, code, policy

FILES = {
    "ratelimit/edge.yaml": """domain: edge
descriptors:
  - {key: user, rate_limit: {unit: minute, requests_per_unit: 5}}
  - {key: none, rate_limit: {unit: second, requests_per_unit: 0}}
  - {key: free, rate_limit: {unlimited: true}}
  - {key: dark, shadow_mode: true, rate_limit: {unit: hour, requests_per_unit: 1}}
  - {key: quota, quota_mode: true, rate_limit: {unit: day, requests_per_unit: 2}}
  - {key: path, value: /a*, rate_limit: {unit: second, requests_per_unit: 4294967295}}
  - key: tenant
    rate_limit: {name: tenants, unit: minute, unit_multiplier: 5, requests_per_unit: 3}
    descriptors:
      - {key: user, rate_limit: {unit: minute, requests_per_unit: 1, replaces: [{name: tenants}]}}
""",
    "own.yaml": policy(
        "own",
        "limits:\n"
        "  - {name: fixed, by: [address], rate: [5/s, 9/min]}\n"
        "  - {name: sliding, by: [address], rate: 5/min, algorithm: sliding-window}\n"
        "  - {name: log, by: [path], rate: 5/min, algorithm: sliding-log}\n"
        "  - {name: bucket, by: [host], rate: 5/min, algorithm: token-bucket, burst: 9}\n",
    ),
}
SLOWEST: float = 1.0
"""Seconds of processor time: four megabytes take 0.1."""

TEXT = st.sampled_from(
    [
        "",
        "a",
        "user",
        "tenant",
        "path",
        "/ab",
        "a_b",
        "\x00",
        "é",
        "{",
        "*",
        "%s",
        "\r\n",
        "x" * 5000,
    ]
) | st.text(max_size=20)
ENTRY = st.tuples(
    st.sampled_from(
        ["user", "none", "free", "dark", "quota", "path", "tenant", "host", "remote_address", "id"]
    )
    | TEXT,
    TEXT,
)
UINT32 = st.sampled_from([0, 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
UINT64 = st.sampled_from([0, 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]) | UINT32


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    request = rls_pb2.RateLimitRequest(
        domain=draw(st.sampled_from(["edge", "gatewright", "nobody's", ""])),
        hits_addend=draw(UINT32),
    )
    for entries in draw(st.lists(st.lists(ENTRY, max_size=6), max_size=6)):
        descriptor = request.descriptors.add()
        for key, value in entries:
            descriptor.entries.add(key=key, value=value)
        if draw(st.booleans()):
            descriptor.limit.unit = draw(st.integers(-1, 9) | st.just(2**31 - 1))
            descriptor.limit.requests_per_unit = draw(UINT32)
        if draw(st.booleans()):
            descriptor.hits_addend.value = draw(UINT64)
        if draw(st.integers(0, 3)) == 0:
            # is_negative_hits, which the generated classes need not know.
            descriptor.MergeFromString(b"\x20\x01")
    message: bytes = request.SerializeToString()
    return message


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Cut off, with a byte that is another, or with something of another kind in it."""
    message = draw(messages())
    place = draw(st.integers(0, len(message)))
    return (
        message[:place] + draw(st.binary(max_size=6)) + message[place + draw(st.integers(0, 9)) :]
    )


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        yield World(FILES, section=LimitsSection())
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.flush()
    client = Client(server.url, ClientOptions(timeout=30.0, longest=30.0))
    await client.start()
    yield World(FILES, RedisStore(client), states=RedisStates(client))
    await client.close()


def is_answer(answer: Any, message: bytes) -> bool:
    """One for each descriptor, or a refusal that is no bug of ours."""
    if isinstance(answer, Status):
        return code(answer) in ("INVALID_ARGUMENT", "UNAVAILABLE")
    asked = len(rls_pb2.RateLimitRequest.FromString(message).descriptors)
    return code(answer) in ("OK", "OVER_LIMIT") and len(answer.statuses) == asked


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(messages() | spoiled() | st.binary(max_size=60), min_size=1, max_size=4))
async def test_any_message_is_answered_by_a_value(
    world: World, caplog: pytest.LogCaptureFixture, given_: list[bytes]
) -> None:
    caplog.set_level(logging.WARNING)
    for message in given_:
        before = time.process_time()
        answer = await world.asked(message)
        assert time.process_time() - before < SLOWEST
        assert is_answer(answer, message), (message, answer)
        # A bug would have been answered with INTERNAL, and told so.
        assert world.seen.last.reason != "internal"
        # Hits that overflow Redis are above the limit, and nothing else about them is unavailable.
        assert world.seen.last.reason != "store_unavailable", message
    assert not caplog.records


LARGEST = {
    "as many descriptors as may be": (
        rate_limit_request("edge", *[{"user": f"u{n}"} for n in range(1000)]),
        "OK",
    ),
    "ten thousand": (
        rate_limit_request("edge", *[{"user": f"u{n}"} for n in range(10_000)]),
        "INVALID_ARGUMENT",
    ),
    "a value of four megabytes": (rate_limit_request("edge", {"user": "x" * 4_000_000}), "OK"),
    "two million empty ones": (b"\n\x04edge" + b"\x12\x00" * 2_000_000, "INVALID_ARGUMENT"),
    "a million unknown fields": (
        b"\n\x04edge" + b"\x12\x0b\n\t\n\x04user\x12\x01a" + b"\x98\x06\x01" * 1_000_000,
        "OK",
    ),
}


@pytest.mark.parametrize("name", LARGEST)
async def test_the_largest_messages_take_a_bounded_time(world: World, name: str) -> None:
    asked, expected = LARGEST[name]
    message = asked if isinstance(asked, bytes) else asked.SerializeToString()
    before = time.process_time()
    assert code(await world.asked(message)) == expected
    assert time.process_time() - before < SLOWEST
