"""What we show to OPA servers, and whom we trust: from files that may be replaced (an edge)."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LOOK: Final = 5.0
"""Seconds between two looks at the files: a token of Kubernetes is replaced long before its end.
A look costs a thread 0.05 ms, and a question 0.3 us."""
_TOKEN: Final = 65_536
"""Bytes of a token file that are read."""


class NoAccess(Exception):
    """A file cannot be used, and none that could be was seen before; its text is safe to log."""


@dataclass(frozen=True, slots=True)
class Access:
    """The files; PEM where it is not said."""

    token_file: Path | None = None
    """A bearer token, text."""
    ca: Path | None = None
    """Authorities of the servers' certificates; None: those of the system."""
    cert: Path | None = None
    """Our certificate, where they ask for one; with `key`."""
    key: Path | None = None


class Shown:
    """The options of a request: the files are read in a thread, again and again."""

    def __init__(self, access: Access, secure: bool) -> None:
        """`secure`: whether the server is asked over TLS."""
        self._token_file = access.token_file
        self._tls = (access.ca, access.cert, access.key) if secure else (None, None, None)
        self.constant = access.token_file is None and not any(self._tls)
        """Whether there is nothing to read."""
        self._options: dict[str, Any] | None = {} if self.constant else None
        self._next = 0.0
        self._reading: asyncio.Future[dict[str, Any]] | None = None
        self._context: ssl.SSLContext | None = None
        self._context_of: tuple[object, ...] = ()

    async def options(self, now: float) -> dict[str, Any]:
        """Arguments of `aiohttp.ClientSession.request`; those of before while files are read.

        Raises:
            NoAccess: there are none.
        """
        reading = self._reading
        if reading is None and now >= self._next and not self.constant:
            self._reading = reading = asyncio.ensure_future(asyncio.to_thread(self._read))
            reading.add_done_callback(lambda done: self._was_read(done, now))
        if self._options is not None or reading is None:
            return self._options or {}
        try:
            return await asyncio.shield(reading)
        except (OSError, ValueError) as error:
            # Not its text: it may be of a key.
            raise NoAccess(type(error).__name__) from None

    def _was_read(self, reading: "asyncio.Future[dict[str, Any]]", began: float) -> None:
        self._reading = None
        if reading.cancelled():
            return
        if reading.exception() is None:
            self._options = reading.result()
        if self._options is not None:
            self._next = began + LOOK

    def _read(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._token_file is not None:
            with self._token_file.open("rb") as file:
                token = file.read(_TOKEN).decode("ascii").strip()
            if not token.isprintable() or not token:
                raise ValueError("no token")
            options["headers"] = {"Authorization": f"Bearer {token}"}
        if any(self._tls):
            options["ssl"] = self._read_tls()
        return options

    def _read_tls(self) -> ssl.SSLContext:
        # A context is an own pool of connections: a new one only where a file is another.
        seen = tuple(each and (each.stat().st_ino, each.stat().st_mtime_ns) for each in self._tls)
        if self._context is None or seen != self._context_of:
            ca, cert, key = self._tls
            context = ssl.create_default_context(cafile=ca)
            if cert is not None:
                context.load_cert_chain(cert, key)
            self._context, self._context_of = context, seen
        return self._context
