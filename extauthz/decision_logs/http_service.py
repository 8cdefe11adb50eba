"""One POST after another to a log service, over one connection; blocks: for a thread."""

import contextlib
import http.client
import ssl
from typing import Final
from urllib.parse import urlsplit

from extauthz.decision_logs.options import Service

_ANSWER: Final = 65_536
"""Bytes of an answer that are read, so that the connection can go on."""
_TOKEN: Final = 65_536
"""Bytes of a token file that are read."""


class Unreachable(Exception):
    """No answer; the text is the kind of error."""


class HttpService:
    """Posts bodies."""

    def __init__(self, service: Service, agent: str) -> None:
        """Prepares; connects with the first body.

        Raises:
            ValueError: the URL is none.
        """
        parts = urlsplit(service.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL of the log service is none")
        self._service = service
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._agent = agent
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> int:
        """The status of the answer.

        Raises:
            Unreachable: there was none.
        """
        reused = self._connection is not None
        try:
            return self._post(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if not reused or isinstance(error, TimeoutError):
                raise Unreachable(type(error).__name__) from None
        try:
            # the service may have closed a connection that was idle
            return self._post(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unreachable(type(error).__name__) from None

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> int:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        connection.request("POST", self._path, body, self._headers())
        answer = connection.getresponse()
        status = answer.status
        answer.read(_ANSWER)
        if not answer.isclosed() or answer.will_close:
            self.close()
        return status

    def _headers(self) -> dict[str, str]:
        service = self._service
        headers = {"User-Agent": self._agent}
        if service.authorization:
            headers["Authorization"] = service.authorization
        if service.token_file is not None:
            with service.token_file.open("rb") as file:
                token = file.read(_TOKEN).decode("ascii").strip()
            headers["Authorization"] = f"Bearer {token}"
        headers["Content-Type"] = "application/json"
        headers["Content-Encoding"] = "gzip"
        return headers

    def _connect(self) -> http.client.HTTPConnection:
        seconds = self._service.timeout
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        context = context_of(self._service)
        return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)


def context_of(service: Service) -> ssl.SSLContext:
    """What TLS to the service uses.

    Raises:
        OSError: a file cannot be read, or holds nothing that can be used.
    """
    context = ssl.create_default_context(cafile=str(service.ca) if service.ca else None)
    if service.cert is not None:
        # an encrypted key is refused: by itself OpenSSL would ask at the terminal
        context.load_cert_chain(service.cert, service.key, password="")
    return context
