"""How a client is asked to go: the GOAWAY in a write of its own, and no answer beside it."""

from callout.http2 import frames
from callout.serve.parting import ALONE_SECONDS, Parting
from tests.callout.http2.wire import BLOCK, HEAD, TRAILERS, Frame, Wire, frame, headers, read


def asked(wire: Wire) -> tuple[Parting, Frame]:
    """A connection with two requests in progress that is asked to go, and its first PING."""
    wire.send(headers(1, BLOCK, 5), headers(3, BLOCK, 5))
    parting = Parting(wire.connection, 10.0)
    (ping,) = wire.sent()
    assert ping.kind == frames.PING
    return parting, ping


def answer(wire: Wire, stream_id: int) -> None:
    wire.connection.respond(stream_id, HEAD, b"x", TRAILERS)


def acknowledge(wire: Wire, ping: Frame) -> None:
    assert wire.send(frame(frames.PING, frames.ACK, 0, ping.payload)) == []


def kinds(out: bytes) -> list[int]:
    return [each.kind for each in read(out)]


ANSWER = [frames.HEADERS, frames.DATA, frames.HEADERS]


def test_answers_wait_until_the_client_has_read_the_goaway_alone() -> None:
    wire = Wire()
    parting, first = asked(wire)
    answer(wire, 1)
    assert parting.outgoing() == b""
    acknowledge(wire, first)
    goaway, second = read(parting.outgoing())
    assert goaway.kind == frames.GOAWAY
    assert goaway.payload[:4] == b"\x7f\xff\xff\xff"
    # One that was on its way is still answered.
    wire.send(headers(5, BLOCK, 5))
    for stream_id in (3, 5):
        answer(wire, stream_id)
    assert parting.outgoing() == b""
    assert not parting.done
    acknowledge(wire, second)
    assert kinds(parting.outgoing()) == [*ANSWER, *ANSWER, *ANSWER, frames.GOAWAY]
    assert parting.done
    assert wire.connection.closed


def test_a_client_that_answers_no_ping_gets_its_answers_all_the_same() -> None:
    wire = Wire()
    parting, _ = asked(wire)
    answer(wire, 1)
    assert parting.outgoing() == b""
    assert parting.due == 10.0 + ALONE_SECONDS
    parting.hurry()
    assert kinds(parting.outgoing()) == [*ANSWER, frames.GOAWAY, frames.PING]
    assert parting.done


def test_a_client_that_answers_the_first_ping_only_gets_its_answers_all_the_same() -> None:
    wire = Wire()
    parting, first = asked(wire)
    acknowledge(wire, first)
    assert kinds(parting.outgoing()) == [frames.GOAWAY, frames.PING]
    answer(wire, 1)
    assert parting.outgoing() == b""
    parting.hurry()
    assert kinds(parting.outgoing()) == ANSWER
    assert parting.done


def test_a_connection_that_breaks_the_rules_meanwhile_ends_at_once() -> None:
    wire = Wire()
    parting, _ = asked(wire)
    wire.send(frame(frames.DATA, 0, 0, b""))
    assert kinds(parting.outgoing())[-1] == frames.GOAWAY
    assert parting.done
    assert wire.connection.closed
