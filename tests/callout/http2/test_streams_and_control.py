"""RFC 9113, 5.1, 5.4, 5.5 and 6.3 to 6.8: stream states, and the frames beside requests."""

import pytest

from callout.http2 import frames
from callout.http2.connection import Connection
from callout.http2.errors import ErrorCode
from callout.http2.events import Data, PeerGoAway, Refused, Request, Reset, Terminated, Trailers
from callout.http2.limits import Limits
from callout.http2.outbound import REMEMBERED
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

PROTOCOL, SIZE = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR

# On a fresh connection, with stream 5 half open and stream 7 idle.
CONNECTION_ERRORS = [
    ("data on stream 0", data(0, b"x"), PROTOCOL, "data"),
    ("data on an idle stream", data(7, b"x"), PROTOCOL, "idle_stream"),
    ("data on a stream of ours", data(2, b"x"), PROTOCOL, "idle_stream"),
    ("reset on stream 0", reset(0), PROTOCOL, "reset"),
    ("reset on an idle stream", reset(7), PROTOCOL, "idle_stream"),
    ("reset of 3 bytes", frame(3, 0, 5, bytes(3)), SIZE, "reset"),
    ("update on an idle stream", update(7, 1), PROTOCOL, "idle_stream"),
    ("update of 5 bytes", frame(8, 0, 5, bytes(5)), SIZE, "window_update"),
    ("priority on stream 0", frame(2, 0, 0, bytes(5)), PROTOCOL, "priority"),
    ("priority of 4 bytes", frame(2, 0, 5, bytes(4)), SIZE, "priority"),
    ("priority on itself", frame(2, 0, 7, b"\0\0\0\7\0"), PROTOCOL, "priority"),
    ("push promise", frame(5, 4, 5, bytes(4) + BLOCK), PROTOCOL, "push_promise"),
    ("ping on a stream", frame(6, 0, 5, bytes(8)), PROTOCOL, "ping"),
    ("ping of 7 bytes", frame(6, 0, 0, bytes(7)), SIZE, "ping"),
    ("goaway on a stream", frame(7, 0, 5, bytes(8)), PROTOCOL, "goaway"),
    ("goaway of 7 bytes", frame(7, 0, 0, bytes(7)), SIZE, "goaway"),
    ("data with too much padding", frame(0, 8, 5, b"\2xx"[:2]), PROTOCOL, "padding"),
    ("padded data of no bytes", frame(0, 8, 5, b""), SIZE, "padding"),
    ("a frame larger than announced", frame(0x42, 0, 0, bytes(16_385)), SIZE, "frame_size"),
    ("a lower new stream", headers(3), PROTOCOL, "stream_id"),
]


@pytest.mark.parametrize(
    ("bad", "code", "reason"),
    [row[1:] for row in CONNECTION_ERRORS],
    ids=[row[0] for row in CONNECTION_ERRORS],
)
def test_a_protocol_violation_ends_the_connection(bad, code, reason):
    wire = Wire()
    wire.send(headers(5))
    events = wire.send(bad, frame(frames.PING, 0, 0, b"unheard!"))
    assert events == [Terminated(code, reason)]
    assert wire.ended_by() == (code, reason)
    assert wire.connection.open_streams == 0


def test_there_is_a_row_for_every_violation():
    assert len(CONNECTION_ERRORS) == 20


def test_the_last_stream_and_the_reason_are_in_the_goaway():
    wire = Wire()
    wire.send(headers(5), data(0, b""))
    (goaway,) = wire.sent()
    assert goaway.payload == b"\0\0\0\5" + b"\0\0\0\1" + b"data"


def test_trailers_that_depend_on_their_own_stream_reset_it():
    wire = Wire()
    events = wire.send(headers(1), headers(1, b"\0\0\0\1\0", 0x25))
    assert events[1:] == [Reset(1, PROTOCOL)]


def test_after_the_client_ended_a_stream_data_and_headers_reset_it():
    for late in (data(1, b"x"), headers(1, BLOCK, 5), headers(1)):
        wire = Wire()
        wire.send(headers(1, BLOCK, 5))
        assert wire.send(late) == [Reset(1, ErrorCode.STREAM_CLOSED)]
        assert wire.sent()[-1] == (frames.RST_STREAM, 0, 1, b"\0\0\0\5")


def test_headers_on_a_stream_that_ended_on_both_sides_end_the_connection():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    wire.send(headers(1))
    assert wire.ended_by() == (ErrorCode.STREAM_CLOSED, "closed_stream")


def test_headers_on_a_stream_that_the_client_reset_end_the_connection():
    wire = Wire()
    wire.send(headers(1), reset(1), headers(1))
    assert wire.ended_by() == (ErrorCode.STREAM_CLOSED, "closed_stream")


def test_late_frames_for_a_stream_that_we_reset_are_ignored():
    wire = Wire()
    wire.send(headers(1))
    wire.connection.reset(1, ErrorCode.CANCEL)
    assert wire.sent() == [(frames.RST_STREAM, 0, 1, b"\0\0\0\x08")]
    late = [data(1, b"x"), update(1, 5), headers(1, b"\x40\1a\1b", 5), reset(1)]
    assert wire.send(*late) == []
    assert wire.sent() == []
    # Late headers have been decoded: the table knows a: b.
    (event,) = wire.send(headers(3, BLOCK + b"\xbe"))
    assert event.head[-1] == (b"a", b"b")


def test_only_so_many_resets_are_remembered():
    wire = Wire(Limits(resets=10_000))
    for number in range(REMEMBERED + 50):
        wire.send(headers(2 * number + 1))
        wire.connection.reset(2 * number + 1, ErrorCode.CANCEL)
    wire.sent()
    assert len(wire.connection._reset_ids) == REMEMBERED
    assert wire.send(data(2 * REMEMBERED - 1, b"x")) == []
    assert wire.send(data(1, b"x")) == [Refused(1, ErrorCode.STREAM_CLOSED, "closed_stream")]


def test_a_client_that_skips_streams_is_told_apart_from_one_that_reuses_them():
    for stream_id, code in ((3, ErrorCode.PROTOCOL_ERROR), (1, ErrorCode.STREAM_CLOSED)):
        wire = Wire()
        wire.send(headers(1), reset(1), headers(9), headers(stream_id))
        assert wire.connection.terminated.code == code


def test_skipped_streams_are_remembered_in_bounded_memory():
    wire = Wire(Limits(max_streams=10_000))
    wire.send(*[headers(4 * n + 1) for n in range(5_000)])
    assert len(wire.connection._gaps) <= 64
    wire.send(headers(4 * 4_999 - 1))
    assert wire.ended_by() == (ErrorCode.PROTOCOL_ERROR, "stream_id")


def test_a_cancelled_request_is_reported_and_can_be_answered_no_more():
    wire = Wire()
    assert wire.send(headers(1), reset(1, 0x2A))[1:] == [Reset(1, 0x2A)]
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    wire.connection.send_headers(1, HEAD)
    assert wire.connection.send_data(1, b"x")
    wire.connection.reset(1, ErrorCode.CANCEL)
    assert wire.sent() == []


@pytest.mark.parametrize(
    ("end", "event"),
    [
        (reset(1, 0), Reset(1, 0)),
        (data(1, b"unread", True), Data(1, b"", 0, True)),
        (headers(1, b"", 5), Trailers(1, [])),
    ],
    ids=["reset", "data", "trailers"],
)
def test_the_end_of_a_request_that_was_answered_before_is_reported(end, event):
    wire = Wire()
    wire.send(headers(1))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    assert wire.send(end) == [event]
    assert wire.connection.open_streams == 0


def test_an_answer_is_sent_once():
    wire = Wire()
    wire.send(headers(1))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    wire.sent()
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    wire.connection.send_headers(1, HEAD)
    assert wire.sent() == []


def test_an_answered_stream_stays_open_until_the_client_ends_it():
    wire = Wire()
    wire.send(headers(1))
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    assert wire.connection.open_streams == 1
    wire.send(headers(1, b"", 5))
    assert wire.connection.open_streams == 0


def test_pings_are_answered_and_answers_ignored():
    wire = Wire()
    assert wire.send(frame(6, 0, 0, b"12345678"), frame(6, 1, 0, b"abcdefgh")) == []
    assert wire.sent() == [(frames.PING, 1, 0, b"12345678")]


def test_unknown_frames_and_priorities_are_ignored():
    wire = Wire()
    unknown = [frame(0x16, 255, 77, b"x" * 99), frame(0xFF)]
    assert wire.send(*unknown, frame(2, 0, 9, b"\0\0\0\1\7"), settings((0xFFFF, 1))) == []
    assert wire.sent() == [(frames.SETTINGS, 1, 0, b"")]


def test_a_goaway_of_the_client_is_reported_and_its_requests_go_on():
    wire = Wire()
    assert wire.send(headers(1, BLOCK, 5), frame(7, 0, 0, bytes(7) + b"\2bye"))[1:] == [
        PeerGoAway(2, 0)
    ]
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    assert len(wire.sent()) == 3


def test_a_graceful_end_waits_for_requests_on_their_way_and_for_those_in_progress():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    wire.connection.go_away()
    wire.connection.go_away()
    goaway, ping = wire.sent()
    assert goaway.payload == b"\x7f\xff\xff\xff" + bytes(4)
    # Sent before the client knew:
    assert type(wire.send(headers(3, BLOCK, 5))[0]) is Request
    wire.send(frame(frames.PING, 1, 0, ping.payload))
    (last,) = wire.sent()
    assert last == (frames.GOAWAY, 0, 0, b"\0\0\0\3" + bytes(4))
    assert wire.send(headers(5, BLOCK, 5)) == [Refused(5, ErrorCode.REFUSED_STREAM, "going_away")]
    assert wire.sent() == [(frames.RST_STREAM, 0, 5, b"\0\0\0\7")]
    for stream_id in (1, 3):
        assert not wire.connection.closed
        wire.connection.respond(stream_id, HEAD, b"x", TRAILERS)
    assert wire.connection.closed
    assert wire.connection.terminated is None


def test_a_later_end_takes_no_stream_back_that_was_refused():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    wire.connection.go_away()
    wire.connection.tick(10.0)
    wire.send(headers(3, BLOCK, 5))
    wire.send(data(0, b""))
    ends = [f.payload[:8] for f in wire.sent() if f.kind == frames.GOAWAY]
    assert ends == [b"\x7f\xff\xff\xff" + bytes(4), b"\0\0\0\1" + bytes(4), b"\0\0\0\1\0\0\0\1"]


def test_a_graceful_end_does_not_wait_for_ever_for_its_ping():
    wire = Wire()
    wire.connection.go_away()
    assert wire.connection.tick(0.9) == []
    assert not wire.connection.closed
    wire.connection.tick(1.0)
    assert wire.connection.closed
    assert [f.kind for f in wire.sent()] == [frames.GOAWAY, frames.PING, frames.GOAWAY]


def test_a_graceful_end_works_before_the_client_said_anything():
    connection: Connection[object] = Connection(list)
    connection.start()
    connection.go_away()
    connection.tick(0.0)
    assert not connection.closed
    connection.tick(1.0)
    assert connection.closed


def test_after_the_end_nothing_more_is_said():
    wire = Wire()
    wire.send(data(0, b""))
    wire.sent()
    wire.connection.go_away()
    assert wire.connection.tick(100.0) == []
    assert wire.sent() == []


def test_an_end_with_an_error_is_at_once():
    wire = Wire()
    wire.send(headers(1))
    wire.connection.go_away(ErrorCode.INTERNAL_ERROR, b"why")
    assert wire.sent() == [(frames.GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\2why")]
    assert wire.connection.closed
    wire.connection.respond(1, HEAD, b"x", TRAILERS)
    assert wire.sent() == []


def test_events_show_sizes_and_never_contents():
    shown = repr(Wire().send(headers(1), data(1, b"secret", True)))
    assert "secret" not in shown
    assert "gate" not in shown
    assert "data=<6 bytes>" in shown
    assert Data(1, b"x", 1, True) != Data(1, b"y", 1, True)
