"""Envoy's messages: the only file of this package that knows protobuf.

`envoy.service.ratelimit.v3` (RateLimitRequest in, RateLimitResponse out).
"""

from functools import lru_cache

from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from ratelimit.decide import Answer
from ratelimit.limits import (
    CALENDAR_MONTH,
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    WEEK,
    YEAR,
    Limit,
)
from ratelimit.request import BadRequest, Descriptor, Request
from ratelimit.stores.contract import LARGEST_ADDEND
from ratelimit.wire import usual

SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
METHOD = f"/{SERVICE}/ShouldRateLimit"

MOST_DESCRIPTORS = 1000
"""In one request: each is a counter that is read and written."""
MOST_ENTRIES = 256
"""In one descriptor: a rule tree is not deeper than its file's YAML may be."""

_OVERRIDE_UNITS = {1: SECOND, 2: MINUTE, 3: HOUR, 4: DAY, 5: MONTH, 6: YEAR, 7: WEEK}
"""envoy.type.v3.RateLimitUnit: 0 is UNKNOWN. It has no week, but protobuf lets any number through,
and 7 is what envoyproxy/ratelimit takes for one."""
_UNIT_CODES = {
    SECOND: 1,
    MINUTE: 2,
    HOUR: 3,
    DAY: 4,
    MONTH: 5,
    CALENDAR_MONTH: 5,
    YEAR: 6,
    WEEK: 7,
}
"""RateLimitResponse.RateLimit.Unit. A multiple of a unit has no code: told as UNKNOWN, Envoy leaves
the window out of its `x-ratelimit-limit`."""


def parse(message: bytes) -> Request | BadRequest:
    """The request, with every hit's number settled and clamped.

    `hits_addend` of the request is 1 when absent or 0; that of a descriptor wins when it is
    there, and may be 0. With `is_negative_hits` it is given back.
    """
    return usual(message) or by_protobuf(message)


def by_protobuf(message: bytes) -> Request | BadRequest:
    """The same of any message, however it is written."""
    try:
        request = rls_pb2.RateLimitRequest.FromString(message)
    except DecodeError:
        return BadRequest("not a RateLimitRequest")
    domain = request.domain
    # The two texts are envoyproxy/ratelimit's.
    if not domain:
        return BadRequest("rate limit domain must not be empty")
    given = request.descriptors
    if not given:
        return BadRequest("rate limit descriptor list must not be empty")
    if len(given) > MOST_DESCRIPTORS:
        return BadRequest(f"more than {MOST_DESCRIPTORS} descriptors")
    common = request.hits_addend or 1
    has_tag = b" " in message
    descriptors = []
    for one in given:
        entries = tuple([(entry.key, entry.value) for entry in one.entries])
        if len(entries) > MOST_ENTRIES:
            return BadRequest(f"a descriptor has more than {MOST_ENTRIES} entries")
        override = None
        if one.HasField("limit"):
            unit = _OVERRIDE_UNITS.get(one.limit.unit)
            if unit is None:
                return BadRequest("the limit of a descriptor has an unknown unit")
            override = Limit(one.limit.requests_per_unit, unit)
        addend = one.hits_addend.value if one.HasField("hits_addend") else common
        addend = min(addend, LARGEST_ADDEND)
        if has_tag and _gives_back(one):
            descriptors.append(Descriptor(entries, override, -addend, refund=True))
        else:
            descriptors.append(Descriptor(entries, override, addend))
    return Request(domain, tuple(descriptors))


def _degraded() -> bytes:
    response = rls_pb2.RateLimitResponse()
    response.dynamic_metadata.update({"degraded": True})
    made: bytes = response.SerializeToString()
    return made


DEGRADED = _degraded()
"""To be put behind an answer that was decided without the counters: `degraded` as dynamic metadata.
Where the answer has metadata already, protobuf puts the two together."""


def _gives_back(descriptor: Message) -> bool:
    """Whether `bool is_negative_hits = 4` is true.

    The API has the field since 2026, the messages that we are built with do not. Its tag is 0x20;
    where a message has one anywhere, this takes 0.2 us more.
    """
    unknown = UnknownFieldSet(descriptor)
    fields = [unknown[index] for index in range(len(unknown))]
    return any(each.field_number == 4 and each.wire_type == 0 and each.data for each in fields)


def encode(answer: Answer) -> bytes:
    """A serialized RateLimitResponse.

    Put together from remembered fields: 0.6 us for one status, 1.05 us for two, where filling in
    a message and serializing it takes 1.6 and 2.75 us.
    """
    parts = [b"\x08\x02" if answer.over else b"\x08\x01"]  # overall_code
    for over, limit, remaining, reset in answer.verdicts:
        status = _code(over, limit) + _remaining(remaining)
        if limit is not None:
            status += _duration_until_reset(reset)
        parts += (_status_of(len(status)), status)
    return b"".join(parts)


@lru_cache(4096)
def _code(over: bool, limit: Limit | None) -> bytes:
    """`code` and `current_limit`, if there is one: what was refused uncounted has none."""
    return (b"\x08\x02" if over else b"\x08\x01") + (
        b"" if limit is None else _current_limit(limit)
    )


@lru_cache(4096)
def _status_of(size: int) -> bytes:
    """The tag of `statuses`, and how long this one is."""
    return b"\x12" + varint(size)


@lru_cache(4096)
def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _current_limit(limit: Limit) -> bytes:
    message: bytes = rls_pb2.RateLimitResponse.RateLimit(
        requests_per_unit=limit.requests,
        unit=_UNIT_CODES.get(limit.unit, 0),
        name=limit.name,
    ).SerializeToString()
    return b"\x12" + varint(len(message)) + message


@lru_cache(65536)
def _remaining(number: int) -> bytes:
    return b"\x18" + varint(number) if number else b""


@lru_cache(4096)
def _duration_until_reset(seconds: int) -> bytes:
    duration = b"\x08" + varint(seconds)
    return b"\x22" + varint(len(duration)) + duration
