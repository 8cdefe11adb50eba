"""`POST /json`: what a body says, and what is answered."""

import json
from typing import Any

import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import given
from hypothesis import strategies as st

from callout.grpc.call import Code, Status
from ratelimit.envoy import MOST_DESCRIPTORS, MOST_ENTRIES
from ratelimit.er.json import MOST_BYTES, answer_of, message_of
from ratelimit.request import BadRequest
from tests.ratelimit.world import World

NAMES = (
    *("domain", "descriptors", "hitsAddend", "hits_addend", "entries", "key", "value", "limit"),
    *("requestsPerUnit", "unit", "isNegativeHits", "is_negative_hits", "@type"),
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("HOUR")
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=20,
)


def read(body: str) -> Any:
    message = message_of(body.encode())
    assert isinstance(message, bytes), message
    return rls_pb2.RateLimitRequest.FromString(message)


@given(TREES)
def test_whatever_json_is_sent_is_a_message_or_refused(document: object) -> None:
    message = message_of(json.dumps(document).encode())

    assert isinstance(message, bytes | BadRequest)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[", b"1", b"[]", b"null", b"\xff", b'{"domain": "\\ud800"}', b'{"no": 1}'),
        *(b'{"domain": "a", "domain": "b"}', b'{"domain": 1}', b"[" * MOST_BYTES),
        b'{"hitsAddend": %b}' % (b"9" * 6000),
        b'{"descriptors": [{"isNegativeHits": 1}]}',
        b'{"descriptors": [{"isNegativeHits": true, "is_negative_hits": true}]}',
        b'{"descriptors": [%b]}' % b",".join([b"{}"] * (MOST_DESCRIPTORS + 1)),
        b'{"descriptors": [{"entries": [%b]}]}' % b",".join([b"{}"] * (MOST_ENTRIES + 1)),
    ],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    assert isinstance(message_of(body), BadRequest)


def test_names_are_written_either_way_and_numbers_as_text() -> None:
    request = read(
        '{"domain": "d", "hits_addend": 2, "descriptors": [{"entries": [{"key": "k"}],'
        '"limit": {"requests_per_unit": 3, "unit": "HOUR"}, "hitsAddend": "7"}]}'
    )

    (descriptor,) = request.descriptors
    assert (request.domain, request.hits_addend, descriptor.hits_addend.value) == ("d", 2, 7)
    assert (descriptor.limit.requests_per_unit, descriptor.limit.unit) == (3, 3)


def test_hits_to_give_back_are_on_the_wire_where_gRPC_has_them() -> None:
    entries = '"entries": [{"key": "k"}]'
    descriptors = f'{{{entries}}}, {{{entries}, "isNegativeHits": true}}'
    message = message_of(f'{{"domain": "d", "descriptors": [{descriptors}]}}'.encode())

    plain = b"\x12\x05\x0a\x03\x0a\x01k"
    assert message == b"\x0a\x01d" + plain + b"\x12\x07\x0a\x03\x0a\x01k\x20\x01"


FILE = """domain: edge
descriptors:
  - key: tenant
    rate_limit: {name: all, unit: hour, requests_per_unit: 1}
"""


def test_answers_are_protobuf_s_json() -> None:
    world = World({"ratelimit/edge.yaml": FILE})
    body = b'{"domain": "edge", "descriptors": [{"entries": [{"key": "tenant", "value": "a"}]}]}'
    message = message_of(body)
    assert isinstance(message, bytes)

    answers = [answer_of(world.reply(message)) for _ in range(2)]

    assert [each.status for each in answers] == [200, 429]
    first, second = (json.loads(each.body) for each in answers)
    assert first["overallCode"] == "OK"
    (status,) = second["statuses"]
    assert second["overallCode"] == status["code"] == "OVER_LIMIT"
    assert status["currentLimit"] == {"name": "all", "requestsPerUnit": 1, "unit": "HOUR"}
    assert status["durationUntilReset"].endswith("s")
    assert "limitRemaining" not in status


def test_failures_are_400_and_say_nothing_of_the_request() -> None:
    for code in Code:
        assert answer_of(Status(code, "secret")) == (400, b"Bad Request\n")
