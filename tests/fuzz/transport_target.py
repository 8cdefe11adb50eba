"""The whole transport under spoiled bytes: GrpcProtocol with real faces, without a socket."""

import asyncio
import random
import time
import weakref
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from envoy.service.ratelimit.v3 import rls_pb2

from callout.config.snapshot import Snapshot
from callout.grpc.answers import OK_TRAILERS
from callout.grpc.framing import frame
from callout.grpc.head import Head
from callout.http2 import frames
from callout.http2.events import Request
from callout.http2.limits import Limits
from callout.serve.options import ServeOptions
from callout.serve.own import Core
from callout.serve.protocol import GrpcProtocol
from tests.fuzz.conversation import Conversation, frames_of
from tests.fuzz.judge import Events, Output, is_bounded, must
from tests.fuzz.mutate import Spoiler
from tests.fuzz.services import CHECK, LIMIT, Services, is_allowed, may_pass

HEALTH = "/grpc.health.v1.Health/Check"
UNARY = (CHECK, LIMIT, HEALTH)
TICKS = 40
"""Turns of the loop in which everything that a lost connection leaves must be gone."""
DEADLINE = 0.02
"""Seconds: no request of the recordings has less. What took longer than that, a thousand times what
it usually takes, may rightly be answered that it came too late: the machine was elsewhere."""
LAST_TICKS = 2000
"""Turns of the loop after the last read, at most, until all that came is served."""


class Pipe(asyncio.Transport):
    """A transport without a socket, whose other end reads when it likes."""

    def __init__(self, protocol: GrpcProtocol, output: Output, reads_slowly: bool) -> None:
        super().__init__()
        self._protocol: GrpcProtocol | None = protocol
        self._output = output
        self._slow = reads_slowly
        self._waiting = 0
        self._high = 0
        self.paused = False
        """Whether we take nothing from the client."""
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or 0

    def get_write_buffer_size(self) -> int:
        return self._waiting

    def write(self, data: Any) -> None:
        self._output.take(data)
        if self._slow and not self._closing:
            before, self._waiting = self._waiting, self._waiting + len(data)
            if before <= self._high < self._waiting and self._protocol is not None:
                self._protocol.pause_writing()

    def reads(self) -> None:
        """The client takes all that waits for it."""
        over, self._waiting = self._waiting > self._high, 0
        if over and self._protocol is not None:
            self._protocol.resume_writing()

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True

    def lose(self) -> None:
        """The connection is gone."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            self._closing = True
            protocol.connection_lost(None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a unary call was answered, without what differs from run to run."""

    path: str
    verdict: object
    end: bytes


class TransportTarget:
    """Connections of one server, one after the other; nothing may be left of any."""

    def __init__(self, world: Snapshot, recordings: Mapping[str, Conversation]) -> None:
        self._world = world
        self._spoiler = Spoiler(recordings)
        self._recordings = list(recordings.values())
        self._right: list[list[tuple[int, int, Answer]]] = []
        self._core: Core | None = None

    def _start(self) -> Core:
        """A server that has seen nothing, with limits so small that some inputs meet them."""
        self._services = Services(self._world)
        options = ServeOptions(
            max_message=8192,
            max_buffered=3000,
            max_calls=3,
            write_buffer=1500,
            limits=Limits(queued_output=600, max_streams=20, stream_window=3000),
        )
        return Core(self._services.methods(options), options)

    async def _prepare(self) -> None:
        """What the recordings are answered: where each request ended, its stream, the answer."""
        core, answers = self._start(), []
        for each in self._recordings:
            paths, output, _ = await self._play(core, each, None)
            ends, at = {}, len(frames.PREFACE)
            for part in frames_of(each.data):
                at += 9 + len(part.payload)
                if part.kind == frames.DATA and part.flags & frames.END_STREAM:
                    ends[part.stream_id] = at
            answers.append(
                [
                    (ends[stream_id], stream_id, _answer(path, stream_id, output))
                    for stream_id, path in paths.items()
                    if path in UNARY and stream_id in ends
                ]
            )
        must(sum(map(len, answers)) > 50, "the recordings are hardly answered")
        self._right = answers

    async def run(self, given: Conversation) -> None:
        if not self._right:
            await self._prepare()
        core = self._core or self._start()
        self._core = None  # one that has failed is not used again
        self._services.allowed.clear()
        self._services.hours += 1
        began = time.monotonic()
        try:
            paths, output, joined = await self._play(core, given, given.chance)
        except Exception:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            raise
        self._core = core
        self._no_wrong_allow(paths, output)
        if time.monotonic() - began < DEADLINE:
            self._right_before_the_change(given, output, joined)

    async def _play(
        self, core: Core, given: Conversation, chance: random.Random | None
    ) -> tuple[dict[int, str], Output, set[int]]:
        """The paths of its streams, what it was answered, and the reads that were `joined`.

        Those are numbers of reads that came while the one before still waited for a turn, as on a
        machine whose others have the processor: both are then one, with one answer to its errors.
        """
        counters, output, joined = core.counters, Output(), set[int]()
        self._services.late = 0 if chance is None else chance.choice((0, 0, 1, 9))
        protocol = GrpcProtocol(core)
        known = weakref.ref(protocol)
        paths = _listen(protocol)
        pipe = Pipe(protocol, output, chance is not None and chance.random() < 0.2)
        protocol.connection_made(pipe)
        for number, read in enumerate(given.reads):
            if pipe.paused:
                await asyncio.sleep(0)
                pipe.reads()
            if pipe.is_closing():
                break
            if protocol._rest:
                joined.add(number)
            protocol.data_received(read)
            _transport_is_bounded(protocol, core)
            if chance is not None and chance.random() < 0.3:
                await asyncio.sleep(0)
        for tick in range(LAST_TICKS):
            await asyncio.sleep(0)
            pipe.reads()
            # A large read is served in turns, more of them when others had the processor.
            if tick >= 3 and not core.turns.waiting:
                break
        if chance is not None and chance.random() < 0.2 and not pipe.is_closing():
            later = chance.choice((0.0, 0.1, 31.0, 1000.0, 4000.0))
            if chance.random() < 0.3:
                protocol.leave("drain", time.monotonic())
            if chance.random() < 0.5:
                _expire(core, time.monotonic() + later)
            protocol.check(time.monotonic() + later)
            _transport_is_bounded(protocol, core)
        del protocol._http2.receive  # type: ignore[method-assign]
        pipe.lose()
        del protocol
        for _ in range(TICKS):
            await asyncio.sleep(0)
            if len(asyncio.all_tasks()) == 1 and known() is None:
                break
        must(len(asyncio.all_tasks()) == 1, "a task outlives its connection")
        must(known() is None, "a connection is kept after its end")
        must(counters.open_calls == 0, "a call outlives its connection")
        must(counters.open_connections == 0, "a connection is counted after its end")
        must(counters.handler_errors == 0, "a handler failed")
        must(not core.connections, "a connection is listed after its end")
        must(core.deadlines.next() is None, "a deadline outlives its call")
        must(not core.options.health._watchers, "a watch outlives its connection")
        return paths, output, joined

    def _no_wrong_allow(self, paths: Mapping[int, str], output: Output) -> None:
        used = set()
        for stream_id, path in paths.items():
            if path != CHECK or stream_id not in output.bodies:
                continue
            if not output.blocks[stream_id].endswith(OK_TRAILERS):
                continue  # no status 0: whatever the message is, it does not count
            body = b"".join(output.bodies[stream_id])
            reply = body[5:]
            must(body == frame(reply), "an answer is not one message")
            if is_allowed(reply):
                must(reply in self._services.allowed, "an OK that nobody gave")
                must(may_pass(self._services.allowed[reply]), "an OK that the policy denies")
                must(reply not in used, "one OK for two requests")
                used.add(reply)

    def _right_before_the_change(
        self, given: Conversation, output: Output, joined: Set[int]
    ) -> None:
        which, same = self._spoiler.untouched(given)
        at, whole_reads = 0, 0
        for number, read in enumerate(given.reads):
            at += len(read)
            if at > same:
                break
            if number + 1 not in joined:
                whole_reads = at
        for end, stream_id, right in self._right[which]:
            if end > same:
                continue
            answered = stream_id in output.ended
            path = right.path
            prompt = path != LIMIT or not self._services.late
            must(answered or not prompt or end > whole_reads, "an early request has no answer")
            if answered and (prompt or stream_id in output.bodies):
                answer = _answer(path, stream_id, output)
                must(answer == right, "a request before the change is answered otherwise")


def _listen(protocol: GrpcProtocol) -> dict[int, str]:
    """Follow what the connection reports; gives the path of each stream."""
    paths: dict[int, str] = {}
    http2 = protocol._http2
    receive = http2.receive
    events = Events(http2.limits)

    def listened(data: bytes, now: float) -> Any:
        found = receive(data, now)
        for each in found:
            if isinstance(each, Request) and isinstance(each.head, Head):
                paths[each.stream_id] = each.head.method.path
        events.owed.clear()  # who gives back what is not seen from here
        events.take(found)
        return found

    http2.receive = listened  # type: ignore[method-assign]
    return paths


def _expire(core: Core, now: float) -> None:
    """As the server's one timer does."""
    for item in core.deadlines.take(now):
        item.expire()


def _transport_is_bounded(protocol: GrpcProtocol, core: Core) -> None:
    is_bounded(protocol._http2)
    options = core.options
    must(0 <= protocol._held <= options.max_buffered, "too many unfinished messages")
    most = options.max_calls + options.limits.max_streams  # unary ones are bounded as streams
    must(core.counters.open_calls <= most, "too many calls")
    # A stream that HTTP/2 has dropped may still wait to be told so, but not for long.
    must(len(protocol._streams) <= 2 * options.limits.max_streams, "too many streams are kept")


def _answer(path: str, stream_id: int, output: Output) -> Answer:
    body = b"".join(output.bodies.get(stream_id, ()))
    verdict: object = body
    if body and path == CHECK:
        verdict = is_allowed(body[5:])
    elif body and path == LIMIT:
        verdict = rls_pb2.RateLimitResponse.FromString(body[5:]).overall_code
    return Answer(path, verdict, output.blocks.get(stream_id, b"").removeprefix(b"\x20"))
