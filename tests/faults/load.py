"""Requests that keep coming while a test breaks things, and how each was answered."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import grpc
from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from tests.end_to_end.serve import CHECK, LIMIT

PATIENCE: Final = 2.0
"""Seconds that a call may take: longer than any answer of ours takes by itself."""
IN_FLIGHT: Final = 64
LOOK: Final = 0.01
"""Seconds between two looks at whether this process itself is kept from running."""
STALLS: Final = 3
"""So many of our own longest stall a call may meet: ours, the server's, and that of a neighbour."""
UNHURRIED: Final = {"GATEWRIGHT_OVERLOAD__TARGET": "0"}
"""Environment of a service that refuses nobody because it got no processor for a tenth of a second:
where a test counts wrong answers, a machine that others keep busy must not make them."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request that is asked again and again."""

    name: str
    method: str
    message: bytes
    passes: bool
    """The only right answer while nothing is broken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it was answered once."""

    name: str
    at: float
    """When it was asked, in the seconds of `time.monotonic`."""
    seconds: float
    passed: bool | None
    """None: no decision, but a gRPC error."""
    right: bool
    code: str
    connection: int
    degraded: bool = False
    """A limit was answered without its counters."""


def check(name: str, message: Any, passes: bool) -> Question:
    """A CheckRequest."""
    return Question(name, CHECK, message.SerializeToString(), passes)


def limit(name: str, message: Any, passes: bool) -> Question:
    """A RateLimitRequest."""
    return Question(name, LIMIT, message.SerializeToString(), passes)


def _read(question: Question, answer: bytes) -> tuple[bool | None, bool]:
    """Whether it passes, and whether that was decided without counters."""
    if question.method == CHECK:
        decided = external_auth_pb2.CheckResponse.FromString(answer)
        return bool(decided.HasField("ok_response") and decided.status.code == 0), False
    limited = rls_pb2.RateLimitResponse.FromString(answer)
    degraded = "degraded" in limited.dynamic_metadata
    if limited.overall_code == rls_pb2.RateLimitResponse.UNKNOWN:
        return None, degraded
    return bool(limited.overall_code == rls_pb2.RateLimitResponse.OK), degraded


class Load:
    """Asks all questions in turn, so many a second, over some connections; a context manager."""

    def __init__(
        self, address: str, questions: Sequence[Question], rate: float = 300.0, connections: int = 2
    ) -> None:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            # A gateway does not wait seconds before it tries a connection again.
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        self._channels = [grpc.insecure_channel(address, options) for _ in range(connections)]
        self._questions = questions
        self._pause = 1.0 / rate
        self._free = threading.Semaphore(IN_FLIGHT)
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._noticing = threading.Thread(target=self._notice, daemon=True)
        self._stall = 0.0

    def __enter__(self) -> "Load":
        self._thread.start()
        self._noticing.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(2 * PATIENCE)
        for _ in range(IN_FLIGHT):
            self._free.acquire(timeout=2 * PATIENCE)
        for each in self._channels:
            each.close()

    def outcomes(self, since: float = 0.0, name: str = "") -> list[Outcome]:
        """What was asked since then; with a name, of this question only."""
        with self._lock:
            return [
                each
                for each in self._outcomes
                if each.at >= since and (not name or each.name == name)
            ]

    def words(self, since: float = 0.0, name: str = "") -> Counter[str]:
        """How many passed (`pass`), were refused (`refuse`) or got which gRPC error."""
        named = {True: "pass", False: "refuse"}
        found = self.outcomes(since, name)
        return Counter(each.code if each.passed is None else named[each.passed] for each in found)

    def wrong_passes(self) -> list[Outcome]:
        """What passed and must not: none, whatever was broken."""
        return [each for each in self.outcomes() if each.passed and not each.right]

    def allowing(self, seconds: float) -> float:
        """So long, and what a machine that is busy with other things kept us all waiting."""
        return seconds + STALLS * self._stall

    def until_right(self, seconds: float, for_seconds: float = 0.5) -> float:
        """Waits until all answers of so long a time are right; how long that took to begin.

        Raises:
            AssertionError: they are not within the bound.
        """
        started = time.monotonic()
        while time.monotonic() - started < seconds + for_seconds:
            time.sleep(0.02)
            outcomes = self.outcomes(started)
            wrong = [each.at for each in outcomes if not each.right]
            begun = max(wrong, default=started)
            late = [each for each in outcomes if each.at > begun]
            if len(late) > 10 and max(each.at for each in late) - begun > for_seconds:
                return begun - started
        raise AssertionError(f"not right within {seconds} s: {self.words(started)}")

    def _notice(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            time.sleep(LOOK)
            self._stall = max(self._stall, time.monotonic() - begun - LOOK)

    def _run(self) -> None:
        calls: list[list[tuple[int, Question, Callable[..., Any]]]] = [
            [(number, each, channel.unary_unary(each.method)) for each in self._questions]
            for number, channel in enumerate(self._channels)
        ]
        turns = itertools.cycle([each for of_one in zip(*calls, strict=True) for each in of_one])
        due = time.monotonic()
        while not self._stop.is_set():
            connection, question, call = next(turns)
            if not self._free.acquire(timeout=2 * PATIENCE):
                raise AssertionError("a call has not ended at its deadline")
            self._ask(connection, question, call)
            due = max(due + self._pause, time.monotonic() - 0.1)
            time.sleep(max(0.0, due - time.monotonic()))

    def _ask(self, connection: int, question: Question, call: Any) -> None:
        asked = time.monotonic()
        future = call.future(question.message, timeout=PATIENCE)
        future.add_done_callback(lambda done: self._answered(connection, question, asked, done))

    def _answered(self, connection: int, question: Question, asked: float, done: Any) -> None:
        ended = time.monotonic()
        code = done.code()
        passed, degraded = None, False
        if code is grpc.StatusCode.OK:
            passed, degraded = _read(question, done.result())
        outcome = Outcome(
            question.name,
            asked,
            ended - asked,
            passed,
            passed is question.passes,
            code.name.lower() if code is not None else "none",
            connection,
            degraded,
        )
        with self._lock:
            self._outcomes.append(outcome)
        self._free.release()


def slowest(outcomes: Sequence[Outcome], share: float = 0.99) -> float:
    """The percentile of their seconds."""
    ordered = sorted(each.seconds for each in outcomes)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
