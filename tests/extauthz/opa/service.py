"""A service that speaks OPA's management APIs, as OPA documents them: bundles, status, logs."""

import gzip
import io
import json
import tarfile
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONG_POLLING = "application/vnd.openpolicyagent.bundles"


def tarball(files: Mapping[str, str | bytes], prefix: str = "/") -> bytes:
    """A bundle as `opa build` writes it: paths begin with a slash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def manifest(revision: str, *roots: str) -> str:
    """The content of `.manifest`."""
    return json.dumps({"revision": revision, "roots": list(roots)})


class _Published:
    def __init__(self, body: bytes, etag: str) -> None:
        self.body = body
        self.etag = etag


class ManagementService:
    """Answers on a free port of 127.0.0.1, and remembers what it was asked and told."""

    def __init__(self, *, long_polling: bool = False, token: str | None = None) -> None:
        """Starts it.

        Args:
            long_polling: whether requests with `wait` are kept until there is news.
            token: the bearer token without which everything is a 401.
        """
        self._published: dict[str, _Published] = {}
        self._deltas: dict[tuple[str, str], _Published] = {}
        self._news = threading.Condition()
        self._long_polling = long_polling
        self._token = token
        self.asked: list[tuple[str, dict[str, str], int, float]] = []
        """Of each request for a bundle: path, headers, status of the answer, seconds it took."""
        self.statuses: list[dict[str, Any]] = []
        """Reports that came."""
        self.metrics: dict[str, Any] = {}
        """Metrics of the last report of each that says `who` it is."""
        self.events: list[dict[str, Any]] = []
        """Decision events that came."""
        self.answer_with: int | None = None
        """Every request for a bundle gets this status instead."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service._give(self)

            def do_POST(self) -> None:
                service._take(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.open = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(self, path: str, body: bytes, etag: str) -> None:
        """Gives out this at `path` from now on."""
        with self._news:
            self._published[path] = _Published(body, etag)
            self._news.notify_all()

    def publish_delta(self, path: str, body: bytes, etag: str, base: str) -> None:
        """Gives out this to whoever has the ETag `base`."""
        with self._news:
            self._deltas[path, base] = _Published(body, etag)
            self._published[path] = _Published(self._published[path].body, etag)
            self._news.notify_all()

    def close(self) -> None:
        """Ends it: connections are refused from now on."""
        if self.open:
            self.open = False
            with self._news:
                self._news.notify_all()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _give(self, request: BaseHTTPRequestHandler) -> None:
        began = time.monotonic()
        path = request.path.lstrip("/")
        headers = {name.lower(): value for name, value in request.headers.items()}
        known = [each.strip() for each in headers.get("if-none-match", "").split(",")]
        wait = 0.0
        for each in headers.get("prefer", "").split(";"):
            if each.startswith("wait=") and self._long_polling:
                wait = float(each.removeprefix("wait="))
        with self._news:
            self._news.wait_for(lambda: self._is_news(path, known) or not self.open, wait)
            found = self._published.get(path)
            if found is not None and known[0]:
                found = self._deltas.get((path, known[0]), found)
        if self._token is not None and headers.get("authorization") != f"Bearer {self._token}":
            status, body = 401, b""
        elif self.answer_with is not None or found is None:
            status, body = self.answer_with or 404, b"no"
        elif found.etag in known:
            status, body = 304, b""
        else:
            status, body = 200, found.body
        request.send_response(status)
        if found is not None:
            request.send_header("ETag", found.etag)
        kind = LONG_POLLING if self._long_polling else "application/gzip"
        request.send_header("Content-Type", kind)
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if status != 304:
            request.wfile.write(body)
        self.asked.append((path, headers, status, time.monotonic() - began))

    def _is_news(self, path: str, known: list[str]) -> bool:
        found = self._published.get(path)
        return found is None or found.etag not in known

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        document = json.loads(body)
        if request.path.startswith("/status"):
            # Hundreds, of Go.
            self.metrics[document["labels"].get("who", "")] = document.pop("metrics", None)
            self.statuses.append(document)
        else:
            self.events += document
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()
