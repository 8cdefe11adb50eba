"""Envoy's messages in and out, against protobuf itself."""

from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import given
from hypothesis import strategies as st

from callout.testing.requests import rate_limit_request
from ratelimit.decide import UNLIMITED, Answer, Verdict
from ratelimit.envoy import MOST_DESCRIPTORS, MOST_ENTRIES, encode, parse
from ratelimit.limits import UNITS, Limit
from ratelimit.request import BadRequest, Request
from ratelimit.stores.contract import LARGEST_ADDEND


def parsed(request: "rls_pb2.RateLimitRequest") -> Request:
    result = parse(request.SerializeToString())
    assert isinstance(result, Request)
    return result


def refused(message: bytes) -> str:
    result = parse(message)
    assert isinstance(result, BadRequest)
    return result.reason


def test_entries_keep_their_order() -> None:
    request = parsed(rate_limit_request("d", {"b": "1", "a": "2"}, {"c": ""}))
    assert request.domain == "d"
    assert [each.entries for each in request.descriptors] == [
        (("b", "1"), ("a", "2")),
        (("c", ""),),
    ]


def addends(common: int, *own: int | None) -> list[int]:
    request = rate_limit_request("d", *[{"k": "v"}] * len(own), hits_addend=common)
    for descriptor, addend in zip(request.descriptors, own, strict=True):
        if addend is not None:
            descriptor.hits_addend.value = addend
    return [each.addend for each in parsed(request).descriptors]


def test_hits_are_one_unless_said_and_an_explicit_nothing_is_nothing() -> None:
    assert addends(0, None, None) == [1, 1]
    assert addends(5, None, 7, 0) == [5, 7, 0]
    assert addends(0, 0, None) == [0, 1]


def test_hits_beyond_any_limit_are_clamped() -> None:
    assert addends(2**32 - 1, None, 2**64 - 1, 2**63) == [
        2**32 - 1,
        LARGEST_ADDEND,
        LARGEST_ADDEND,
    ]


def with_unit(unit: int) -> bytes:
    request = rate_limit_request("d", {"k": "v"})
    request.descriptors[0].limit.requests_per_unit = 7
    request.descriptors[0].limit.unit = unit
    return request.SerializeToString()


def test_a_limit_of_the_request_is_mapped_by_its_unit() -> None:
    units = []
    for unit in range(1, 8):
        request = parse(with_unit(unit))
        assert isinstance(request, Request)
        override = request.descriptors[0].override
        assert override is not None
        assert override.requests == 7
        units.append(override.unit.name)
    assert units == ["second", "minute", "hour", "day", "month", "year", "week"]


def test_a_limit_of_the_request_without_a_known_unit_is_refused_and_no_crash() -> None:
    for unit in (0, 8, 99, -1):
        assert refused(with_unit(unit)) == "the limit of a descriptor has an unknown unit"


def test_hits_are_given_back_where_it_says_so_and_counted_elsewhere() -> None:
    # `bool is_negative_hits = 4` of the descriptor, which no field of ours stands for
    for given_back, entries in ((b"\x20\x01", {"k": "v"}), (b"\x20\x02", {"k": "\x20\x01"})):
        request = rate_limit_request("d", {"other": "x"}, entries)
        request.descriptors[1].MergeFromString(given_back)
        request.hits_addend = 7
        found = parse(request.SerializeToString())
        assert isinstance(found, Request)
        assert [(each.addend, each.refund) for each in found.descriptors] == [
            (7, False),
            (-7, True),
        ]
        request.descriptors[1].hits_addend.value = 2**64 - 1
        found = parse(request.SerializeToString())
        assert isinstance(found, Request)
        assert found.descriptors[1].addend == -LARGEST_ADDEND
        request.descriptors[1].hits_addend.value = 0
        found = parse(request.SerializeToString())
        assert isinstance(found, Request)
        assert found.descriptors[1][2:] == (0, True)
    for innocent in (b"\x20\x00", b"\x28\x01", b"\x2a\x02\x20\x01"):
        request = rate_limit_request("d", {"k": "\x20\x01"})
        request.descriptors[0].MergeFromString(innocent)
        counted = parse(request.SerializeToString())
        assert isinstance(counted, Request)
        assert counted.descriptors[0][2:] == (1, False)


def test_requests_that_say_nothing_are_refused_in_envoyproxy_ratelimits_words() -> None:
    assert refused(b"") == "rate limit domain must not be empty"
    empty = rate_limit_request("", {"k": "v"}).SerializeToString()
    assert refused(empty) == "rate limit domain must not be empty"
    nothing = rate_limit_request("d").SerializeToString()
    assert refused(nothing) == "rate limit descriptor list must not be empty"


def test_what_is_no_message_is_refused() -> None:
    good = rate_limit_request("d", {"key": "value"}).SerializeToString()
    assert refused(good[:-1]) == "not a RateLimitRequest"
    assert refused(good.replace(b"value", b"val\xff\xfe")) == "not a RateLimitRequest"


def test_sizes_are_bounded() -> None:
    many = rate_limit_request("d", *[{"k": "v"}] * 10_000).SerializeToString()
    assert refused(many) == f"more than {MOST_DESCRIPTORS} descriptors"
    long = rate_limit_request("d", {str(n): "v" for n in range(MOST_ENTRIES + 1)})
    assert "entries" in refused(long.SerializeToString())
    fits = rate_limit_request("d", *[{"k": "v"}] * MOST_DESCRIPTORS)
    assert len(parsed(fits).descriptors) == MOST_DESCRIPTORS


@given(st.binary(max_size=60))
def test_junk_is_a_request_or_a_refusal(message: bytes) -> None:
    assert isinstance(parse(message), Request | BadRequest)


LIMITS = st.builds(
    Limit, st.integers(0, 2**32 - 1), st.sampled_from(list(UNITS.values())), st.text(max_size=5)
)
VERDICTS = (
    st.just(Verdict())
    | st.just(UNLIMITED)
    | st.builds(
        Verdict, st.booleans(), LIMITS, st.integers(0, 2**32 - 1), st.integers(1, 31_536_000)
    )
)


@given(st.booleans(), st.lists(VERDICTS, max_size=4))
def test_the_answer_is_what_protobuf_reads(over: bool, verdicts: list[Verdict]) -> None:
    response = rls_pb2.RateLimitResponse.FromString(encode(Answer(over, verdicts)))
    assert response.overall_code == (2 if over else 1)
    assert len(response.statuses) == len(verdicts)
    for status, verdict in zip(response.statuses, verdicts, strict=True):
        assert status.code == (2 if verdict.over else 1)
        assert status.limit_remaining == verdict.remaining
        assert status.HasField("current_limit") == (verdict.limit is not None)
        assert status.HasField("duration_until_reset") == (verdict.limit is not None)
        assert status.duration_until_reset.seconds == verdict.reset
        if verdict.limit is not None:
            assert status.current_limit.requests_per_unit == verdict.limit.requests
            assert status.current_limit.name == verdict.limit.name
            unit = rls_pb2.RateLimitResponse.RateLimit.Unit.Name(status.current_limit.unit)
            assert unit == verdict.limit.unit.name.upper()


def test_an_answer_is_the_same_bytes_as_protobufs() -> None:
    limit = Limit(300, UNITS["minute"], "per-user")
    answer = encode(Answer(True, [Verdict(True, limit, 0, 60), Verdict(False, limit, 299, 7)]))
    response = rls_pb2.RateLimitResponse.FromString(answer)
    assert answer == response.SerializeToString(deterministic=True)
