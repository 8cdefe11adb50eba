"""The table of how bodies travel."""

import pytest

from callout.ext_proc.filter import Need
from callout.ext_proc.messages import BodyMode
from callout.ext_proc.modes import (
    BUFFERED_MOST,
    Choice,
    Kind,
    Way,
    choose,
    declared_length,
    request_kind,
    response_kind,
)
from callout.http.head import Headers, RequestHead, ResponseHead

NONE, STREAMED, BUFFERED, DUPLEX, GRPC = (
    BodyMode.NONE,
    BodyMode.STREAMED,
    BodyMode.BUFFERED,
    BodyMode.FULL_DUPLEX,
    BodyMode.GRPC,
)
PASS, FLOW, HOLD = Way.PASS, Way.FLOW, Way.HOLD
WHOLE, PIECES, NOTHING = Need.WHOLE, Need.STREAM, Need.NONE


@pytest.mark.parametrize(
    ("configured", "override", "need", "kind", "choice"),
    [
        # As it is configured.
        (NONE, False, NOTHING, Kind.PLAIN, Choice(NONE, PASS)),
        (NONE, False, WHOLE, Kind.PLAIN, Choice(NONE, PASS, "stale")),
        (GRPC, False, PIECES, Kind.GRPC, Choice(GRPC, PASS, "stale")),
        (BUFFERED, False, WHOLE, Kind.PLAIN, Choice(BUFFERED, HOLD)),
        (STREAMED, False, WHOLE, Kind.PLAIN, Choice(STREAMED, HOLD)),
        (STREAMED, False, PIECES, Kind.GRPC, Choice(STREAMED, FLOW)),
        (STREAMED, False, NOTHING, Kind.TUNNEL, Choice(STREAMED, PASS)),
        (STREAMED, False, PIECES, Kind.TUNNEL, Choice(STREAMED, PASS, "endless")),
        (DUPLEX, False, WHOLE, Kind.PLAIN, Choice(DUPLEX, HOLD)),
        (DUPLEX, False, WHOLE, Kind.GRPC, Choice(DUPLEX, PASS, "endless")),
        (DUPLEX, False, WHOLE, Kind.EVENTS, Choice(DUPLEX, PASS, "endless")),
        (DUPLEX, False, PIECES, Kind.EVENTS, Choice(DUPLEX, FLOW)),
        # As it is wanted.
        (BUFFERED, True, NOTHING, Kind.PLAIN, Choice(NONE, PASS)),
        (NONE, True, WHOLE, Kind.PLAIN, Choice(STREAMED, HOLD)),
        (BUFFERED, True, PIECES, Kind.PLAIN, Choice(STREAMED, FLOW)),
        (BUFFERED, True, WHOLE, Kind.TUNNEL, Choice(NONE, PASS, "endless")),
        (BUFFERED, True, WHOLE, Kind.EVENTS, Choice(NONE, PASS, "endless")),
        (GRPC, True, PIECES, Kind.GRPC, Choice(STREAMED, FLOW)),
    ],
)
def test_a_body_travels_as_the_table_says(
    configured: BodyMode, override: bool, need: Need, kind: Kind, choice: Choice
) -> None:
    assert choose(configured, override, need, kind, None, False, 1 << 20) == choice


@pytest.mark.parametrize(
    ("length", "most", "mode"),
    [
        (0, 100, BUFFERED),
        (100, 100, BUFFERED),
        (101, 100, STREAMED),
        (BUFFERED_MOST, 1 << 20, BUFFERED),
        (BUFFERED_MOST + 1, 1 << 20, STREAMED),
    ],
)
def test_what_is_short_is_buffered(length: int, most: int, mode: BodyMode) -> None:
    assert choose(NONE, True, WHOLE, Kind.PLAIN, length, False, most) == Choice(mode, HOLD)


def test_what_announces_trailers_is_buffered() -> None:
    assert choose(NONE, True, WHOLE, Kind.PLAIN, None, True, 100) == Choice(BUFFERED, HOLD)


def _request(*fields: tuple[bytes, bytes], method: bytes = b"POST", end: bool = False) -> Kind:
    return request_kind(RequestHead(method, b"", b"", b"/", b"", Headers(fields)), end)


def test_kinds_of_requests() -> None:
    upgrade = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    assert _request() is Kind.PLAIN
    assert _request(end=True) is Kind.BODYLESS
    assert _request(method=b"CONNECT") is Kind.TUNNEL
    assert _request(*upgrade, method=b"GET") is Kind.TUNNEL
    assert _request(*upgrade) is Kind.PLAIN
    for value in (b"application/grpc", b"Application/GRPC+proto ; x=1", b"application/grpc-web"):
        assert _request((b"content-type", value)) is Kind.GRPC
    assert _request((b"content-type", b"text/event-stream")) is Kind.PLAIN


def test_kinds_of_responses() -> None:
    def kind(
        *fields: tuple[bytes, bytes], status: int = 200, end: bool = False, connect: bool = False
    ) -> Kind:
        return response_kind(ResponseHead(status, Headers(fields)), end, connect)

    assert kind() is Kind.PLAIN
    assert kind(end=True) is Kind.BODYLESS
    assert kind(status=101) is Kind.TUNNEL
    assert kind(connect=True) is Kind.TUNNEL
    assert kind(status=403, connect=True) is Kind.PLAIN
    assert kind((b"content-type", b"application/grpc")) is Kind.GRPC
    assert kind((b"content-type", b"text/event-stream;charset=utf-8")) is Kind.EVENTS


def test_a_length_is_believed_when_there_is_one() -> None:
    assert declared_length((b"17",)) == 17
    for values in ((), (b"1", b"1"), (b"-1",), (b"",), (b"1" * 19,), (b"\xb2",)):
        assert declared_length(values) is None
