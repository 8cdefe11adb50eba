"""Round trips with the `h2` package as the client: somebody else's reading of the RFC."""

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.http2.connection import Connection
from callout.http2.events import Data, Drained, Event, Request, Trailers
from callout.http2.hpack import literal_block
from callout.http2.limits import Limits

FIELDS = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"gate"),
    (b"te", b"trailers"),
]
HEAD = literal_block([(b":status", b"200"), (b"content-type", b"application/grpc")])
TRAILERS = literal_block([(b"grpc-status", b"0")])


class Pair:
    """A client and our server, joined by their bytes."""

    def __init__(self, limits: Limits) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self.client.initiate_connection()
        self.server: Connection[list[tuple[bytes, bytes]]] = Connection(list, limits)
        self.server.start()
        self.bodies: dict[int, bytes] = {}
        self.answers: dict[int, bytes] = {}
        self.ended: set[int] = set()

    def exchange(self) -> None:
        """Pass bytes to and fro until both have nothing to say; the server echoes bodies."""
        for _ in range(10_000):
            to_server, to_client = self.client.data_to_send(), self.server.outgoing()
            if not to_server and not to_client:
                return
            for event in self.server.receive(to_server, 0.0):
                self._served(event)
            for event in self.client.receive_data(to_client):
                if isinstance(event, h2.events.DataReceived):
                    self.answers[event.stream_id] = (
                        self.answers.get(event.stream_id, b"") + event.data
                    )
                    self.client.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id
                    )
                elif isinstance(event, h2.events.TrailersReceived):
                    assert dict(event.headers)[b"grpc-status"] == b"0"
                elif isinstance(event, h2.events.StreamEnded):
                    self.ended.add(event.stream_id)
        raise AssertionError("they talk for ever")

    def _served(self, event: Event[list[tuple[bytes, bytes]]]) -> None:
        assert isinstance(event, Request | Data | Trailers | Drained)
        if isinstance(event, Request):
            assert event.head[: len(FIELDS)] == FIELDS
            self.bodies[event.stream_id] = b""
        if isinstance(event, Data):
            self.bodies[event.stream_id] += event.data
            self.server.consumed(event.stream_id, event.flow)
        if isinstance(event, Trailers) or getattr(event, "end_stream", False):
            self.server.respond(event.stream_id, HEAD, self.bodies[event.stream_id], TRAILERS)

    def upload(self, bodies: dict[int, bytes], padding: int | None, trailers: bool) -> None:
        """Send requests side by side, as fast as the server's windows allow."""
        at = dict.fromkeys(bodies, 0)
        for stream_id, body in bodies.items():
            own = [(b"n", b"%d" % stream_id)]
            self.client.send_headers(stream_id, FIELDS + own, end_stream=not body and not trailers)
            if not body and trailers:
                self.client.send_headers(stream_id, [(b"end", b"1")], end_stream=True)
        waiting = {stream_id for stream_id, body in bodies.items() if body}
        while waiting:
            self.exchange()
            before = dict(at)
            for stream_id in sorted(waiting):
                body = bodies[stream_id]
                cost = 0 if padding is None else padding + 1
                room = self.client.local_flow_control_window(stream_id) - cost
                room = min(room, self.client.max_outbound_frame_size - cost)
                if room <= 0:
                    continue
                piece = body[at[stream_id] : at[stream_id] + room]
                at[stream_id] += len(piece)
                done = at[stream_id] == len(body)
                self.client.send_data(
                    stream_id, piece, end_stream=done and not trailers, pad_length=padding
                )
                if done:
                    waiting.discard(stream_id)
                    if trailers:
                        self.client.send_headers(stream_id, [(b"end", b"1")], end_stream=True)
            assert at != before, "the server gave no credit"
        self.exchange()


@pytest.mark.parametrize("window", [1, 700, 65_535, 300_000])
@pytest.mark.parametrize("trailers", [False, True])
def test_bodies_are_echoed_whole_through_windows_of_any_size(window, trailers):
    pair = Pair(Limits(stream_window=window))
    size = 200 if window == 1 else 150_000
    bodies = {stream_id: bytes([stream_id]) * size for stream_id in (1, 3, 5)}
    pair.upload(bodies, None, trailers)
    assert pair.answers == bodies
    assert pair.ended == {1, 3, 5}
    assert pair.server.open_streams == pair.server.queued == 0


@given(
    st.lists(st.integers(0, 40_000), min_size=1, max_size=6),
    st.integers(300, 100_000),
    st.none() | st.integers(0, 255),
    st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_any_bodies_with_any_padding_come_back(sizes, window, padding, trailers):
    pair = Pair(Limits(stream_window=window))
    bodies = {2 * n + 1: b"%d" % (n % 10) * size for n, size in enumerate(sizes)}
    pair.upload(bodies, padding, trailers)
    assert pair.answers == {stream_id: body for stream_id, body in bodies.items() if body}
    assert pair.ended == set(bodies)


def test_requests_over_one_connection_for_a_long_time_leave_nothing_behind():
    pair = Pair(Limits())
    for stream_id in range(1, 2001, 2):
        pair.upload({stream_id: b"x" * 100}, None, False)
    assert len(pair.ended) == 1000
    assert pair.server.open_streams == 0
