"""What must hold for any bytes, however they are cut, and for any windows."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from callout.http2 import frames
from callout.http2.connection import Connection
from callout.http2.events import Request, Terminated
from callout.http2.limits import Limits
from tests.callout.http2 import wire
from tests.callout.http2.wire import BLOCK, GREETING, HEAD, TRAILERS, Wire, frame, headers, read

stream_ids = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 7, 2, 2**31 - 1])
blocks = st.sampled_from(
    [BLOCK, BLOCK, b"\x83\x86\x84", b"\x83\x86\x84\x40\1a\1b", b"\xbe", b"\x20" + BLOCK, b""]
) | st.binary(max_size=20)
numbers = st.sampled_from([0, 1, 100, 65_535, 2**31 - 1, 2**32 - 1])

sensible = st.one_of(
    st.builds(headers, stream_ids, blocks, st.sampled_from([4, 5, 5, 0, 1])),
    st.builds(lambda i, b, f: frame(9, f, i, b), stream_ids, blocks, st.sampled_from([0, 4])),
    st.builds(wire.data, stream_ids, st.binary(max_size=50), st.booleans()),
    st.builds(wire.reset, stream_ids, numbers),
    st.builds(wire.update, stream_ids, numbers.map(lambda n: n % 2**32)),
    st.builds(lambda k, v: wire.settings((k, v)), st.integers(1, 7), numbers),
    st.just(frame(6, 0, 0, b"pingpong")),
    st.just(wire.ACK),
)
anything = st.builds(
    frame, st.integers(0, 12), st.integers(0, 255), stream_ids, st.binary(max_size=30)
)
traffic = st.lists(st.one_of(sensible, sensible, sensible, anything), max_size=25).map(b"".join)


def play(pieces: list[bytes]) -> tuple[list[object], bytes]:
    connection: Connection[tuple[object, ...]] = Connection(tuple, Limits(max_streams=3))
    connection.start()
    events: list[object] = []
    out = []
    for piece in pieces:
        events += connection.receive(piece, 0.0)
        out.append(connection.outgoing())
    return events, b"".join(out)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(at)]


@given(traffic, st.lists(st.integers(0, 10_000), max_size=12))
@settings(max_examples=150, deadline=None)
def test_the_same_bytes_cut_anywhere_give_the_same_events_and_output(data, places):
    data = GREETING + data
    whole = play([data])
    assert play(cut(data, places)) == whole
    assert play([data[i : i + 1] for i in range(len(data))]) == whole


@given(traffic | st.binary(max_size=200), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_anything_and_the_output_is_whole_frames(data, greeted):
    events, out = play([GREETING + data if greeted else data])
    read(out)
    assert sum(type(event) is Terminated for event in events) <= 1
    if any(type(event) is Terminated for event in events):
        assert type(events[-1]) is Terminated


@given(traffic, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_an_application_that_answers_at_any_time_meets_no_exception(data, chance: random.Random):
    connection: Connection[object] = Connection(list, Limits(max_streams=3, queued_output=500))
    connection.start()
    known: set[int] = set()
    for piece in cut(GREETING + data, [chance.randrange(2000) for _ in range(5)]):
        known.update(e.stream_id for e in connection.receive(piece, 0.0) if type(e) is Request)
        for stream_id in sorted(known):
            match chance.randrange(6):
                case 0:
                    connection.respond(stream_id, HEAD, bytes(chance.randrange(300)), TRAILERS)
                case 1:
                    connection.send_data(
                        stream_id, bytes(chance.randrange(300)), chance.random() < 0.3
                    )
                case 2:
                    connection.consumed(stream_id, chance.randrange(100))
                case 3:
                    connection.send_headers(stream_id, TRAILERS, True)
        read(connection.outgoing())
        assert connection.queued >= 0
        if connection.terminated is not None or connection.open_streams == 0:
            assert connection.queued == 0
        waiting = connection._streams.values()
        assert connection.queued == sum(len(s.pending or b"") + len(s.tail or b"") for s in waiting)


@given(
    st.lists(st.integers(0, 40_000), min_size=1, max_size=5),
    st.integers(0, 70_000),
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30_000)), max_size=20),
)
@settings(max_examples=150, deadline=None)
def test_nothing_is_sent_beyond_a_window_and_everything_is_sent_at_last(sizes, initial, updates):
    side = Wire()
    side.send(wire.settings((4, initial)))
    ids = [2 * n + 1 for n in range(len(sizes))]
    side.send(*[headers(stream_id, BLOCK, 5) for stream_id in ids])
    side.sent()
    connection_window = 65_535
    windows = dict.fromkeys(ids, initial)
    bodies = dict.fromkeys(ids, 0)
    ended = set()

    def account() -> None:
        nonlocal connection_window
        for f in side.sent():
            assert f.stream_id not in ended
            if f.kind == frames.DATA:
                windows[f.stream_id] -= len(f.payload)
                connection_window -= len(f.payload)
                bodies[f.stream_id] += len(f.payload)
                assert windows[f.stream_id] >= 0
                assert connection_window >= 0
            if f.flags & 1:
                ended.add(f.stream_id)

    for stream_id, size in zip(ids, sizes, strict=True):
        side.connection.respond(stream_id, HEAD, bytes(size), TRAILERS)
    account()
    for which, increment in updates:
        if which and which <= len(ids):
            windows[ids[which - 1]] += increment
            side.send(wire.update(ids[which - 1], increment))
        else:
            connection_window += increment
            side.send(wire.update(0, increment))
        account()
        # Nothing waits that could go.
        for stream_id, size in zip(ids, sizes, strict=True):
            assert bodies[stream_id] == size or min(windows[stream_id], connection_window) == 0
    connection_window += 10**6
    side.send(wire.update(0, 10**6))
    account()
    for stream_id in ids:
        windows[stream_id] += 10**6
        side.send(wire.update(stream_id, 10**6))
        account()
    assert list(bodies.values()) == sizes
    assert ended == set(ids)
    assert side.connection.open_streams == side.connection.queued == 0


def test_a_connection_holds_bounded_memory_whatever_the_traffic():
    limits = Limits(max_streams=50)
    chance = random.Random(7)
    for _ in range(20):
        side = Wire(limits)
        stream_id = 1
        for moment in range(300):
            piece = chance.choice(
                [
                    headers(stream_id, BLOCK + bytes([0x40, 1, 97, 1, chance.randrange(256)])),
                    headers(stream_id, BLOCK, 5) + wire.reset(stream_id),
                    headers(stream_id) + wire.data(stream_id, bytes(100), True),
                ]
            )
            stream_id += chance.choice([2, 2, 4])
            side.send(piece, now=moment)
            side.connection.outgoing()
        inside = side.connection
        assert len(inside._streams) <= 50
        assert len(inside._reset_ids) <= 1024
        assert len(inside._gaps) <= 64
        assert len(inside._memo) <= 64
        assert len(inside._partial) <= limits.frame_size + 9
