"""RFC 9113, 6.2, 6.10 and 8.1 to 8.3: header blocks and what a request must look like."""

import pytest

from callout.http2 import frames
from callout.http2.errors import ErrorCode
from callout.http2.events import Data, Refused, Request, Reset, Trailers
from callout.http2.hpack import literal_block
from tests.callout.http2.wire import BLOCK, HEADERS_LIST, TRAILERS, Wire, data, frame, headers

PSEUDO = HEADERS_LIST[:4]


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in HEADERS_LIST if field[0] != name]


MALFORMED = [
    ("upper case", [*PSEUDO, (b"X-a", b"1")], "header_name"),
    ("empty name", [*PSEUDO, (b"", b"1")], "header_name"),
    ("space in a name", [*PSEUDO, (b"a b", b"1")], "header_name"),
    ("newline in a name", [*PSEUDO, (b"a\nb", b"1")], "header_name"),
    ("nul in a name", [*PSEUDO, (b"a\0", b"1")], "header_name"),
    ("byte over 0x7f in a name", [*PSEUDO, (b"\xe4", b"1")], "header_name"),
    ("no fields", [], "header_name"),
    ("nul in a value", [*PSEUDO, (b"a", b"1\x002")], "header_value"),
    ("cr in a value", [*PSEUDO, (b"a", b"1\r2")], "header_value"),
    ("lf in a value", [*PSEUDO, (b"a", b"1\nb: 2")], "header_value"),
    ("lf in a path", [(b":path", b"/\n"), *PSEUDO[:2]], "header_value"),
    ("blank before a value", [*PSEUDO, (b"a", b" 1")], "header_value"),
    ("tab after a value", [*PSEUDO, (b"a", b"1\t")], "header_value"),
    ("blank value", [*PSEUDO, (b"a", b" ")], "header_value"),
    ("no method", without(b":method"), "pseudo_headers"),
    ("no scheme", without(b":scheme"), "pseudo_headers"),
    ("no path", without(b":path"), "pseudo_headers"),
    ("two methods", [PSEUDO[0], *HEADERS_LIST], "pseudo_headers"),
    ("two authorities", [PSEUDO[3], *HEADERS_LIST], "pseudo_headers"),
    ("empty path", [*PSEUDO[:2], (b":path", b"")], "pseudo_headers"),
    ("empty method", [(b":method", b""), *PSEUDO[1:]], "pseudo_headers"),
    ("a status", [*PSEUDO, (b":status", b"200")], "pseudo_headers"),
    ("a protocol", [*PSEUDO, (b":protocol", b"websocket")], "pseudo_headers"),
    ("an unknown one", [*PSEUDO, (b":x", b"1")], "pseudo_headers"),
    ("a pseudo-header last", [*PSEUDO[:3], (b"a", b"1"), PSEUDO[3]], "pseudo_headers"),
    ("a known one with a colon within", [*PSEUDO, (b"a:b", b"1")], "pseudo_headers"),
    ("connect with a path", [(b":method", b"CONNECT"), *PSEUDO[1:]], "pseudo_headers"),
    ("only method and authority", [PSEUDO[0], PSEUDO[3]], "pseudo_headers"),
    ("connection", [*PSEUDO, (b"connection", b"close")], "connection_header"),
    ("keep-alive", [*PSEUDO, (b"keep-alive", b"1")], "connection_header"),
    ("proxy-connection", [*PSEUDO, (b"proxy-connection", b"x")], "connection_header"),
    ("transfer-encoding", [*PSEUDO, (b"transfer-encoding", b"chunked")], "connection_header"),
    ("upgrade", [*PSEUDO, (b"upgrade", b"h2c")], "connection_header"),
    ("te of another value", [*PSEUDO, (b"te", b"trailers, gzip")], "te"),
    ("length in letters", [*PSEUDO, (b"content-length", b"x")], "content_length"),
    ("negative length", [*PSEUDO, (b"content-length", b"-1")], "content_length"),
    ("empty length", [*PSEUDO, (b"content-length", b"")], "content_length"),
    ("length of 30 digits", [*PSEUDO, (b"content-length", b"1" * 30)], "content_length"),
    (
        "two lengths",
        [*PSEUDO, (b"content-length", b"1"), (b"content-length", b"2")],
        "content_length",
    ),
    ("another host", [*PSEUDO, (b"host", b"other")], "host"),
    ("two hosts", [*PSEUDO[:3], (b"host", b"a"), (b"host", b"b")], "host"),
]

VALID = [
    ("as usual", HEADERS_LIST),
    ("pseudo-headers in another order", [*reversed(PSEUDO), (b"a", b"1")]),
    ("no authority", PSEUDO[:3]),
    ("empty value", [*PSEUDO, (b"a", b"")]),
    ("blanks within a value", [*PSEUDO, (b"user-agent", b"a b\tc")]),
    ("bytes over 0x7f in a value", [*PSEUDO, (b"a", b"\xe4\xff")]),
    ("every sign of a token", [*PSEUDO, (b"!#$%&'*+-.^_`|~09az", b"1")]),
    ("connect", [(b":method", b"CONNECT"), PSEUDO[3]]),
    ("the same host twice", [*PSEUDO, (b"host", b"GATE")]),
    ("colons in values", [*PSEUDO, (b"a", b"::"), (b"b", b":status")]),
    ("the same length twice", [*PSEUDO, (b"content-length", b"7"), (b"content-length", b"7")]),
]


@pytest.mark.parametrize(
    ("fields", "reason"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_a_malformed_request_is_reset_and_the_connection_goes_on(fields, reason):
    wire = Wire()
    (event,) = wire.send(headers(1, literal_block(fields)))
    assert event == Refused(1, ErrorCode.PROTOCOL_ERROR, reason)
    assert wire.sent() == [(frames.RST_STREAM, 0, 1, b"\0\0\0\1")]
    assert wire.seen == []
    assert type(wire.send(headers(3))[0]) is Request


@pytest.mark.parametrize("fields", [row[1] for row in VALID], ids=[row[0] for row in VALID])
def test_a_valid_request_is_reported_with_its_headers(fields):
    wire = Wire()
    assert wire.send(headers(1, literal_block(fields))) == [Request(1, tuple(fields), False)]


def test_the_tables_are_complete():
    assert (len(MALFORMED), len(VALID)) == (41, 11)


def test_a_request_without_body_ends_the_stream():
    assert Wire().send(headers(1, BLOCK, 5)) == [Request(1, tuple(HEADERS_LIST), True)]


def test_padding_and_priority_are_removed():
    wire = Wire()
    payload = b"\3" + b"\0\0\0\7\x10" + BLOCK + bytes(3)
    assert wire.send(headers(1, payload, 4 | 8 | 0x20)) == [Request(1, tuple(HEADERS_LIST), False)]


def test_a_block_may_be_cut_into_continuation_frames_anywhere():
    for cut in range(len(BLOCK) + 1):
        wire = Wire()
        events = wire.send(
            headers(1, BLOCK[:cut], 0x1), frame(frames.CONTINUATION, 4, 1, BLOCK[cut:])
        )
        assert events == [Request(1, tuple(HEADERS_LIST), True)]


def test_undefined_flags_and_the_reserved_bit_are_ignored():
    wire = Wire()
    assert len(wire.send(headers(1 | 1 << 31, BLOCK, 0x04 | 0xD2))) == 1
    assert len(wire.send(data(1 | 1 << 31, b"x"))) == 1


CONNECTION_ERRORS = [
    ("stream 0", headers(0), ErrorCode.PROTOCOL_ERROR, "stream_id"),
    ("an even stream", headers(2), ErrorCode.PROTOCOL_ERROR, "stream_id"),
    ("padding as long as the frame", headers(1, b"\1", 12), ErrorCode.PROTOCOL_ERROR, "padding"),
    ("padded but empty", headers(1, b"", 12), ErrorCode.FRAME_SIZE_ERROR, "padding"),
    ("priority cut off", headers(1, bytes(4), 0x24), ErrorCode.FRAME_SIZE_ERROR, "priority"),
    ("larger than allowed", headers(1, bytes(16_385)), ErrorCode.FRAME_SIZE_ERROR, "frame_size"),
    ("invalid hpack", headers(1, b"\x80"), ErrorCode.COMPRESSION_ERROR, "hpack"),
    (
        "continuation of nothing",
        frame(frames.CONTINUATION, 4, 1, BLOCK),
        ErrorCode.PROTOCOL_ERROR,
        "continuation",
    ),
    (
        "another stream's continuation",
        headers(1, BLOCK, 0) + frame(frames.CONTINUATION, 4, 3, b""),
        ErrorCode.PROTOCOL_ERROR,
        "continuation",
    ),
    (
        "another frame within a block",
        headers(1, BLOCK, 0) + frame(frames.PING, 0, 0, bytes(8)),
        ErrorCode.PROTOCOL_ERROR,
        "continuation",
    ),
    (
        "an unknown frame within a block",
        headers(1, BLOCK, 0) + frame(0x99, 0, 1),
        ErrorCode.PROTOCOL_ERROR,
        "continuation",
    ),
    (
        "headers within a block",
        headers(1, BLOCK, 0) + headers(3),
        ErrorCode.PROTOCOL_ERROR,
        "continuation",
    ),
]


@pytest.mark.parametrize(
    ("bad", "code", "reason"),
    [row[1:] for row in CONNECTION_ERRORS],
    ids=[row[0] for row in CONNECTION_ERRORS],
)
def test_broken_header_frames_end_the_connection(bad, code, reason):
    wire = Wire()
    assert wire.send(bad)[-1].reason == reason
    assert wire.ended_by() == (code, reason)


def test_there_is_a_row_for_every_header_frame_error():
    assert len(CONNECTION_ERRORS) == 12


def test_data_within_a_block_is_an_error_even_for_an_open_stream():
    wire = Wire()
    wire.send(headers(1), headers(3, BLOCK, 0), data(1, b"x"))
    assert wire.ended_by() == (ErrorCode.PROTOCOL_ERROR, "continuation")


def test_a_request_that_depends_on_itself_is_reset():
    wire = Wire()
    events = wire.send(headers(1, b"\0\0\0\1\0" + BLOCK, 0x24))
    assert events == [Refused(1, ErrorCode.PROTOCOL_ERROR, "priority")]


def test_trailers_end_the_request():
    wire = Wire()
    events = wire.send(headers(1), data(1, b"x"), headers(1, literal_block([(b"a", b"b")]), 5))
    assert events[1:] == [Data(1, b"x", 1, False), Trailers(1, [(b"a", b"b")])]
    wire.connection.respond(1, BLOCK, b"y", TRAILERS)
    assert wire.connection.open_streams == 0


BAD_TRAILERS = [
    ("without end of stream", [(b"a", b"b")], 4),
    ("pseudo-header", [(b":method", b"GET")], 5),
    ("upper case", [(b"A", b"b")], 5),
    ("bad value", [(b"a", b"b\n")], 5),
    ("connection header", [(b"connection", b"close")], 5),
]


@pytest.mark.parametrize(
    ("fields", "flags"), [row[1:] for row in BAD_TRAILERS], ids=[row[0] for row in BAD_TRAILERS]
)
def test_malformed_trailers_reset_the_stream(fields, flags):
    wire = Wire()
    events = wire.send(headers(1), headers(1, literal_block(fields), flags))
    assert events[1:] == [Reset(1, ErrorCode.PROTOCOL_ERROR)]
    assert wire.sent() == [(frames.RST_STREAM, 0, 1, b"\0\0\0\1")]


def with_length(size: int) -> bytes:
    return literal_block([*PSEUDO, (b"content-length", b"%d" % size)])


LENGTHS = [
    ("exact in one frame", 4, [data(1, b"abcd", True)], True),
    ("exact in several frames", 4, [data(1, b"ab"), data(1, b"cd"), data(1, b"", True)], True),
    ("exact with trailers", 2, [data(1, b"ab"), headers(1, b"", 5)], True),
    ("zero and no data", 0, [data(1, b"", True)], True),
    ("padding is not counted", 1, [frame(0, 9, 1, b"\3x\0\0\0")], True),
    ("too little", 4, [data(1, b"abc", True)], False),
    ("too much", 4, [data(1, b"abcde")], False),
    ("too much later", 4, [data(1, b"abcd"), data(1, b"e")], False),
    ("too little before trailers", 4, [data(1, b"abc"), headers(1, b"", 5)], False),
]


@pytest.mark.parametrize(
    ("size", "pieces", "fits"), [row[1:] for row in LENGTHS], ids=[row[0] for row in LENGTHS]
)
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("memoised", [False, True])
def test_content_length_is_held_against_the_data(size, pieces, fits, answered, memoised):
    wire = Wire()
    if memoised:
        wire.send(headers(1, with_length(size)))
        wire.connection.reset(1, ErrorCode.NO_ERROR)
        pieces = [_on_stream_3(each) for each in pieces]
    wire.send(headers(3 if memoised else 1, with_length(size)))
    assert len(wire.seen) == 1
    if answered:
        wire.connection.respond(3 if memoised else 1, BLOCK, b"x", TRAILERS)
    wire.sent()
    wire.send(*pieces)
    resets = [f for f in wire.sent() if f.kind == frames.RST_STREAM]
    assert (resets == []) is fits
    assert not wire.connection.closed


def _on_stream_3(sent: bytes) -> bytes:
    return sent[:5] + (3).to_bytes(4, "big") + sent[9:]


def test_a_length_with_no_body_at_all_is_malformed_memoised_or_not():
    wire = Wire()
    assert type(wire.send(headers(1, with_length(1)))[0]) is Request
    assert wire.send(headers(3, with_length(1), 5))[0].reason == "content_length"


def test_a_length_with_no_body_at_all_is_malformed():
    wire = Wire()
    assert wire.send(headers(1, with_length(1), 5))[0].reason == "content_length"
    assert type(wire.send(headers(3, with_length(0), 5))[0]) is Request


def test_repeated_blocks_are_interpreted_once_until_the_table_changes():
    wire = Wire()
    indexed = literal_block([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/")])
    first, second = wire.send(headers(1, indexed), headers(3, indexed))
    assert first.head is second.head
    assert len(wire.seen) == 1
    added = wire.send(headers(5, indexed + b"\x40\1a\1b"), headers(7, indexed + b"\xbe"))
    assert added[1].head[-1] == (b"a", b"b")
    again = wire.send(headers(9, indexed + b"\xbe"))
    assert again[0].head is added[1].head
    # The same bytes mean something else when the table has changed.
    changed = wire.send(headers(11, indexed + b"\x40\1a\1c"), headers(13, indexed + b"\xbe"))
    assert changed[1].head[-1] == (b"a", b"c")


def test_a_memoised_block_obeys_the_limit_of_streams_and_the_order_of_identifiers():
    wire = Wire()
    wire.send(headers(1), headers(3))
    assert type(wire.send(headers(7))[0]) is Request
    wire.send(headers(5))
    assert wire.ended_by() == (ErrorCode.PROTOCOL_ERROR, "stream_id")


def test_more_different_blocks_than_the_memo_holds_are_still_right():
    wire = Wire()
    for number in range(200):
        fields = [*PSEUDO, (b"n", b"%d" % number)]
        for stream_id in (4 * number + 1, 4 * number + 3):
            (event,) = wire.send(headers(stream_id, literal_block(fields), 5))
            assert event.head == tuple(fields)
            wire.connection.respond(stream_id, BLOCK, b"x", TRAILERS)
    assert len(wire.connection._memo) <= 64
