"""Random requests, and how they are sent."""

from random import Random

from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.requests import rate_limit_request
from tests.ratelimit.er.model import Asked


def some_descriptors(random: Random, keys: tuple[str, ...], values: tuple[str, ...]) -> list[Asked]:
    """One to three, of one or two entries; a few bring a limit, a few give back."""
    asked = []
    for _ in range(random.choice([1, 1, 2, 3])):
        entries = tuple(
            (random.choice(keys), random.choice(values)) for _ in range(random.choice([1, 1, 1, 2]))
        )
        override = None
        if random.random() < 0.1:
            override = (random.choice([0, 1, 4]), random.choice(["MINUTE", "WEEK"]))
        hits = random.choice([0, 1, 1, 1, 2, 5, 100])
        # To give back 0 hits keeps a counter longer there; here it does nothing.
        asked.append(Asked(entries, hits, override, bool(hits) and random.random() < 0.15))
    return asked


def message_of(domain: str, asked: list[Asked]) -> bytes:
    """A RateLimitRequest."""
    request = rate_limit_request(domain, *[{} for _ in asked])
    for descriptor, one in zip(request.descriptors, asked, strict=True):
        for key, value in one.entries:
            descriptor.entries.add(key=key, value=value)
        descriptor.hits_addend.value = one.hits
        if one.refund:
            # `bool is_negative_hits = 4`, which our messages have no field for.
            descriptor.MergeFromString(b"\x20\x01")
        if one.override is not None:
            descriptor.limit.requests_per_unit = one.override[0]
            unit = rls_pb2.RateLimitResponse.RateLimit.Unit.Value(one.override[1])
            descriptor.limit.unit = unit
    message: bytes = request.SerializeToString()
    return message
