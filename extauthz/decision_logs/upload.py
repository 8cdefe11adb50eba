"""The thread that sends what waits in a buffer to a log service."""

import random
import threading
import time
from typing import Final, Protocol

import msgspec
import structlog

from callout.observe.paced import Paced
from extauthz.decision_logs.chunks import Chunker
from extauthz.decision_logs.http_service import HttpService, Unreachable
from extauthz.decision_logs.options import Service

_log = structlog.get_logger("gatewright.decision_logs")

FIRST_RETRY: Final = 0.1
"""Seconds after the first failure, as OPA has it; twice as long after each further one."""
ADOPT_EVERY: Final = 30.0
"""Seconds between two looks for what other workers left behind."""
_TOO_LARGE: Final = 413


class Waiting(Protocol):
    """What the thread sends from: `Buffer` or `DiskBuffer`."""

    grew: threading.Event
    most: int
    enough: int

    @property
    def size(self) -> int:
        """Bytes that wait."""
        ...

    def take(self, size: int) -> list[bytes]:
        """The oldest events, of about so many bytes; they stay until `done`."""
        ...

    def done(self, count: int, lost: bool = False) -> None:
        """The first so many of what was taken were sent; or are given up."""
        ...


class Uploader:
    """Sends batches in order; one that is not taken is tried again, and what follows waits."""

    def __init__(self, service: Service, buffer: Waiting, agent: str) -> None:
        """Starts the thread."""
        self.sent = 0
        """Events that the service took."""
        self.batches = 0
        """Batches that it took."""
        self.failures = 0
        """Attempts that failed."""
        self.too_large = 0
        """Events that are larger than the service takes; nobody has them."""
        self._service = service
        self._http = HttpService(service, agent)
        self._buffer = buffer
        self._chunker = Chunker(service.upload_bytes)
        self._closing = threading.Event()
        self._told = Paced()
        self._retries = 0
        self._thread = threading.Thread(target=self._run, name="decision-upload", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Sends what waits, for at most so many seconds."""
        self._closing.set()
        self._buffer.grew.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        due = self._next()
        adopted = time.monotonic()
        while True:
            self._wait(due)
            closing = self._closing.is_set()
            while self._is_full() or time.monotonic() >= due or closing:
                events = self._buffer.take(self._chunker.wanted)
                if not events:
                    break
                if self._send(events):
                    self._retries = 0
                elif self._closing.is_set():
                    break
                else:
                    self._closing.wait(self._pause())
            if closing:
                self._http.close()
                return
            if time.monotonic() >= due:
                due = self._next()
            if time.monotonic() - adopted > ADOPT_EVERY:
                adopted = time.monotonic()
                self._adopt()

    def _wait(self, due: float) -> None:
        while not self._closing.is_set():
            left = due - time.monotonic()
            if left <= 0 or self._is_full():
                return
            self._buffer.enough = self._full
            self._buffer.grew.clear()
            # after that: who sets it first changes what is asked here
            if not self._is_full() and not self._closing.is_set():
                self._buffer.grew.wait(min(left, ADOPT_EVERY))

    @property
    def _full(self) -> int:
        return min(self._chunker.wanted, self._buffer.most // 2)

    def _is_full(self) -> bool:
        """Whether it is time for a batch, whatever the delays say."""
        return self._buffer.size >= self._full

    def _next(self) -> float:
        return time.monotonic() + random.uniform(  # noqa: S311 - spreads load, hides nothing
            self._service.min_delay, self._service.max_delay
        )

    def _pause(self) -> float:
        pause = min(self._service.max_delay, FIRST_RETRY * 2.0 ** min(self._retries, 20))
        self._retries += 1
        return pause * random.uniform(0.5, 1.0)  # noqa: S311

    def _adopt(self) -> None:
        adopt = getattr(self._buffer, "adopt", None)
        if adopt is not None:
            try:
                adopt()
            except OSError as error:
                self._say("others' decision logs cannot be taken over", error.strerror or "")

    def _send(self, events: list[bytes]) -> bool:
        chunk = self._chunker.pack(events)
        if len(chunk.body) > self._chunker.limit:
            return self._send_alone(events[0])
        status = self._post(chunk.body)
        if status == _TOO_LARGE and not self._chunker.halve():
            return self._send_alone(events[0])
        if not _is_taken(status):
            return status == _TOO_LARGE
        self._chunker.took(chunk)
        self._took(chunk.events)
        return True

    def _send_alone(self, event: bytes) -> bool:
        """An event that is too large by itself: without what the request was, or not at all."""
        body = self._chunker.pack([_without_documents(event)]).body
        if len(body) <= self._chunker.limit:
            status = self._post(body)
            if _is_taken(status):
                self._took(1)
                return True
            if status != _TOO_LARGE:
                return False
        self.too_large += 1
        self._buffer.done(1)
        self._say("a decision is too large for the log service", "")
        return True

    def _took(self, events: int) -> None:
        self._buffer.done(events)
        self.sent += events
        self.batches += 1

    def _post(self, body: bytes) -> int:
        try:
            status = self._http.post(body)
        except Unreachable as error:
            status = 0
            why = str(error)
        else:
            why = str(status)
        if not _is_taken(status):
            self.failures += 1
            self._say("decision logs are not taken", why)
        return status

    def _say(self, what: str, error: str) -> None:
        if (silent := self._told.due(what, time.monotonic())) is not None:
            _log.error(what, error=error, silent=silent)


def _is_taken(status: int) -> bool:
    return 200 <= status < 300


def _without_documents(event: bytes) -> bytes:
    document = msgspec.json.decode(event)
    for part in ("input", "result"):
        if document.pop(part, None) is not None:
            document.setdefault("erased", []).append(f"/{part}")
    return msgspec.json.encode(document)
