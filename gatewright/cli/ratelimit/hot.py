"""`gatewright ratelimit keys --hot`: asks a running service what is asked about most."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final

from callout.config.settings import Settings
from callout.observe.debug.access import BadToken, read_token
from callout.observe.text import clean
from callout.serve.address import parse

PAGE: Final = "/debug/limits/hottest"
_WITHIN: Final = 10.0
"""Seconds: a frozen worker is waited for, for two."""
_OWN: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (nothing is bound)
_LONGEST: Final = 1 << 20
"""Bytes of the page: a hundred names of at most a kilobyte, and what masks of them need."""
_NAME: Final = 1200
"""Characters of a name: all of the longest, one of envoyproxy/ratelimit's."""


class Unanswered(Exception):
    """Nobody told; the text says why."""


class _Connection(http.client.HTTPConnection):
    """To a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_WITHIN)
        self._path = path

    def connect(self) -> None:
        """Instead of by name and port."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(settings: Settings, most: int) -> dict[str, Any]:
    """The page, read. Raises Unanswered."""
    headers = {}
    if settings.admin.token_file is not None:
        try:
            headers["Authorization"] = f"Bearer {read_token(Path(settings.admin.token_file))}"
        except (OSError, BadToken):
            raise Unanswered("the file of admin.token_file cannot be read") from None
    where = settings.listen.admin
    address = parse(where)
    # Who listens on all addresses is asked at this machine's own.
    host = _OWN.get(address.host, address.host)
    connection: http.client.HTTPConnection = _Connection(address.path)
    if not address.path:
        connection = http.client.HTTPConnection(host, address.port, timeout=_WITHIN)
    try:
        connection.request("GET", f"{PAGE}?most={most}", headers=headers)
        answer = connection.getresponse()
        body = answer.read(_LONGEST)
        told = json.loads(body)
    except (OSError, http.client.HTTPException, ValueError):
        raise Unanswered(f"{where} does not answer as an admin port does") from None
    finally:
        connection.close()
    if not isinstance(told, dict) or answer.status != http.client.OK:
        said = told.get("error") if isinstance(told, dict) else None
        raise Unanswered(f"{where} refuses: {clean(str(said or answer.status), 200)}")
    return told


def lines(told: dict[str, Any]) -> list[str]:
    """For people."""
    silent = f"; {len(told['no_answer'])} workers did not answer" if told["no_answer"] else ""
    found = [f"about {told['requests']:,} requests in {told['seconds']:.0f} s{silent}"]
    found += [
        # Values of requests are in it, and this is a terminal.
        f"{each['requests']:>12,}  {each['share']:>6.1%}  {clean(each['counter'], _NAME)}"
        for each in told["counters"]
    ]
    return found
