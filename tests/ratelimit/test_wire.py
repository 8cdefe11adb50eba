"""Messages that are read without protobuf say what protobuf says of them."""

from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import given
from hypothesis import strategies as st

from callout.testing.requests import rate_limit_request
from ratelimit import wire
from ratelimit.envoy import by_protobuf, parse
from ratelimit.wire import usual

TEXTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", "\x00", "\x0a\x12", "\x12\x05", "é" * 64]),
    st.integers(min_value=0, max_value=140).map("x".__mul__),
)
ENTRIES = st.lists(st.tuples(TEXTS, TEXTS), max_size=4)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Of every field of a request, most of them unusual."""
    request = rls_pb2.RateLimitRequest(domain=draw(TEXTS))
    for entries in draw(st.lists(ENTRIES, max_size=4)):
        descriptor = request.descriptors.add()
        for key, value in entries:
            descriptor.entries.add(key=key, value=value)
        extra = draw(st.integers(min_value=0, max_value=9))
        if extra == 0:
            descriptor.limit.requests_per_unit, descriptor.limit.unit = 5, 2
        elif extra == 1:
            descriptor.hits_addend.value = draw(st.integers(min_value=0, max_value=300))
    if draw(st.integers(min_value=0, max_value=5)) == 0:
        request.hits_addend = draw(st.integers(min_value=0, max_value=300))
    message: bytes = request.SerializeToString()
    return message


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A usual message in which some bytes are others, missing or too many."""
    message = bytearray(
        rate_limit_request(
            "shop", {"remote_address": "198.51.100.24"}, {"user": "ann", "path": "/é"}
        ).SerializeToString()
    )
    small = st.integers(min_value=0, max_value=255)
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        place = draw(st.integers(min_value=0, max_value=max(len(message) - 1, 0)))
        what = draw(st.sampled_from(["other", "near", "cut", "end", "more"]))
        if what == "other":
            message[place : place + 1] = bytes([draw(small)])
        elif what == "near" and message:
            message[place] = (message[place] + draw(st.sampled_from([1, 255, 128]))) % 256
        elif what == "cut":
            del message[place : place + 1]
        elif what == "end":
            del message[place:]
        else:
            message[place:place] = bytes([draw(small)])
    return bytes(message)


@given(st.one_of(messages(), damaged(), st.binary(max_size=40)))
def test_what_is_read_is_what_protobuf_reads(message: bytes) -> None:
    expected = by_protobuf(message)
    for _ in range(2):  # what it remembers of the first time is as right
        read = usual(message)
        assert read is None or read == expected


def test_each_usual_message_is_read_so() -> None:
    requests = [
        rate_limit_request("d", {"k": "v"}),
        rate_limit_request("d", {"k": "v" * 116}, {"a": "x", "b": "é"}),
        rate_limit_request("d" * 127, *[{"k": str(number)} for number in range(50)]),
    ]
    for request in requests:
        assert usual(request.SerializeToString()) is not None


def test_longer_parts_are_left_to_protobuf() -> None:
    for request in (
        rate_limit_request("d", {"k": "v" * 128}),
        rate_limit_request("d" * 128, {"k": "v"}),
        rate_limit_request("d", *[{"k": "v" * 100}] * 12),
    ):
        message = request.SerializeToString()
        assert usual(message) is None
        assert parse(message) == by_protobuf(message)


def test_text_that_is_not_utf_8_is_refused_wherever_it_stands() -> None:
    message = rate_limit_request("dddd", {"kkkk": "vvvv"}).SerializeToString()
    for text in (b"dddd", b"kkkk", b"vvvv"):
        for wrong in (b"\xff...", b"\xc0\x80..", b"\xed\xa0\x80.", b"\xf4\x90\x80\x80", b"...\xc3"):
            assert usual(message.replace(text, wrong)) is None


def test_what_is_remembered_is_bounded() -> None:
    for number in range(10_000):
        message = rate_limit_request(f"d{number}", {f"k{number}": "v"}).SerializeToString()
        request = usual(message)
        assert request is not None
        assert request.domain == f"d{number}"
        assert request.descriptors[0].entries == ((f"k{number}", "v"),)
    assert max(len(wire._keys), len(wire._domains)) <= wire._MOST_KNOWN
