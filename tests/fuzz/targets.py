"""Our code under spoiled bytes: one class a layer; each raises when something does not hold."""

import random
import re
from typing import Any, Protocol

import hpack

from callout.grpc.answers import Refusal
from callout.grpc.call import Status
from callout.grpc.framing import PREFIX, Deframer, Message, unpack
from callout.grpc.head import Head, Interpreter
from callout.grpc.methods import Methods
from callout.grpc.timeout import parse_timeout
from callout.http2 import frames
from callout.http2.connection import Connection
from callout.http2.errors import ConnectionFault, ErrorCode
from callout.http2.fields import Malformed, check_request, check_trailers
from callout.http2.hpack import HeaderDecoder, literal_block
from callout.http2.limits import Limits
from tests.fuzz.conversation import Conversation, frames_of
from tests.fuzz.judge import Events, Output, is_bounded, must

HEAD = literal_block([(b":status", b"200")])
TRAILERS = literal_block([(b"grpc-status", b"0")])
LIMITS = (
    Limits(),
    Limits(
        max_streams=3,
        queued_output=500,
        header_block=2048,
        header_list=1024,
        stream_window=1000,
        connection_window=65_535,
        header_table=100,
        resets=3,
        pings=3,
        settings=3,
        empty_frames=3,
        window_updates=3,
        continuations=2,
    ),
)


class Target(Protocol):
    """One layer."""

    async def run(self, given: Conversation) -> None:
        """Take one input. Raises when something does not hold."""
        ...


class ConnectionTarget:
    """HTTP/2 alone, under an application that answers in any order, or not at all."""

    async def run(self, given: Conversation) -> None:
        chance = given.chance
        limits = LIMITS[chance.random() < 0.3]
        answers = chance.random() < 0.7
        connection: Connection[int] = Connection(len, limits)
        connection.start()
        events, output = Events(limits), Output()
        written, now = 0, 0.0
        reported = []
        for read in given.reads:
            found = connection.receive(read, now)
            reported += found
            events.take(found)
            if answers:
                _answer(connection, events, chance)
                if chance.random() < 0.02:
                    connection.go_away()
                if chance.random() < 0.1:
                    now += chance.choice((0.5, 11.0))
                    events.take(connection.tick(now))
            out = connection.outgoing()
            written += len(out)
            output.take(out)
            is_bounded(connection)
            if connection.terminated is not None:
                break
        if connection.terminated is not None:
            code = connection.terminated.code
            must(output.gone is not None and output.gone[1] == code, "no GOAWAY tells the end")
            _is_over(connection, events)
        if not answers:
            must(written <= 2 * len(given.data) + 200, "more is written than was read")
            if chance.random() < 0.15:
                whole: Connection[int] = Connection(len, limits)
                whole.start()
                must(whole.receive(given.data, 0.0) == reported, "cuts make a difference")
        if answers and output.sent > frames.INITIAL_WINDOW:
            _keeps_windows(given, output)


def _answer(connection: Connection[int], events: Events, chance: random.Random) -> None:
    """What an application might do now, with streams that are there or no more."""
    for stream_id in sorted(events.live)[-4:]:
        if chance.random() < 0.3:
            continue
        match chance.randrange(7):
            case 0 | 1 if stream_id not in events.begun:
                size = chance.choice((0, 20, 300, 300, 70_000))
                connection.respond(stream_id, HEAD, bytes(size), TRAILERS)
            case 2:
                events.begun.add(stream_id)
                connection.send_data(stream_id, bytes(chance.choice((0, 9, 20_000))))
            case 3:
                connection.send_headers(stream_id, TRAILERS, True)
            case 4 | 5:
                size = chance.choice((1, 100, events.owed.get(stream_id, 0)))
                connection.consumed(stream_id, size)
                events.owed[stream_id] = max(0, events.owed.get(stream_id, 0) - size)
            case _:
                connection.reset(stream_id, ErrorCode.CANCEL)
                events.live.pop(stream_id)


def _is_over(connection: Connection[int], events: Events) -> None:
    """Nothing happens any more, whatever is done."""
    events.take(connection.receive(b"", 0.0))  # an end outside of `receive` is reported once
    must(connection.closed, "it ended, and is not closed")
    must(connection.open_streams == connection.queued == 0, "streams outlive the connection")
    for stream_id in list(events.known)[:3]:
        connection.respond(stream_id, HEAD, b"x", TRAILERS)
        connection.reset(stream_id, ErrorCode.CANCEL)
        connection.consumed(stream_id, 10)
    connection.go_away()
    found = connection.receive(b"x" * 100, 0.0) + connection.tick(1e6)
    must(not found and connection.outgoing() == b"", "something happens after the end")


def _keeps_windows(given: Conversation, output: Output) -> None:
    """No more was sent than the client can have allowed at most."""
    most, initial = frames.INITIAL_WINDOW, frames.INITIAL_WINDOW
    streams: dict[int, int] = {}
    for each in frames_of(given.data):
        if each.kind == frames.WINDOW_UPDATE:
            stream_id = each.stream_id & 0x7FFFFFFF
            increment = int.from_bytes(each.payload, "big") & 0x7FFFFFFF
            streams[stream_id] = streams.get(stream_id, 0) + increment
        elif each.kind == frames.SETTINGS:
            values = [
                int.from_bytes(each.payload[at + 2 : at + 6], "big")
                for at in range(0, len(each.payload), 6)
            ]
            initial = max([initial, *values])
    must(output.sent <= most + streams.get(0, 0), "more is sent than the window allows")
    for stream_id, body in output.bodies.items():
        most = initial + streams.get(stream_id, 0)
        must(sum(map(len, body)) <= most, "more is sent than a stream's window allows")


class HpackTarget:
    """Header blocks, decoded by ours, and by the `hpack` package where ours takes them."""

    async def run(self, given: Conversation) -> None:
        limits = LIMITS[0]
        ours = HeaderDecoder(limits)
        theirs = hpack.Decoder(max_header_list_size=limits.header_block)
        for block in given.reads:
            try:
                fields, _ = ours.decode(block)
            except ConnectionFault:
                return
            must(sum(len(n) + len(v) for n, v in fields) <= limits.header_block, "a header bomb")
            must(_second_opinion(theirs, block) == fields, "two decoders disagree")
            for checked in (check_request(fields), check_trailers(fields)):
                must(checked is None or isinstance(checked, int | Malformed), "no verdict")


def _second_opinion(theirs: Any, block: bytes) -> object:
    try:
        return [(bytes(n), bytes(v)) for n, v in theirs.decode(block, raw=True)]
    except hpack.HPACKError as error:
        return error


class MessagesTarget:
    """gRPC's framing of messages, cut anywhere, and their decompression."""

    LIMIT = 3000

    async def run(self, given: Conversation) -> None:
        cut, whole = Deframer(self.LIMIT), Deframer(self.LIMIT)
        messages: list[Message] = []
        ended: Status | None = None
        for read in given.reads:
            cut.feed(read)
            found, ended = _taken(cut)
            messages += found
            if ended is not None:
                break
            must(cut.held < self.LIMIT + PREFIX, "more is kept than one message")
        whole.feed(given.data)
        must(_taken(whole) == (messages, ended), "cuts make a difference")
        for each in messages:
            for gzip in (True, False):
                plain = unpack(each, gzip, self.LIMIT)
                must(isinstance(plain, Status) or len(plain) <= self.LIMIT, "a message bomb")


def _taken(deframer: Deframer) -> tuple[list[Message], Status | None]:
    """All messages that are there, and what ends the call."""
    messages: list[Message] = []
    while deframer.ready():
        found = deframer.next()
        must(found is not None, "ready, and nothing is there")
        if isinstance(found, Status):
            return messages, found
        messages.append(found)
    must(deframer.next() is None, "not ready, and something is there")
    return messages, None


_TIMEOUT = re.compile(rb"[0-9]{1,8}[HMSmun]", re.ASCII)


class HeadTarget:
    """What header lists mean: the call that they open, or the answer that refuses it."""

    def __init__(self, methods: Methods) -> None:
        self._interpret = Interpreter(methods)

    async def run(self, given: Conversation) -> None:
        fields = list(zip(given.reads[::2], given.reads[1::2], strict=False))
        check_request(fields)
        head = self._interpret(fields)
        must(isinstance(head, Head | Refusal), "neither a call nor a refusal")
        timeouts = [value for name, value in fields if name == b"grpc-timeout"]
        for value in timeouts:
            seconds = parse_timeout(value)
            valid = _TIMEOUT.fullmatch(value) is not None
            must((seconds is not None) is valid, "a timeout that is none")
        if isinstance(head, Head):
            must((head.timeout is None) == (not timeouts), "a deadline is lost")
            must(head.timeout is None or 0 <= head.timeout < 1e12, "an impossible deadline")
