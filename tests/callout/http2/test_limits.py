"""What a hostile or broken client may cost: every limit, its reason, and that time forgives."""

import pytest

from callout.http2 import frames
from callout.http2.errors import ErrorCode
from callout.http2.events import Refused, Request
from callout.http2.hpack import literal_block
from callout.http2.limits import Limits
from tests.callout.http2.wire import (
    ACK,
    BLOCK,
    HEAD,
    HEADERS_LIST,
    TRAILERS,
    Wire,
    data,
    frame,
    headers,
    reset,
    settings,
    update,
)

CALM = ErrorCode.ENHANCE_YOUR_CALM
PING = frame(frames.PING, 0, 0, bytes(8))


def opened_and_reset(number: int) -> bytes:
    return headers(2 * number + 1) + reset(2 * number + 1)


def malformed(number: int) -> bytes:
    return headers(2 * number + 1, b"\x82")


def empty_data(number: int) -> bytes:
    return (headers(1) if number == 0 else b"") + data(1, b"")


def crumb(number: int) -> bytes:
    return (headers(1) if number == 0 else b"") + data(1, bytes(frames.SMALL - 1))


def padding_only(number: int) -> bytes:
    return (headers(1) if number == 0 else b"") + frame(0, 8, 1, b"\1\0")


FLOODS = [
    ("cancelled requests", Limits(resets=20), opened_and_reset, "rapid_reset", 20),
    ("requests that we must reset", Limits(resets=20), malformed, "rapid_reset", 20),
    ("pings", Limits(pings=20), lambda _: PING, "ping_flood", 20),
    ("answers to no ping", Limits(pings=20), lambda _: frame(6, 1, 0, bytes(8)), "ping_flood", 20),
    # The greeting had two.
    ("settings", Limits(settings=22), lambda _: settings(), "settings_flood", 20),
    ("acknowledgements", Limits(settings=22), lambda _: ACK, "settings_flood", 20),
    ("empty data", Limits(empty_frames=20), empty_data, "empty_frame_flood", 20),
    ("padding", Limits(empty_frames=20), padding_only, "empty_frame_flood", 20),
    # The one request may have one.
    ("crumbs", Limits(small_frames=19), crumb, "small_frame_flood", 20),
    (
        "priorities",
        Limits(empty_frames=20),
        lambda _: frame(2, 0, 3, bytes(5)),
        "empty_frame_flood",
        20,
    ),
    ("unknown frames", Limits(empty_frames=20), lambda _: frame(77), "empty_frame_flood", 20),
    (
        "goaways",
        Limits(empty_frames=20),
        lambda _: frame(7, 0, 0, bytes(8)),
        "empty_frame_flood",
        20,
    ),
    (
        "window updates",
        Limits(window_updates=20),
        lambda _: update(0, 1),
        "window_update_flood",
        20,
    ),
]


@pytest.mark.parametrize(
    ("limits", "piece", "reason", "allowed"),
    [row[1:] for row in FLOODS],
    ids=[row[0] for row in FLOODS],
)
def test_a_flood_ends_the_connection(limits, piece, reason, allowed):
    wire = Wire(limits)
    for number in range(allowed):
        wire.send(piece(number))
        assert not wire.connection.closed, number
    wire.send(piece(allowed))
    assert wire.ended_by() == (CALM, reason)


@pytest.mark.parametrize(
    ("limits", "piece", "reason", "allowed"),
    [row[1:] for row in FLOODS],
    ids=[row[0] for row in FLOODS],
)
def test_the_same_frames_over_a_longer_time_are_fine(limits, piece, reason, allowed):
    wire = Wire(limits)
    for number in range(4 * allowed):
        wire.send(piece(number), now=100.0 + number)
        assert not wire.connection.closed, number


def test_there_is_a_row_for_every_flood():
    assert len(FLOODS) == 13


def test_requests_and_streamed_answers_earn_window_updates():
    wire = Wire(Limits(window_updates=0))
    for stream_id in range(1, 100, 2):
        wire.send(headers(stream_id, BLOCK, 5))
        wire.connection.respond(stream_id, HEAD, b"x", TRAILERS)
        wire.send(update(0, 1), update(stream_id, 1))
    wire.send(headers(101))
    wire.sent()
    wire.connection.send_headers(101, HEAD)
    for _ in range(100):
        wire.connection.send_data(101, b"x")
        wire.send(update(0, 1), update(101, 1))
    wire.send(update(0, 1), update(0, 1))  # for stream 101 itself
    assert not wire.connection.closed
    wire.send(update(0, 1))
    assert wire.ended_by() == (CALM, "window_update_flood")


def test_each_frame_of_a_long_message_earns_window_updates():
    wire = Wire(Limits(window_updates=0))
    wire.send(headers(1), settings((frames.INITIAL_WINDOW_SIZE, 2**20)), update(0, 2**20))
    wire.sent()
    wire.connection.send_headers(1, HEAD)
    wire.connection.send_data(1, bytes(10 * frames.SENT_FRAME_SIZE))
    for _ in range(10):
        wire.send(update(0, 1), update(1, 1))
    assert not wire.connection.closed


def test_skipped_stream_identifiers_earn_no_window_updates():
    wire = Wire(Limits(window_updates=20))
    wire.send(headers(1), headers(1_000_001))
    for _ in range(24):
        wire.send(update(0, 1))
        assert not wire.connection.closed
    wire.send(update(0, 1))
    assert wire.ended_by() == (CALM, "window_update_flood")


def test_resets_that_cross_their_answers_are_no_flood():
    """A gateway resets each callout that takes too long; many are answered in that very moment."""
    wire = Wire(Limits(empty_frames=20, resets=20))
    for stream_id in range(1, 1000, 2):
        wire.send(headers(stream_id, BLOCK, 5))
        wire.connection.respond(stream_id, HEAD, b"x", TRAILERS)
        wire.send(reset(stream_id))
        assert not wire.connection.closed, stream_id


def test_a_gateway_that_resets_each_stream_when_it_has_its_answers_is_no_flood():
    """As Envoy ends every stream of ext_proc, be it in the interval in which it began or later."""
    wire = Wire(Limits(empty_frames=20, resets=20))
    for stream_id in range(1, 1000, 2):
        wire.send(headers(stream_id))
        wire.connection.send_headers(stream_id, HEAD)
        wire.connection.send_data(stream_id, b"x")
    for stream_id in range(1, 1000, 2):
        wire.send(reset(stream_id), now=100.0)
        assert not wire.connection.closed, stream_id


def test_resets_again_and_again_of_a_request_that_is_over_are_a_flood():
    wire = Wire(Limits(empty_frames=20))
    wire.send(headers(1, BLOCK, 5))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    for _ in range(21):
        wire.send(reset(1))
        assert not wire.connection.closed
    wire.send(reset(1))
    assert wire.ended_by() == (CALM, "empty_frame_flood")


def test_resets_among_as_many_answers_are_no_flood():
    """A busy gateway whose clients go away, or whose callouts partly take too long."""
    wire = Wire(Limits(resets=20))
    for stream_id in range(1, 1000, 4):
        wire.send(headers(stream_id, BLOCK, 5), headers(stream_id + 2))
        wire.connection.respond(stream_id, HEAD, b"x", TRAILERS)
        wire.send(reset(stream_id + 2))
        assert not wire.connection.closed, stream_id
    for stream_id in range(1001, 2003, 2):
        wire.send(headers(stream_id), reset(stream_id))
    assert wire.ended_by() == (CALM, "rapid_reset")


def test_streams_above_the_limit_are_refused_and_those_in_progress_go_on():
    wire = Wire(Limits(max_streams=2))
    events = wire.send(headers(1, BLOCK, 5), headers(3), headers(5))
    assert [type(event) for event in events] == [Request, Request, Refused]
    assert events[2] == Refused(5, ErrorCode.REFUSED_STREAM, "too_many_streams")
    assert wire.sent() == [(frames.RST_STREAM, 0, 5, b"\0\0\0\7")]
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    assert type(wire.send(headers(7))[0]) is Request


@pytest.mark.parametrize("end", [True, False])
def test_a_header_list_over_the_limit_is_answered_431(end):
    wire = Wire(Limits(header_list=2000))
    large = literal_block([*HEADERS_LIST, (b"a", b"x" * 2000)])
    (event,) = wire.send(headers(1, large, 5 if end else 4))
    assert event == Refused(1, ErrorCode.NO_ERROR, "header_list")
    answer, *rest = wire.sent()
    assert (answer.kind, answer.flags) == (frames.HEADERS, 5)
    assert b"431" in answer.payload
    assert rest == ([] if end else [(frames.RST_STREAM, 0, 1, bytes(4))])
    assert wire.connection.open_streams == 0
    if not end:
        assert wire.send(data(1, b"late", True)) == []
    assert type(wire.send(headers(3))[0]) is Request


def test_many_small_fields_count_with_their_overhead():
    wire = Wire(Limits(header_list=2000))
    (event,) = wire.send(headers(1, BLOCK + b"\x90" * 60))
    assert event.reason == "header_list"


def test_trailers_over_the_limit_reset_the_stream():
    wire = Wire(Limits(header_list=1024))
    events = wire.send(headers(1), headers(1, literal_block([(b"a", b"x" * 1024)]), 5))
    assert events[1].code == CALM


BOMBS = [
    ("one entry many times", b"\x40\1a\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 30),
    ("many empty fields", b"\x90" * 3000),
    ("many literals", b"\0\1a\0" * 3000),
    ("a walk after a run", b"\x90" * 1500 + b"\0\1a\0" * 600),
]


@pytest.mark.parametrize("block", [row[1] for row in BOMBS], ids=[row[0] for row in BOMBS])
def test_a_header_bomb_ends_the_connection(block):
    wire = Wire()
    wire.send(headers(1, block))
    assert wire.ended_by() == (CALM, "header_block")


def test_continuation_frames_are_limited_in_number():
    wire = Wire(Limits(continuations=3))
    wire.send(headers(1, b"", 0), *[frame(9, 0, 1, b"\x82")] * 3)
    assert not wire.connection.closed
    wire.send(frame(9, 0, 1, b"\x82"))
    assert wire.ended_by() == (CALM, "continuation_flood")


def test_continuation_frames_are_limited_in_bytes():
    wire = Wire(Limits(header_block=20_000, continuations=100))
    wire.send(headers(1, bytes(16_384), 0), frame(9, 0, 1, bytes(3_616)))
    assert not wire.connection.closed
    wire.send(frame(9, 0, 1, b"x"))
    assert wire.ended_by() == (CALM, "continuation_flood")


def test_a_slow_reader_ends_its_connection_when_too_much_waits():
    wire = Wire(Limits(queued_output=1000))
    wire.send(settings((4, 0)), headers(1), headers(3))
    wire.connection.respond(1, HEAD, bytes(900), TRAILERS)
    assert not wire.connection.closed
    wire.connection.respond(3, HEAD, bytes(900), TRAILERS)
    assert wire.connection.terminated.reason == "queued_output"
    assert wire.connection.queued == 0
    # It ended outside of `receive`, so the event comes with the next call, once.
    assert wire.send(PING) == [wire.connection.terminated]
    assert wire.send(PING) == []
    assert wire.ended_by() == (CALM, "queued_output")


def test_a_larger_table_is_used_when_it_is_allowed_and_a_smaller_one_demanded():
    large = Wire(Limits(header_table=8192))
    large.send(headers(1, b"\x3f\xe1\x3f" + BLOCK))
    assert not large.connection.closed
    small = Wire(Limits(header_table=100))
    small.send(headers(1, BLOCK))
    assert small.ended_by() == (ErrorCode.COMPRESSION_ERROR, "hpack")
    right = Wire(Limits(header_table=100))
    right.send(headers(1, b"\x3f\x45" + BLOCK), headers(3, BLOCK))
    assert right.connection.open_streams == 2


def test_a_memoised_block_does_not_pass_where_the_table_must_shrink():
    wire = Wire(Limits(header_table=0), frames.PREFACE + settings())
    wire.send(headers(1), headers(3))
    wire.send(ACK, headers(5))
    assert wire.ended_by() == (ErrorCode.COMPRESSION_ERROR, "hpack")


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_streams": 0},
        {"frame_size": 16_383},
        {"connection_window": 65_534},
        {"stream_window": 2**31},
        {"header_table": 65_537},
        {"interval": 0.0},
        {"settings_seconds": -1.0},
    ],
    ids=str,
)
def test_values_that_the_protocol_does_not_allow_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)


@pytest.mark.parametrize(
    "begun",
    [
        headers(1)[:5],
        headers(1)[:-1],
        headers(1, BLOCK[:4], 0),
        headers(1, BLOCK[:4], 0) + frame(frames.CONTINUATION, 0, 1, BLOCK[4:6])[:-1],
    ],
    ids=["a frame's head", "a frame", "a header block", "a header block in a frame"],
)
def test_a_frame_that_never_becomes_complete_ends_the_connection(begun):
    wire = Wire(Limits(frame_seconds=5.0))
    wire.send(begun, now=100.0)
    assert wire.connection.tick(104.0) == []
    assert len(wire.connection.tick(105.5)) == 1
    assert wire.ended_by() == (CALM, "slow_frame")


def test_frames_that_are_cut_but_go_on_are_not_slow():
    wire = Wire(Limits(frame_seconds=5.0))
    request = headers(1) + data(1, bytes(70), end=True)
    for at in range(len(request)):
        wire.send(request[at : at + 1], now=100.0 + at / 20)
        assert wire.connection.tick(100.0 + at / 20) == []
    assert wire.connection.tick(500.0) == []


def test_a_header_block_that_drips_is_slow_however_quick_its_frames_are():
    wire = Wire(Limits(frame_seconds=5.0))
    wire.send(headers(1, b"", 0), now=100.0)
    for second in range(6):
        assert wire.connection.tick(100.0 + second) == [], second
        wire.send(frame(frames.CONTINUATION, 0, 1, BLOCK[second : second + 1]), now=100.0 + second)
    assert len(wire.connection.tick(106.0)) == 1
    assert wire.ended_by() == (CALM, "slow_frame")


def test_what_a_short_block_stands_for_is_not_kept_for_each_of_many():
    wire = Wire()
    value = bytes(b"v" * 3000)
    big = b"\x40\x01x" + b"\x7f" + bytes((len(value) - 127 & 0x7F | 0x80, len(value) - 127 >> 7))
    wire.send(headers(1, BLOCK + big + value, 5))
    for number in range(1, 200):
        block = BLOCK + b"\xbe" * 4 + literal_block([(b"n", b"%d" % number)])
        assert len(wire.send(headers(2 * number + 1, block, 5))) == 1
        wire.connection.reset(2 * number + 1, ErrorCode.CANCEL)
    kept = wire.connection._memo.values()
    assert sum(len(v) for fields, _ in kept for _, v in fields) < 20_000
