"""RFC 9113, 3.4 and 6.5: the preface and settings."""

import pytest

from callout.http2 import frames
from callout.http2.connection import Connection
from callout.http2.errors import ErrorCode
from callout.http2.limits import Limits
from tests.callout.http2.wire import (
    ACK,
    BLOCK,
    DEFAULTS,
    GREETING,
    HEAD,
    Wire,
    data,
    frame,
    headers,
    read,
    settings,
    update,
)


def fresh(limits: Limits = DEFAULTS) -> Connection[object]:
    connection: Connection[object] = Connection(list, limits)
    connection.start()
    return connection


def test_the_server_speaks_first_with_its_settings_and_a_larger_connection_window():
    limits = Limits(max_streams=7, header_list=2000, connection_window=100_000)
    first, second = read(fresh(limits).outgoing())
    assert first.kind == frames.SETTINGS
    said = {
        int.from_bytes(first.payload[at : at + 2], "big"): int.from_bytes(
            first.payload[at + 2 : at + 6], "big"
        )
        for at in range(0, len(first.payload), 6)
    }
    assert said == {1: 4096, 3: 7, 4: limits.stream_window, 5: 16384, 6: 2000}
    assert second == (frames.WINDOW_UPDATE, 0, 0, (100_000 - 65_535).to_bytes(4, "big"))


def test_no_window_update_is_sent_when_the_connection_window_is_the_default():
    assert len(read(fresh(Limits(connection_window=65_535)).outgoing())) == 1


def test_settings_of_the_client_are_acknowledged():
    connection = fresh()
    connection.outgoing()
    assert connection.receive(frames.PREFACE + settings((3, 5), (99, 1)), 0.0) == []
    assert read(connection.outgoing()) == [(frames.SETTINGS, frames.ACK, 0, b"")]
    assert not connection.closed


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nhost: gate\r\n\r\n",
        b"\x16\x03\x01",
        frames.PREFACE[:-1] + b"X",
        frames.PREFACE + frame(frames.PING, 0, 0, bytes(8)),
        frames.PREFACE + ACK,
        frames.PREFACE + headers(1),
    ],
    ids=["http/1.1", "tls", "last byte", "no settings", "ack first", "request first"],
)
def test_a_wrong_preface_ends_the_connection(greeting):
    connection = fresh()
    (event,) = connection.receive(greeting, 0.0)
    assert (event.code, event.reason) == (ErrorCode.PROTOCOL_ERROR, "preface")
    assert connection.closed
    assert connection.receive(GREETING + headers(1), 1.0) == []


SETTINGS_ERRORS = [
    ("push of 2", settings((2, 2)), ErrorCode.PROTOCOL_ERROR),
    ("window of 2^31", settings((4, 2**31)), ErrorCode.FLOW_CONTROL_ERROR),
    ("frame size under 2^14", settings((5, 2**14 - 1)), ErrorCode.PROTOCOL_ERROR),
    ("frame size of 2^24", settings((5, 2**24)), ErrorCode.PROTOCOL_ERROR),
    ("five bytes", frame(frames.SETTINGS, 0, 0, bytes(5)), ErrorCode.FRAME_SIZE_ERROR),
    ("ack with payload", frame(frames.SETTINGS, 1, 0, bytes(6)), ErrorCode.FRAME_SIZE_ERROR),
    ("on a stream", frame(frames.SETTINGS, 0, 1, b""), ErrorCode.PROTOCOL_ERROR),
]


@pytest.mark.parametrize(
    ("bad", "code"), [row[1:] for row in SETTINGS_ERRORS], ids=[row[0] for row in SETTINGS_ERRORS]
)
def test_wrong_settings_end_the_connection(bad, code):
    wire = Wire()
    wire.send(bad)
    assert wire.ended_by() == (code, "settings")


def test_there_is_a_row_for_every_rule_of_settings():
    assert len(SETTINGS_ERRORS) == 7


def test_the_last_value_of_a_repeated_setting_counts():
    wire = Wire()
    wire.send(settings((4, 1), (4, 10)), headers(1, BLOCK, 5))
    wire.sent()
    wire.connection.send_headers(1, HEAD)
    wire.connection.send_data(1, b"x" * 20, True)
    assert [f.payload for f in wire.sent() if f.kind == frames.DATA] == [b"x" * 10]


def test_a_smaller_initial_window_makes_windows_negative_and_updates_bring_them_back():
    wire = Wire()
    wire.send(headers(1, BLOCK, 5))
    wire.connection.send_headers(1, HEAD)
    assert wire.connection.send_data(1, b"x" * 60_000)
    wire.send(settings((4, 10)))  # the window is 65535 - 60000 - 65525 = -59990 now
    assert not wire.connection.send_data(1, b"yz", True)
    wire.sent()
    assert wire.send(update(1, 59_990)) == []
    assert wire.sent() == []
    (drained,) = wire.send(update(1, 2))
    assert drained.stream_id == 1
    assert wire.sent() == [(frames.DATA, 1, 1, b"yz")]
    assert wire.connection.open_streams == 0


def test_an_initial_window_that_makes_a_stream_window_overflow_ends_the_connection():
    wire = Wire()
    wire.send(headers(1), update(1, 2**31 - 1 - 65_535), settings((4, 65_536)))
    assert wire.ended_by() == (ErrorCode.FLOW_CONTROL_ERROR, "window_overflow")


def test_a_client_that_shrinks_its_table_hears_that_ours_is_empty_before_the_next_block():
    wire = Wire()
    wire.send(settings((1, 100)), headers(1, BLOCK, 5), headers(3, BLOCK, 5))
    wire.sent()
    wire.connection.respond(1, HEAD, b"x", HEAD)
    wire.connection.respond(3, HEAD, b"x", HEAD)
    blocks = [f.payload for f in wire.sent() if f.kind == frames.HEADERS]
    assert blocks == [b"\x20" + HEAD, HEAD, HEAD, HEAD]


def test_settings_that_are_never_acknowledged_end_the_connection():
    connection = fresh()
    connection.receive(frames.PREFACE + settings(), 100.0)
    assert connection.tick(109.9) == []
    (event,) = connection.tick(110.0)
    assert (event.code, event.reason) == (ErrorCode.SETTINGS_TIMEOUT, "settings_timeout")


def test_a_client_that_says_nothing_is_ended_too():
    connection = fresh()
    assert connection.tick(5.0) == []
    assert connection.tick(15.0)[0].reason == "settings_timeout"


def test_before_the_acknowledgement_a_client_may_use_the_default_window():
    limits = Limits(stream_window=1000)
    wire = Wire(limits, frames.PREFACE + settings())
    wire.send(headers(1), data(1, bytes(5000)))
    assert wire.sent() == []
    wire.send(ACK, headers(3), data(3, bytes(1001)))
    (refusal,) = wire.sent()
    assert refusal == (frames.RST_STREAM, 0, 3, ErrorCode.FLOW_CONTROL_ERROR.to_bytes(4, "big"))
