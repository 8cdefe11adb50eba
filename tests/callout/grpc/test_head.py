from collections.abc import AsyncIterator

import pytest

from callout.grpc import answers
from callout.grpc.call import Call, Face, Reply, Streaming, Unary
from callout.grpc.head import Head, Interpreter
from callout.grpc.methods import Methods


def echo(message: bytes, _call: Call) -> bytes:
    return message


async def chat(messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
    async for message in messages:
        yield message


CHECK, CHAT = Unary("/shop.Gate/Check", echo), Streaming("/shop.Gate/Chat", chat)
interpret = Interpreter(Methods([Face("gate", "shop.Gate", (CHECK, CHAT))]))

FIELDS = {
    b":method": b"POST",
    b":scheme": b"http",
    b":path": b"/shop.Gate/Check",
    b":authority": b"gate",
    b"content-type": b"application/grpc",
    b"te": b"trailers",
}


def headers(**changes: str) -> list[tuple[bytes, bytes]]:
    changed = {name.replace("_", "-").encode(): value.encode() for name, value in changes.items()}
    fields = FIELDS | {(b":" if b":" + n in FIELDS else b"") + n: v for n, v in changed.items()}
    return list(fields.items())


def test_a_unary_call_has_its_handler_at_hand() -> None:
    head = interpret(headers(grpc_timeout="20m"))

    assert isinstance(head, Head)
    assert head.method is CHECK
    assert head.unary is echo
    assert head.timeout == pytest.approx(0.02)
    assert not head.gzip
    assert (b"te", b"trailers") in head.metadata


def test_a_streaming_call_has_none() -> None:
    head = interpret(headers(path="/shop.Gate/Chat", grpc_encoding="gzip"))

    assert isinstance(head, Head)
    assert head.method is CHAT
    assert head.unary is None
    assert head.timeout is None
    assert head.gzip


@pytest.mark.parametrize(
    "content_type",
    [
        "application/grpc",
        "application/grpc+proto",
        "Application/GRPC",
        "application/grpc; charset=utf-8",
    ],
)
def test_these_content_types_are_grpc(content_type: str) -> None:
    assert isinstance(interpret(headers(content_type=content_type)), Head)


@pytest.mark.parametrize(
    "content_type",
    ["", "application/grpc-web", "application/grpc+json", "application/json", "application/grpcx"],
)
def test_other_content_types_are_not(content_type: str) -> None:
    assert interpret(headers(content_type=content_type)) is answers.NOT_GRPC


def test_no_content_type_is_no_grpc() -> None:
    fields = [each for each in headers() if each[0] != b"content-type"]

    assert interpret(fields) is answers.NOT_GRPC


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"method": "GET"}, answers.NOT_POST),
        ({"method": "GET", "content_type": "text/html"}, answers.NOT_GRPC),
        ({"path": "/shop.Gate/Other"}, answers.UNKNOWN_METHOD),
        ({"path": "/other.Gate/Check"}, answers.UNKNOWN_SERVICE),
        ({"grpc_encoding": "snappy"}, answers.UNKNOWN_ENCODING),
        ({"grpc_encoding": ""}, answers.UNKNOWN_ENCODING),
        ({"grpc_timeout": "soon"}, answers.BAD_TIMEOUT),
        ({"grpc_timeout": ""}, answers.BAD_TIMEOUT),
    ],
)
def test_what_cannot_be_answered_is_refused(changes: dict[str, str], answer: object) -> None:
    assert interpret(headers(**changes)) is answer


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        (b"content-type", b"application/grpc", answers.NOT_GRPC),
        (b"grpc-encoding", b"gzip", answers.UNKNOWN_ENCODING),
        (b"grpc-timeout", b"1S", answers.BAD_TIMEOUT),
    ],
)
def test_a_header_that_says_two_things_is_nonsense(
    name: bytes, value: bytes, answer: object
) -> None:
    fields = [each for each in headers() if each[0] != name]

    assert interpret([*fields, (name, value), (name, value)]) is answer


def test_other_headers_may_repeat() -> None:
    assert isinstance(interpret([*headers(), (b"x", b"1"), (b"x", b"2")]), Head)
