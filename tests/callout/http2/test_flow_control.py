"""RFC 9113, 5.2 and 6.9: windows, both ways."""

import pytest

from callout.http2 import frames
from callout.http2.errors import ErrorCode
from callout.http2.events import Data, Drained, Refused, Reset
from callout.http2.limits import Limits
from tests.callout.http2.wire import (
    BLOCK,
    HEAD,
    TRAILERS,
    Wire,
    data,
    frame,
    headers,
    reset,
    settings,
    update,
)

SMALL = Limits(stream_window=1000, connection_window=65_535)


def increments(wire: Wire, stream_id: int) -> int:
    return sum(
        int.from_bytes(f.payload, "big")
        for f in wire.sent()
        if f.kind == frames.WINDOW_UPDATE and f.stream_id == stream_id
    )


# What we receive


def test_windows_are_given_back_when_half_of_them_was_consumed():
    wire = Wire(SMALL)
    wire.send(headers(1), data(1, bytes(499)))
    wire.connection.consumed(1, 499)
    assert wire.sent() == []
    wire.send(data(1, bytes(1)))
    wire.connection.consumed(1, 1)
    assert wire.sent() == [(frames.WINDOW_UPDATE, 0, 1, (500).to_bytes(4, "big"))]


def test_a_body_of_many_windows_arrives_when_it_is_consumed():
    wire = Wire(SMALL)
    wire.send(headers(1))
    stream, connection, got = 1000, 65_535, 0
    while got < 300_000:
        size = min(stream, connection, 700)
        assert size > 0
        (event,) = wire.send(data(1, bytes(size)))
        got += size
        wire.connection.consumed(1, event.flow)
        stream -= size
        connection -= size
        for f in wire.sent():
            assert f.kind == frames.WINDOW_UPDATE
            if f.stream_id:
                stream += int.from_bytes(f.payload, "big")
            else:
                connection += int.from_bytes(f.payload, "big")
        assert stream <= 1000
        assert connection <= 65_535
    assert not wire.connection.closed


def test_a_stream_window_exceeded_resets_the_stream_only():
    wire = Wire(SMALL)
    events = wire.send(headers(1), data(1, bytes(1000)), data(1, b"x"), headers(3))
    assert events[2] == Reset(1, ErrorCode.FLOW_CONTROL_ERROR)
    assert wire.connection.open_streams == 1


def test_the_connection_window_exceeded_ends_the_connection():
    wire = Wire(Limits(stream_window=100_000, connection_window=65_535))
    wire.send(headers(1), *[data(1, bytes(13_107)) for _ in range(5)])
    assert not wire.connection.closed
    wire.send(data(1, b"x"))
    assert wire.ended_by() == (ErrorCode.FLOW_CONTROL_ERROR, "connection_window")


def test_padding_counts_for_flow_control_and_not_for_the_body():
    wire = Wire(SMALL)
    (_, event) = wire.send(headers(1), frame(frames.DATA, 8, 1, b"\x04abc" + bytes(4)))
    assert event == Data(1, b"abc", 8, False)


def test_frames_of_padding_alone_are_credited_without_an_event():
    wire = Wire(SMALL)
    wire.send(headers(1))
    assert wire.send(*[frame(frames.DATA, 8, 1, b"\xff" + bytes(255))] * 2) == []
    assert increments(wire, 1) == 512


@pytest.mark.parametrize("how", ["answered", "reset by us", "reset by the client"])
def test_what_was_not_consumed_is_given_back_when_the_stream_ends(how):
    wire = Wire(Limits(stream_window=100_000, connection_window=65_535))
    wire.send(headers(1), *[data(1, bytes(10_000)) for _ in range(4)])
    assert wire.sent() == []
    if how == "answered":
        wire.send(data(1, b"", True))
        wire.connection.respond(1, HEAD, b"x", TRAILERS)
    elif how == "reset by us":
        wire.connection.reset(1, ErrorCode.CANCEL)
    else:
        wire.send(reset(1))
    wire.connection.consumed(1, 40_000)  # too late, and not counted twice
    assert increments(wire, 0) == 40_000


def test_consuming_more_than_was_received_gives_no_more_than_that():
    wire = Wire(SMALL)
    wire.send(headers(1), data(1, bytes(600)))
    wire.connection.consumed(1, 5_000)
    assert increments(wire, 1) == 600


def test_no_update_is_sent_for_a_stream_that_the_client_ended():
    wire = Wire(SMALL)
    wire.send(headers(1), data(1, bytes(600), True))
    wire.connection.consumed(1, 600)
    assert wire.sent() == []


def test_data_after_our_answer_is_discarded_and_the_connection_credited():
    wire = Wire(SMALL)
    wire.send(headers(1))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    wire.sent()
    assert wire.send(data(1, bytes(900)), data(1, bytes(100), True)) == [Data(1, b"", 0, True)]
    assert wire.connection.open_streams == 0
    for stream_id in range(3, 200, 2):
        wire.send(headers(stream_id))
        wire.connection.respond(stream_id, HEAD, b"x", TRAILERS)
        wire.send(data(stream_id, bytes(1000), True))
    assert not wire.connection.closed
    assert increments(wire, 0) > 60_000


# What we send


def test_a_whole_answer_is_headers_data_and_trailers():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    wire.connection.respond(1, HEAD, b"body", TRAILERS)
    assert wire.sent() == [
        (frames.HEADERS, 4, 1, HEAD),
        (frames.DATA, 0, 1, b"body"),
        (frames.HEADERS, 5, 1, TRAILERS),
    ]
    assert wire.connection.open_streams == 0


def test_an_answer_without_body_has_no_data_frame():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    wire.connection.respond(1, HEAD, b"", TRAILERS)
    assert [f.kind for f in wire.sent()] == [frames.HEADERS, frames.HEADERS]


def test_blocks_longer_than_a_frame_go_on_in_continuation_frames():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    block = bytes(range(256)) * 150
    wire.connection.respond(1, block, b"x", TRAILERS)
    *parts, body, last = wire.sent()
    assert [(f.kind, f.flags) for f in parts] == [(1, 0), (9, 0), (9, 4)]
    assert b"".join(f.payload for f in parts) == block
    assert (body.payload, last.payload) == (b"x", TRAILERS)


def test_blocks_of_every_length_around_the_fast_way_are_framed():
    for size in (0, 1, 510, 511, 512, 513, 16_384, 16_385):
        wire = Wire()
        wire.send(headers(1, BLOCK, 5))
        wire.connection.respond(1, bytes(size), b"x", bytes(size))
        sent = wire.sent()
        assert sum(len(f.payload) for f in sent) == 2 * size + 1
        assert [f.flags & 1 for f in sent if f.kind == frames.HEADERS] == [0, 1]


def test_what_the_windows_do_not_allow_waits_in_order():
    wire = Wire()
    wire.send(settings((4, 5)), headers(1, BLOCK, 5))
    wire.sent()
    wire.connection.respond(1, HEAD, b"0123456789abc", TRAILERS)
    assert [f.payload for f in wire.sent()] == [HEAD, b"01234"]
    assert wire.connection.queued == 8 + len(TRAILERS)
    assert wire.send(update(1, 7)) == []
    assert [f.payload for f in wire.sent()] == [b"56789ab"]
    assert wire.send(update(1, 1)) == [Drained(1)]
    assert [(f.kind, f.flags, f.payload) for f in wire.sent()] == [(0, 0, b"c"), (1, 5, TRAILERS)]
    assert wire.connection.queued == 0
    assert wire.connection.open_streams == 0


def test_pieces_after_one_that_waits_wait_too():
    wire = Wire()
    wire.send(settings((4, 1)), headers(1, BLOCK, 5))
    wire.sent()
    wire.connection.send_headers(1, HEAD)
    assert wire.connection.send_data(1, b"") is True
    assert wire.connection.send_data(1, b"ab") is False
    assert wire.connection.send_data(1, b"cd") is False
    assert wire.connection.send_data(1, b"", True) is False
    wire.connection.send_data(1, b"after the end")
    wire.sent()
    wire.send(update(1, 100))
    assert wire.sent() == [(frames.DATA, 1, 1, b"bcd")]


def test_headers_that_do_not_end_the_stream_cannot_follow_data_that_waits():
    wire = Wire()
    wire.send(settings((4, 0)), headers(1))
    wire.connection.send_headers(1, HEAD)
    wire.connection.send_data(1, b"x")
    with pytest.raises(ValueError, match="must end"):
        wire.connection.send_headers(1, HEAD)


def test_an_empty_last_piece_needs_no_window():
    wire = Wire()
    wire.send(settings((4, 0)), headers(1, BLOCK, 5))
    wire.sent()
    wire.connection.send_headers(1, HEAD)
    assert wire.connection.send_data(1, b"", True)
    assert wire.sent()[-1] == (frames.DATA, 1, 1, b"")


def test_streams_that_wait_for_the_connection_share_its_window_in_turn():
    wire = Wire()
    wire.send(
        settings((4, 10**6)), headers(1, BLOCK, 5), headers(3, BLOCK, 5), headers(5, BLOCK, 5)
    )
    for stream_id in (1, 3, 5):
        wire.connection.respond(stream_id, HEAD, bytes(100_000), TRAILERS)
    wire.sent()
    wire.send(update(0, 3 * 16_384))
    assert [f.stream_id for f in wire.sent()] == [1, 3, 5]
    drained = wire.send(update(0, 10**6))
    assert sorted(event.stream_id for event in drained) == [1, 3, 5]


def test_settings_that_close_and_open_windows_stop_and_start_what_waits():
    wire = Wire()
    wire.send(settings((4, 100_000)), headers(1, BLOCK, 5))
    wire.connection.respond(1, HEAD, bytes(80_000), TRAILERS)
    assert sum(len(f.payload) for f in wire.sent() if f.kind == frames.DATA) == 65_535
    wire.send(settings((4, 65_535)), update(0, 10**6))
    assert [f.kind for f in wire.sent()] == [frames.SETTINGS]
    assert wire.send(settings((4, 100_000))) == [Drained(1)]
    assert sum(len(f.payload) for f in wire.sent() if f.kind == frames.DATA) == 14_465


def test_a_stream_that_nobody_reads_does_not_hold_up_the_others():
    wire = Wire()
    wire.send(settings((4, 10)), headers(1, BLOCK, 5), headers(3, BLOCK, 5))
    wire.connection.respond(1, HEAD, bytes(100), TRAILERS)
    wire.sent()
    wire.connection.respond(3, HEAD, bytes(10), TRAILERS)
    assert [f.stream_id for f in wire.sent()] == [3, 3, 3]


def test_a_window_over_its_maximum_ends_stream_or_connection():
    wire = Wire()
    events = wire.send(headers(1), update(1, 2**31 - 1))
    assert events[1:] == [Reset(1, ErrorCode.FLOW_CONTROL_ERROR)]
    wire.send(update(0, 2**31 - 1))
    assert wire.ended_by() == (ErrorCode.FLOW_CONTROL_ERROR, "window_overflow")


def test_an_increment_of_zero_ends_stream_or_connection():
    wire = Wire()
    assert wire.send(headers(1), update(1, 0))[1:] == [Reset(1, ErrorCode.PROTOCOL_ERROR)]
    wire.send(update(0, 0))
    assert wire.ended_by() == (ErrorCode.PROTOCOL_ERROR, "window_update")


def test_updates_for_streams_that_ended_are_ignored():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    wire.sent()
    assert wire.send(update(1, 5), update(1, 0)) == []
    assert wire.sent() == []


def test_data_for_a_stream_that_ended_is_refused_and_credited():
    wire = Wire(Limits(stream_window=100_000, connection_window=65_535))
    wire.send(headers(1, BLOCK, 5))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    wire.sent()
    first = wire.send(data(1, bytes(16_384)))
    assert first == [Refused(1, ErrorCode.STREAM_CLOSED, "closed_stream")]
    assert wire.send(*[data(1, bytes(16_384))] * 3) == []
    assert increments(wire, 0) >= 32_768


def test_a_reset_stream_leaves_the_queue():
    wire = Wire()
    wire.send(settings((4, 0)), headers(1), headers(3))
    wire.connection.respond(1, HEAD, bytes(50), TRAILERS)
    wire.connection.respond(3, HEAD, bytes(50), TRAILERS)
    assert wire.send(reset(1)) == [Reset(1, 8)]
    wire.connection.reset(3, ErrorCode.CANCEL)
    assert wire.connection.queued == 0
    wire.sent()
    assert wire.send(settings((4, 1000))) == []
    assert [f.kind for f in wire.sent()] == [frames.SETTINGS]
