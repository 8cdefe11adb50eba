import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.grpc.call import Status
from callout.grpc.framing import (
    BAD_FLAG,
    NOT_ANNOUNCED,
    NOT_GZIP,
    TOO_LARGE,
    Deframer,
    Message,
    frame,
    unpack,
    whole,
)


def test_a_frame_is_a_flag_a_length_and_the_message() -> None:
    assert frame(b"hello") == b"\x00\x00\x00\x00\x05hello"
    assert frame(b"") == b"\x00\x00\x00\x00\x00"


@given(
    st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=6),
    st.lists(st.integers(1, 20), min_size=1, max_size=8),
)
@settings(max_examples=60)
def test_messages_are_the_same_wherever_their_bytes_are_cut(
    sent: list[tuple[bool, bytes]], cuts: list[int]
) -> None:
    data = b"".join(bytes([flag]) + len(each).to_bytes(4, "big") + each for flag, each in sent)
    deframer = Deframer(limit=40)
    got: list[Message] = []
    start = turn = 0
    while start < len(data):
        size = cuts[turn % len(cuts)]
        deframer.feed(data[start : start + size])
        while deframer.ready():
            message = deframer.next()
            assert isinstance(message, Message)
            got.append(message)
        assert deframer.next() is None
        start, turn = start + size, turn + 1

    assert got == [Message(flag, each) for flag, each in sent]
    assert deframer.held == 0


def first(data: bytes) -> Message | Status | None:
    deframer = Deframer(limit=10)
    deframer.feed(data)
    return deframer.next()


def test_what_is_incomplete_is_held() -> None:
    deframer = Deframer(limit=10)

    deframer.feed(frame(b"abc")[:-1])

    assert not deframer.ready()
    assert deframer.next() is None
    assert deframer.held == 7


def test_a_message_over_the_limit_is_refused_by_its_prefix_alone() -> None:
    assert first(frame(b"x" * 11)[:5]) == TOO_LARGE
    assert first(frame(b"x" * 10)) == Message(False, b"x" * 10)


def test_an_unknown_flag_is_refused() -> None:
    assert first(b"\x02\x00\x00\x00\x00") == BAD_FLAG


def test_messages_that_wait_cost_their_bytes() -> None:
    deframer = Deframer(limit=10)
    tracemalloc.start()
    try:
        for _ in range(100):
            deframer.feed(frame(b"") * 1000)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert deframer.held == 500_000
    assert held < 1_000_000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame(b"abc"), b"abc"),
        (frame(b""), b""),
        (frame(b"x" * 10), b"x" * 10),
        (frame(b"x" * 11), None),
        (b"\x01\x00\x00\x00\x03abc", None),
        (frame(b"abc") + b"d", None),
        (frame(b"abc")[:-1], None),
        (b"", None),
        (b"\x00\x00", None),
    ],
)
def test_the_fast_way_takes_exactly_one_plain_message(data: bytes, expected: bytes | None) -> None:
    assert whole(data, 10) == expected


def test_a_gzip_message_is_decompressed() -> None:
    assert unpack(Message(True, gzip.compress(b"hello")), True, 10) == b"hello"
    assert unpack(Message(False, b"hello"), True, 10) == b"hello"


def test_a_compressed_message_needs_an_announced_encoding() -> None:
    assert unpack(Message(True, gzip.compress(b"hello")), False, 10) == NOT_ANNOUNCED


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hello",
        zlib.compress(b"hello"),
        gzip.compress(b"hello")[:-1],
        gzip.compress(b"hello") + b"!",
        gzip.compress(b"he") + gzip.compress(b"llo"),
    ],
    ids=["empty", "plain", "zlib", "cut", "rest", "two members"],
)
def test_what_is_not_one_gzip_member_is_refused(payload: bytes) -> None:
    assert unpack(Message(True, payload), True, 100) == NOT_GZIP


def test_a_bomb_costs_no_more_than_a_message_of_the_limit() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        refused = unpack(Message(True, bomb), True, 1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(refused, Status)
    assert refused == TOO_LARGE
    assert peak < 4 << 20
