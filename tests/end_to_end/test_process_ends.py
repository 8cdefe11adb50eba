"""How exchanges end through a real Envoy: blocked, failed, aborted, endless, many at once."""

import asyncio
import itertools
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callout.ext_proc.filter import Block, Need
from callout.ext_proc.plan import Plan, Side
from callout.testing import tools
from tests.end_to_end.process_clients import chunks, connected, head, http1, http2
from tests.end_to_end.process_gateway import (
    ENDLESS,
    FAILED,
    OVER,
    Gateway,
    Looking,
    door,
    plan,
)

DOORS = {
    "none, overridden": door(override=True),
    "buffered": door("BUFFERED", "BUFFERED"),
    "streamed": door("STREAMED", "STREAMED", trailers="SEND"),
    "duplex": door("FULL_DUPLEX_STREAMED", "FULL_DUPLEX_STREAMED"),
    "none": door(),
}
FORGIVING = {
    f"{name}, forgiving": {**config, "failure_mode_allow": True} for name, config in DOORS.items()
}
SEEING = ["none, overridden", "buffered", "streamed", "duplex"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    tools.require("envoy")
    made = Gateway(Path(tmp_path_factory.mktemp("process")), DOORS | FORGIVING)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def clean(gateway: Gateway) -> Iterator[None]:
    gateway.seen.clear()
    gateway.notes.clear()
    gateway.errors.clear()
    yield
    gateway.raise_at = ""
    _until(lambda: gateway.open == 0)
    assert gateway.budget.held == 0


def _until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


def _with(gateway: Gateway, *filters: Looking, **more: object) -> list[tuple[str, str]]:
    """The next request's plan; the header that asks for it."""
    made = plan(*filters, **more)  # type: ignore[arg-type]
    gateway.plans[b"this"] = lambda: made
    return [("x-plan", "this")]


# Blocked.


@pytest.mark.parametrize("door_", SEEING)
@pytest.mark.parametrize("need", [Need.STREAM, Need.WHOLE])
def test_a_body_that_is_blocked_never_reaches_the_upstream(
    gateway: Gateway, door_: str, need: Need
) -> None:
    for body in (b"evil", b"x" * 100_000 + b"evil", chunks(b"abc" * 50 + b"evil", 30)):
        fields = _with(gateway, Looking(need, block=b"evil"))
        answer = http1(gateway.door(door_), "/echo", body, fields=fields)

        assert (answer.status, answer.body) == (403, b"blocked by the filter\n")
        assert not gateway.seen
        assert gateway.notes.pop() == ("request", "blocked")


@pytest.mark.parametrize("door_", SEEING)
def test_a_response_that_is_blocked_never_reaches_the_client(gateway: Gateway, door_: str) -> None:
    class Response(Looking):
        def request_need(self) -> Need:
            return Need.NONE

    for path, body in itertools.product(
        ("/echo", "/chunked/1000"), (b"evil", b"x" * 100_000 + b"evil")
    ):
        fields = _with(gateway, Response(Need.WHOLE, block=b"evil"))
        answer = http1(gateway.door(door_), path, body, fields=fields)

        assert b"x" not in answer.body
        assert answer.status == 403 or not answer.whole
        if door_ in ("buffered", "duplex"):
            # The head was held, too.
            assert (answer.status, answer.body) == (403, b"blocked by the filter\n")


def test_the_access_log_can_tell_why(gateway: Gateway) -> None:
    headers = ((b"content-type", b"text/html"), (b"x-why", b"waf"))
    findings = {"waf": {"score": 15}, "not received": {"score": 1}}
    gateway.plans[b"refused"] = lambda: Block(429, "waf 942100", headers, b"<p>", metadata=findings)

    answer = http1(gateway.door("none"), "/", fields=[("x-plan", "refused")])

    assert (answer.status, answer.body) == (429, b"<p>")
    assert answer.headers[b"content-type"] == b"text/html"
    assert answer.headers[b"x-why"] == b"waf"
    assert answer.headers[b"x-details"] == b"waf_942100"
    assert answer.headers[b"x-score"] == b"15"


@pytest.mark.parametrize("door_", SEEING)
def test_a_body_over_the_limit_is_refused_or_passes_as_it_is_written(
    gateway: Gateway, door_: str
) -> None:
    for body in (b"x" * 2000, chunks(b"x" * 2000, 300)):
        fields = _with(gateway, Looking(), most=1000)
        answer = http1(gateway.door(door_), "/echo", body, fields=fields)
        assert answer.status == OVER.status
        assert not gateway.seen
    looking = Looking(change=bytes.upper)
    fields = _with(gateway, looking, most=1000, over=None)
    answer = http1(gateway.door(door_), "/echo", chunks(b"x" * 2000, 300), fields=fields)
    assert answer.body == b"X" * 1000 + b"x" * 1000
    assert looking.seen == {"request_body": [b"x" * 1000], "response_body": [b"X" * 1000]}
    assert list(gateway.notes)[-2:] == [("request", "over"), ("response", "over")]


def test_a_gateway_that_sends_no_bodies_is_stale(gateway: Gateway) -> None:
    answer = http1(gateway.door("none"), "/echo", b"hello", fields=_with(gateway, Looking()))

    assert answer.status == FAILED.status
    assert list(gateway.notes) == [("request", "stale")]


# Failed.


@pytest.mark.parametrize("door_", [*SEEING, "none"])
@pytest.mark.parametrize("step", ["1", "2", "3", "4"])
def test_nothing_passes_when_the_handler_fails(gateway: Gateway, door_: str, step: str) -> None:
    gateway.raise_at = step
    before = gateway.options.counters.handler_errors

    answer = http1(
        gateway.door(door_),
        "/echo",
        chunks(b"hello", 5),
        fields=_with(gateway, Looking(Need.NONE if door_ == "none" else Need.STREAM)),
    )

    if gateway.options.counters.handler_errors == before:
        assert answer.body == b"hello"  # the exchange had not so many steps
    else:
        assert answer.status == 500 or not answer.whole
        assert b"hello" not in answer.body


@pytest.mark.parametrize(
    ("door_", "method"),
    [
        *itertools.product([*SEEING, "none"], ["request_head", "response_head"]),
        *itertools.product(SEEING, ["request_body", "response_body"]),
    ],
)
def test_a_filter_that_fails_is_answered_as_it_is_written_even_by_a_gateway_that_forgives(
    gateway: Gateway, door_: str, method: str
) -> None:
    need = Need.NONE if door_ == "none" else Need.WHOLE
    answer = http1(
        gateway.door(f"{door_}, forgiving"),
        "/echo",
        b"hello",
        fields=_with(gateway, Looking(need, raises=method)),
    )

    assert b"hello" not in answer.body
    assert answer.status == 500 or not answer.whole
    assert len(gateway.errors) == 1


# Aborted.


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("door_", SEEING)
@pytest.mark.parametrize("need", [Need.STREAM, Need.WHOLE])
@pytest.mark.parametrize("step", ["head", "body", "response"])
def test_a_client_that_leaves_leaves_nothing(
    gateway: Gateway, door_: str, need: Need, step: str
) -> None:
    looking = Looking(need)
    begun = gateway.streams
    [plan_field] = _with(gateway, looking)
    path = "/paced" if step == "response" else "/echo"
    with connected(gateway.door(door_)) as sock:
        sock.sendall(head("POST", path, [plan_field, ("transfer-encoding", "chunked")]))
        if step != "head":
            sock.sendall(b"5\r\nhello\r\n")
        if step == "response":
            sock.sendall(b"0\r\n\r\n")
            gateway.pace()
            _until(lambda: gateway.seen)
        _until(lambda: gateway.streams == begun + 1)
        _reset(sock)
    _until(lambda: gateway.open == 0)

    assert looking.finished == 1
    assert gateway.budget.held == 0
    if step == "response":
        gateway.pace()
        gateway.pace()


@pytest.mark.parametrize("door_", SEEING)
@pytest.mark.parametrize("need", [Need.STREAM, Need.WHOLE])
@pytest.mark.parametrize("path", ["/drop-at-head", "/drop-before-head", "/drop-in-body"])
def test_an_upstream_that_leaves_is_no_success(
    gateway: Gateway, door_: str, need: Need, path: str
) -> None:
    looking = Looking(need)
    body = chunks(b"hello" * 1000, 1000)

    answer = http1(gateway.door(door_), path, body, fields=_with(gateway, looking))

    assert answer.status in (500, 502, 503) or not answer.whole
    _until(lambda: gateway.open == 0)
    assert looking.finished == 1


# Endless.

UPGRADE = [("connection", "Upgrade"), ("upgrade", "websocket")]


@pytest.mark.parametrize("door_", ["none, overridden", "none", "streamed", "duplex"])
def test_a_websocket_passes_where_it_is_written_and_only_there(
    gateway: Gateway, door_: str
) -> None:
    need = Need.NONE if door_ == "none" else Need.WHOLE
    if need is Need.WHOLE:
        fields = _with(gateway, Looking(need))
        answer = http1(gateway.door(door_), "/", method="GET", fields=[*fields, *UPGRADE])
        assert answer.status == ENDLESS.status
    looking = Looking(need)
    side = Side(most=1000, over=OVER, endless=None)
    gateway.plans[b"this"] = lambda: Plan(
        filters=(looking,), request=side, response=side, failed=FAILED
    )
    with connected(gateway.door(door_)) as sock:
        sock.sendall(head("GET", "/", [("x-plan", "this"), *UPGRADE]))
        file = sock.makefile("rb")
        assert b" 101 " in file.readline()
        while file.readline() != b"\r\n":
            pass
        for word in (b"one", b"two", b"three"):
            sock.sendall(word)
            assert file.read(len(word)) == word.upper()
        file.close()
    assert looking.seen == (
        {} if need is Need.NONE else {"request_body": [b""], "response_body": [b""]}
    )


@pytest.mark.parametrize("door_", ["none, overridden", "none", "streamed", "duplex"])
def test_events_are_not_kept(gateway: Gateway, door_: str) -> None:
    class Response(Looking):
        def request_need(self) -> Need:
            return Need.NONE

    looking = Response(Need.NONE if door_ == "none" else Need.STREAM)
    with connected(gateway.door(door_)) as sock:
        sock.sendall(head("GET", "/paced", _with(gateway, looking)))
        file = sock.makefile("rb")
        while file.readline() != b"\r\n":
            pass
        for number in range(3):
            gateway.pace()
            assert file.readline() == b"9\r\n"
            assert file.read(11) == b"data: %d\n\n\r\n" % number
        file.close()


def test_the_response_to_head_keeps_its_length_where_modes_can_be_overridden(
    gateway: Gateway,
) -> None:
    def length(door_: str) -> bytes | None:
        answer = http1(
            gateway.door(door_),
            "/echo",
            b"hello",
            method="HEAD",
            fields=_with(gateway, Looking(Need.NONE)),
        )
        return answer.headers.get(b"content-length")

    assert length("none, overridden") == b"5"
    assert length("buffered") == b"5"
    assert length("streamed") is None  # which is why


# What is known of a request.


def test_filters_are_told_what_the_gateway_knows(gateway: Gateway) -> None:
    for client, version in ((http1, b"HTTP/1.1"), (http2, b"HTTP/2")):
        looking = Looking(Need.NONE)
        fields = _with(gateway, looking)
        client(gateway.door("none"), "/a/./b?q=%20", fields=[*fields, ("x", "1"), ("x", "2")])  # type: ignore[operator]

        _, request, peer = looking.heads[0]
        assert (request.method, request.scheme, request.version) == (b"POST", b"http", version)
        assert request.path == b"/a/./b?q=%20"
        assert request.headers.all(b"x") == (b"1", b"2")
        assert peer.source_address == b"127.0.0.1"
        assert peer.source_port > 0
        assert peer.destination_port == gateway.door("none")[1]
        assert peer.route == b"everything"
        assert len(peer.request_id) == 36


# Many.


@pytest.mark.parametrize("door_", ["duplex", "none, overridden"])
def test_a_thousand_exchanges_at_once_arrive_as_they_were_sent(
    gateway: Gateway, door_: str
) -> None:
    gateway.plans[b"many"] = lambda: plan(Looking(Need.WHOLE))

    async def one(number: int, begun: asyncio.Semaphore, go: asyncio.Event) -> int:
        reader, writer = await asyncio.open_connection(*gateway.door(door_))
        first = b"first of %d " % number
        fields = [("x-plan", "many"), ("connection", "close"), ("transfer-encoding", "chunked")]
        writer.write(head("POST", "/echo", fields) + b"%x\r\n%s\r\n" % (len(first), first))
        begun.release()
        await go.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert first + b"last" in answer
        return int(answer.split()[1])

    async def all_of_them() -> list[int]:
        begun, go = asyncio.Semaphore(0), asyncio.Event()
        tasks = [asyncio.create_task(one(number, begun, go)) for number in range(1000)]
        for _ in tasks:
            await begun.acquire()
        for _ in range(2000):
            if gateway.open == 1000:
                break
            await asyncio.sleep(0.01)
        assert gateway.open == 1000
        go.set()
        return await asyncio.gather(*tasks)

    assert set(asyncio.run(all_of_them())) == {200}
    assert sorted(seen.body for seen in gateway.seen) == sorted(
        b"first of %d last" % number for number in range(1000)
    )
