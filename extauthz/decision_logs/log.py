"""Decision logs of one worker: the queue, the thread that makes events, and where they go."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from extauthz.decision_logs.buffer import Buffer
from extauthz.decision_logs.disk import DiskBuffer
from extauthz.decision_logs.event import EventMaker
from extauthz.decision_logs.lines import Lines
from extauthz.decision_logs.rate import Rate
from extauthz.decision_logs.recorder import Recorder
from extauthz.decision_logs.upload import Uploader

_log = structlog.get_logger("gatewright.decision_logs")

PAUSE: Final = 0.02
"""Seconds that records are gathered for, where what is put down outlives the worker: what one that
is killed has not written."""
LONG_PAUSE: Final = 0.1
"""Where it does not. An event takes 38 us where a hundred are made in a row, 51 us in rounds of
20 and 95 us in rounds of 4: between them the event loop has the processor's caches."""
BURST: Final = 0.0005
"""Seconds that events are made for before the event loop gets its turn; by itself the interpreter
would let it wait for 5 ms."""
BEHIND: Final = 2_000
"""Records beyond which the event loop is not let go first any more: else, with a busy one, the
queue would overflow."""
BATCH: Final = 128
"""Events that are handed on at once."""
FULL: Final = 0.05
"""Seconds between two attempts to hand events on to a sink that is full."""


class Sink(NamedTuple):
    """One of the places that every event goes to."""

    name: str
    """`http`, `file` or `stdout`."""
    buffer: Buffer | DiskBuffer
    writer: Uploader | Lines
    rate: Rate | None = None
    """What bounds how many events it gets; None: nothing."""

    @property
    def outlives(self) -> bool:
        """Whether a worker that is killed leaves what was put into it."""
        return isinstance(self.buffer, DiskBuffer) or isinstance(self.writer, Lines)


class DecisionLog:
    """Starts with its construction; all of it ends with `close`."""

    def __init__(self, recorder: Recorder, maker: EventMaker, sinks: Sequence[Sink]) -> None:
        """Starts the thread."""
        self.recorder = recorder
        """What the event loop tells of its decisions."""
        self.sinks = sinks
        self._maker = maker
        self._awake = threading.Event()
        self._closing = threading.Event()
        self._given_up = 0
        self._over_rate = 0
        self._pause = PAUSE if any(each.outlives for each in sinks) else LONG_PAUSE
        recorder.wake = self._awake.set
        self._thread = threading.Thread(target=self._run, name="decision-events", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Makes events of what waits and sends them, for at most so many seconds."""
        end = time.monotonic() + seconds
        self._closing.set()
        self._awake.set()
        self._thread.join(max(0.0, end - time.monotonic()))
        for sink in self.sinks:
            sink.writer.close(max(0.0, end - time.monotonic()))
            sink.buffer.close()
        if lost := sum(self.dropped.values()):
            _log.error("decisions were not logged", events=lost)

    @property
    def sent(self) -> Mapping[str, int]:
        """Events that each sink took."""
        return {each.name: each.writer.sent for each in self.sinks}

    @property
    def dropped(self) -> Mapping[str, int]:
        """Events, by reason, that some sink will never have."""
        found = {"queue": self.recorder.dropped, "buffer": self._given_up, "too_large": 0}
        found["rate"] = self._over_rate
        for each in self.sinks:
            found["buffer"] += each.buffer.dropped
            if isinstance(each.writer, Uploader):
                found["too_large"] += each.writer.too_large
        return found

    @property
    def uploads(self) -> Mapping[str, int]:
        """Batches that were sent, and attempts that failed."""
        uploaders = [each.writer for each in self.sinks if isinstance(each.writer, Uploader)]
        return {
            "taken": sum(each.batches for each in uploaders),
            "failed": sum(each.failures for each in uploaders),
        }

    @property
    def made(self) -> Mapping[str, int]:
        """Decisions that the operator's rules dropped, and events that had to be stripped."""
        return {"drop": self._maker.skipped, "stripped": self._maker.bare}

    @property
    def waiting(self) -> int:
        """Records and events that are not sent yet, of the sink that is furthest behind."""
        return len(self.recorder) + max((each.buffer.waiting for each in self.sinks), default=0)

    def _run(self) -> None:
        while True:
            self._awake.wait()
            self._closing.wait(self._pause)
            self._awake.clear()
            closing = self._closing.is_set()  # after that: `close` sets it first
            self.recorder.idle = True
            self._drain()
            if self.recorder.full and self.recorder.has_room:
                self.recorder.full = False
            if closing:
                return

    def _drain(self) -> None:
        recorder, make = self.recorder, self._maker.make
        events: list[bytes] = []
        began = time.perf_counter()
        while (record := recorder.take()) is not None:
            event = make(record)
            if event is not None:
                events.append(event)
                if len(events) == BATCH:
                    self._hand_on(events)
                    events = []
            if time.perf_counter() - began > BURST:
                if len(recorder) < BEHIND:
                    time.sleep(0)
                began = time.perf_counter()
        if events:
            self._hand_on(events)

    def _hand_on(self, events: list[bytes]) -> None:
        for sink in self.sinks:
            kept = events
            if sink.rate is not None:
                kept = events[: sink.rate.passing(len(events), time.monotonic())]
                self._over_rate += len(events) - len(kept)
            while not sink.buffer.put(kept):
                # decisions are denied meanwhile
                self.recorder.full = True
                if self._closing.is_set():
                    self._given_up += len(kept)
                    break
                time.sleep(FULL)
