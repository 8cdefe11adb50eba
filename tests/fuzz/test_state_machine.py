"""A client that keeps every rule, and an application that answers in any order.

The client is `h2`, which objects to whatever it may not be sent: more than a window, a frame on a
stream that has ended, a header block that it cannot read. Bytes travel both ways at their own pace,
so that resets cross answers and settings cross data. Beside it stands a model of each stream.
"""

import h2.config
import h2.connection
import h2.events
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callout.http2 import frames
from callout.http2.connection import Connection
from callout.http2.errors import ErrorCode
from callout.http2.events import Data, Drained, Refused, Request, Reset, Terminated, Trailers
from callout.http2.hpack import literal_block
from callout.http2.limits import Limits
from tests.callout.http2.wire import Frame, read
from tests.fuzz.judge import Events, Output, is_bounded, must

LIMITS = Limits(
    max_streams=4,
    stream_window=2000,
    connection_window=70_000,
    queued_output=150_000,
    header_table=256,
    settings=10_000,
    settings_seconds=1e9,
)
REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"gate"),
    (b"te", b"trailers"),
]
HEAD = literal_block([(b":status", b"200"), (b"content-type", b"application/grpc")])
TRAILERS = literal_block([(b"grpc-status", b"0")])
SIZES = st.sampled_from([0, 1, 5, 100, 1999, 2000, 2001, 16_384, 40_000, 70_000])
PICK = st.integers(0, 50)
PATTERN = bytes(range(251)) * 400
OPEN_AT_MOST = 30


class Call:
    """What the model knows of one stream."""

    def __init__(self) -> None:
        self.asked = 0
        """Bytes of the request that the client has sent."""
        self.asking = True
        """Whether the client has neither ended nor left it."""
        self.came = 0
        """Bytes of it that the server's application was given."""
        self.owed = 0
        self.reported = False
        self.whole = False
        """Whether the server's application knows the request's end."""
        self.gone = False
        """Reset, by either side, as far as the server knows."""
        self.head = False
        self.said = 0
        """Bytes of the answer."""
        self.answered = False
        """Whether the application has said all."""
        self.tail = 0
        """Bytes of trailers that must come behind the body."""
        self.framed = 0
        self.over = False
        """Whether END_STREAM has left the server."""
        self.got = 0
        self.ends = 0
        """How often the client was told that the answer is complete, or reset."""
        self.left = False
        """Whether the client has reset it."""


class Peers(RuleBasedStateMachine):
    """One connection, both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.client = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding=None, normalize_outbound_headers=False)
        )
        self.client.initiate_connection()
        self.server: Connection[int] = Connection(len, LIMITS)
        self.server.start()
        self.calls: dict[int, Call] = {}
        self.events, self.output = Events(LIMITS), Output()
        self.up = b""
        self.down: list[Frame] = []
        self.now = 0.0
        self.over = False
        self.leaving = 0
        self.unread = 0.0
        self.unheard = True
        """Whether settings of the client are not acknowledged yet."""
        self._pump()

    # What travels.

    def _pump(self) -> None:
        """Take what either side wants to send; nothing is delivered by this."""
        self.up += self.client.data_to_send()
        data = self.server.outgoing()
        self.output.take(data)
        for each in read(data):
            self.down.append(each)
            call = self.calls.get(each.stream_id)
            if call is not None:
                if each.kind == frames.DATA:
                    call.framed += len(each.payload)
                call.over = call.over or bool(
                    each.kind in (frames.DATA, frames.HEADERS) and each.flags & frames.END_STREAM
                )

    def _to_server(self, size: int) -> None:
        data, self.up = self.up[:size], self.up[size:]
        if not self.up:
            self.unread = 0.0
        found = self.server.receive(data, self.now)
        self._pump()
        self._reported(found)

    def _reported(self, found: list) -> None:
        self.events.take(found)
        for event in found:
            if isinstance(event, Terminated):
                must(event.reason == "queued_output", f"ended by {event.reason}")
                continue
            call = self.calls.get(getattr(event, "stream_id", -1))
            must(call is not None or type(event).__name__ == "PeerGoAway", f"{event} of nothing")
            if isinstance(event, Request):
                call.reported, call.whole = True, event.end_stream
            elif isinstance(event, Data):
                if event.data:
                    expected = PATTERN[call.came : call.came + len(event.data)]
                    must(event.data == expected, "other bytes than were sent")
                call.came += len(event.data)
                call.owed += event.flow
                call.whole = event.end_stream
                if call.whole and not call.answered:
                    must(call.came == call.asked, "an end before the last byte")
            elif isinstance(event, Trailers):
                call.whole = True
            elif isinstance(event, Reset):
                must(call.left, "reset, though the client has broken no rule")
                call.gone = True
            elif isinstance(event, Refused):
                must(event.code == ErrorCode.REFUSED_STREAM, f"refused for {event.reason}")
                must(event.reason in ("too_many_streams", "going_away"), event.reason)
                call.gone = True
            elif isinstance(event, Drained):
                must(call.said == call.framed or call.over, "drained too early")

    def _to_client(self, count: int) -> None:
        batch, self.down = self.down[:count], self.down[count:]
        for each in batch:
            if each.kind == frames.GOAWAY:
                continue  # h2 takes every GOAWAY for the end of all streams
            data = frames.pack_head(len(each.payload) << 8 | each.kind, each.flags, each.stream_id)
            for event in self.client.receive_data(data + each.payload):
                self._told(event)
        self._pump()

    def _told(self, event: h2.events.Event) -> None:
        call = self.calls.get(getattr(event, "stream_id", None) or 0)
        if isinstance(event, h2.events.DataReceived):
            must(event.data == PATTERN[call.got : call.got + len(event.data)], "another answer")
            call.got += len(event.data)
        elif isinstance(event, h2.events.StreamEnded):
            must(call.got == call.said, "an answer that ends too early")
            call.ends += 1
        elif isinstance(event, h2.events.StreamReset):
            call.ends += not call.ends
            call.asking = False
        elif isinstance(event, h2.events.SettingsAcknowledged):
            self.unheard = False
        else:
            must(not isinstance(event, h2.events.ConnectionTerminated), "the client gives up")

    # The client.

    def _asking(self, pick: int) -> int | None:
        found = [each for each, call in self.calls.items() if call.asking]
        return found[pick % len(found)] if found else None

    @rule(end=st.booleans(), more=st.integers(0, 300))
    def opens(self, end: bool, more: int) -> None:
        allowed = self.client.remote_settings.max_concurrent_streams
        if self.client.open_outbound_streams >= min(allowed, 8) or len(self.calls) >= OPEN_AT_MOST:
            return
        stream_id = self.client.get_next_available_stream_id()
        fields = [*REQUEST, (b"x-more", b"m" * more)]
        self.client.send_headers(stream_id, fields, end_stream=end)
        call = self.calls[stream_id] = Call()
        call.asking = not end
        self._pump()

    @rule(pick=PICK, size=SIZES, end=st.booleans(), padded=st.sampled_from([None, None, 0, 7]))
    def sends(self, pick: int, size: int, end: bool, padded: int | None) -> None:
        stream_id = self._asking(pick)
        if stream_id is None:
            return
        call = self.calls[stream_id]
        extra = 0 if padded is None else padded + 1
        room = min(self.client.local_flow_control_window(stream_id), 16_384) - extra
        if room < 0:
            return
        size = min(size, room)
        payload = PATTERN[call.asked : call.asked + size]
        self.client.send_data(stream_id, payload, end, pad_length=padded)
        call.asked += len(payload)
        call.asking = not end
        self._pump()

    @rule(pick=PICK)
    def ends_with_trailers(self, pick: int) -> None:
        stream_id = self._asking(pick)
        if stream_id is not None:
            self.client.send_headers(stream_id, [(b"x-sum", b"7")], end_stream=True)
            self.calls[stream_id].asking = False
            self._pump()

    @rule(pick=PICK)
    def leaves(self, pick: int) -> None:
        found = [i for i, c in self.calls.items() if not c.left and (c.asking or not c.ends)]
        if found:
            stream_id = found[pick % len(found)]
            self.client.reset_stream(stream_id, ErrorCode.CANCEL)
            self.calls[stream_id].left, self.calls[stream_id].asking = True, False
            self._pump()

    def _settings(self, changed: dict[int, int]) -> None:
        # One at a time: h2 takes the first acknowledgement for one of everything it has changed.
        if not self.unheard:
            self.unheard = True
            self.client.update_settings(changed)
            self._pump()

    @rule(window=st.sampled_from([0, 1, 100, 16_384, 65_535, 100_000]))
    def changes_windows(self, window: int) -> None:
        self._settings({4: window})

    @rule(table=st.sampled_from([0, 100, 4096, 8192]))
    def changes_its_table(self, table: int) -> None:
        self._settings({1: table})

    @rule(pick=PICK, size=st.sampled_from([1, 10, 1000, 70_000]))
    def lets_answers_through(self, pick: int, size: int) -> None:
        found = [i for i, c in self.calls.items() if not c.left and not c.ends]
        stream_id = found[pick % len(found)] if found and pick % 3 else None
        self.client.increment_flow_control_window(size, stream_id)
        self._pump()

    @rule()
    def pings(self) -> None:
        self.client.ping(b"12345678")
        self._pump()

    @rule()
    def says_that_it_goes(self) -> None:
        if self.leaving < 3:
            self.leaving += 1
            self._pump()
            self.up += frames.goaway(0, ErrorCode.NO_ERROR, b"bye")

    # The way.

    @rule(size=st.sampled_from([1, 9, 50, 3000, 1 << 20]))
    def server_reads(self, size: int) -> None:
        self._to_server(size)

    @rule(count=st.sampled_from([1, 2, 5, 1000]))
    def client_reads(self, count: int) -> None:
        self._to_client(count)

    @rule(seconds=st.sampled_from([0.1, 0.6, 11.0]))
    def time_passes(self, seconds: float) -> None:
        # Whoever begins a frame ends it within ten seconds: that is a rule, too.
        self.unread += seconds
        if self.unread > 5 and self.up:
            self._to_server(len(self.up))
        self.now += seconds
        found = self.server.tick(self.now)
        self._pump()
        self._reported(found)

    # The application.

    def _answering(self, pick: int) -> int | None:
        found = [i for i, c in self.calls.items() if c.reported and not c.gone and not c.answered]
        return found[pick % len(found)] if found else None

    def _waits(self, call: Call) -> bool:
        return call.said > call.framed

    @precondition(lambda self: not self.over)
    @rule(pick=PICK, size=SIZES)
    def responds(self, pick: int, size: int) -> None:
        stream_id = self._answering(pick)
        if stream_id is None or self.calls[stream_id].head:
            return
        call = self.calls[stream_id]
        call.head, call.said, call.answered, call.tail = True, size, True, len(TRAILERS)
        self.server.respond(stream_id, HEAD, PATTERN[:size], TRAILERS)
        self._pump()

    @precondition(lambda self: not self.over)
    @rule(pick=PICK, size=SIZES, end=st.booleans())
    def sends_a_piece(self, pick: int, size: int, end: bool) -> None:
        stream_id = self._answering(pick)
        if stream_id is None or self.calls[stream_id].said + size > len(PATTERN):
            return
        call = self.calls[stream_id]
        if not call.head:
            call.head = True
            self.server.send_headers(stream_id, HEAD)
        piece = PATTERN[call.said : call.said + size]
        call.said, call.answered = call.said + size, end
        framed = self.server.send_data(stream_id, piece, end)
        self._pump()
        must(self.server.terminated is not None or framed == (call.said == call.framed), "framed")

    @precondition(lambda self: not self.over)
    @rule(pick=PICK)
    def ends_the_answer(self, pick: int) -> None:
        stream_id = self._answering(pick)
        if stream_id is not None:
            call = self.calls[stream_id]
            block = TRAILERS if call.head else HEAD + TRAILERS
            call.head = call.answered = True
            call.tail = len(block)
            self.server.send_headers(stream_id, block, True)
            self._pump()

    @precondition(lambda self: not self.over)
    @rule(pick=PICK)
    def refuses(self, pick: int) -> None:
        stream_id = self._answering(pick)
        if stream_id is not None:
            self.server.reset(stream_id, ErrorCode.CANCEL)
            self.events.live.pop(stream_id, None)
            self.calls[stream_id].gone = True
            self._pump()

    @rule(pick=PICK, size=SIZES)
    def takes(self, pick: int, size: int) -> None:
        found = [i for i, c in self.calls.items() if c.owed]
        if found:
            stream_id = found[pick % len(found)]
            call = self.calls[stream_id]
            size = min(size, call.owed)
            call.owed -= size
            self.events.owed[stream_id] -= size
            self.server.consumed(stream_id, size)
            self._pump()

    @rule(sure=st.integers(0, 30))
    def asks_to_go(self, sure: int) -> None:
        if not sure:
            self.server.go_away()
            self._pump()

    # What holds.

    @invariant()
    def memory_is_bounded(self) -> None:
        is_bounded(self.server)

    @invariant()
    def streams_are_as_the_model_has_them(self) -> None:
        if self.server.terminated is not None:
            must(self.server.open_streams == self.server.queued == 0, "streams after the end")
            self.over = True
            return
        live = {
            i: c
            for i, c in self.calls.items()
            if c.reported and not c.gone and not (c.whole and c.over)
        }
        must(self.server.open_streams == len(live), "other streams are open than the model's")
        waiting = sum(c.said - c.framed + (c.tail if self._waits(c) else 0) for c in live.values())
        must(self.server.queued == waiting, "something else waits than the model's")

    @precondition(lambda self: self.server.terminated is not None)
    @invariant()
    def nothing_is_said_after_the_end(self) -> None:
        # An end outside of `receive` is reported once.
        self._reported(self.server.tick(self.now))
        must(self.server.receive(b"anything", self.now) == [], "an event after the end")
        must(self.server.outgoing() == b"", "output after the end")

    def teardown(self) -> None:
        """Everybody says what is left; then every request has one end."""
        self.client.increment_flow_control_window(1 << 24)
        wide = False
        for _ in range(200):
            if not wide and not self.unheard:
                wide = True
                self._settings({4: 1 << 20})
            self._pump()
            if not self.up and not self.down:
                break
            self._to_server(1 << 20)
            self._to_client(10_000)
            for stream_id, call in self.calls.items():
                if call.asking:
                    self.client.end_stream(stream_id)
                    call.asking = False
                if call.reported and not call.gone and not call.answered:
                    call.answered = True
                    block = TRAILERS if call.head else HEAD + TRAILERS
                    self.server.send_headers(stream_id, block, True)
        must(not self.up and not self.down, "they never come to rest")
        if self.server.terminated is None:
            must(self.server.open_streams == self.server.queued == 0, "something is left")
            for stream_id, call in self.calls.items():
                must(call.left or call.ends == 1, f"{stream_id} ended {call.ends} times")


class TestPeers(Peers.TestCase):
    settings = settings(
        max_examples=300,
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # No shrinking: it takes minutes here, and the steps of a failure are readable as they are.
        report_multiple_bugs=False,
        phases=[Phase.reuse, Phase.generate],
    )
