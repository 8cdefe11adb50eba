"""A service that takes decision logs as OPA documents it: `POST /logs`, gzip of a JSON array."""

import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from callout.testing.ports import free_port
from tests.end_to_end.conftest import until


class Batch(NamedTuple):
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    size: int
    """Bytes, compressed."""
    events: list[dict[str, Any]]
    status: int
    """What it was answered."""


class LogService:
    """On a port of 127.0.0.1 that stays the same while it is stopped and started."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        """In the order in which they came, refused ones as well."""
        self.answer: Callable[[int], int] = lambda _: 200
        """Gives the status for a body of so many bytes."""
        self.pause = 0.0
        """Seconds before each answer."""
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/logs"

    @property
    def events(self) -> list[dict[str, Any]]:
        """Those that were taken, in order."""
        return [each for batch in self.batches if batch.status == 200 for each in batch.events]

    @property
    def ids(self) -> list[str]:
        return [each["decision_id"] for each in self.events]

    def wait(self, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The events, once there are so many."""
        until(lambda: len(self.events) >= count, seconds)
        return self.events

    def start(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = service.answer(len(body))
                time.sleep(service.pause)
                headers = {name.lower(): value for name, value in self.headers.items()}
                events = json.loads(gzip.decompress(body))
                service.batches.append(Batch(self.path, headers, len(body), events, status))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
