"""The state-of-the-world protocol of one subscription, sans-io: responses in, requests out.

https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol: every response is answered with
its nonce, by an ACK with its version, or by a NACK with the version before and the reason.
"""

import hashlib
from typing import Final, NamedTuple

from ratelimit.xds.config_proto import TYPE_URL
from ratelimit.xds.files import Resource

MOST_REASON: Final = 4096
"""Characters of a NACK's reason: servers log it."""


class Response(NamedTuple):
    """What of a `DiscoveryResponse` counts."""

    version: str
    nonce: str
    type_url: str
    resources: tuple[Resource, ...]


class Request(NamedTuple):
    """What of a `DiscoveryRequest` changes from one to the next."""

    version: str
    """Of what was accepted last; empty at the start of a stream."""
    nonce: str
    """Of the response that it answers; empty: of none."""
    reason: str | None = None
    """Why that response is not used; None: it is."""


class OutOfTurn(RuntimeError):
    """The caller's mistake: one response is answered once, before the next is taken."""


class Session:
    """What was accepted, and what waits for its answer. Outlives streams."""

    def __init__(self) -> None:
        self._accepted = ""
        self._waiting: Response | None = None
        self._refused = b""
        """Digest of what was refused last; empty: the last was accepted."""

    def begin(self) -> Request:
        """The first request of a new stream.

        Without a version, although the protocol allows that of the last stream: a server whose
        versions count from 1 again after its own restart (Envoy Gateway's do) would take our old
        1 for its new one, and send nothing.
        """
        self._waiting = None
        return Request("", "")

    def take(self, response: Response) -> bool:
        """A response came; whether it is one for us. Then `accept` or `refuse` follows.

        Raises:
            OutOfTurn: The one before has no answer yet.
        """
        if self._waiting is not None:
            raise OutOfTurn("the response before has no answer yet")
        if response.type_url != TYPE_URL:
            return False  # nothing else was asked for, so there is no subscription to answer for
        self._waiting = response
        return True

    @property
    def again(self) -> bool:
        """Whether what waits is what was refused before, unchanged."""
        return self._refused != b"" and self._refused == _digest(self._taken())

    def accept(self) -> Request:
        """It is used from now on: the ACK."""
        response, self._waiting = self._taken(), None
        self._accepted = response.version
        self._refused = b""
        return Request(response.version, response.nonce)

    def refuse(self, reason: str) -> Request:
        """What was accepted before stays: the NACK."""
        response, self._waiting = self._taken(), None
        self._refused = _digest(response)
        return Request(self._accepted, response.nonce, reason[:MOST_REASON] or "refused")

    def _taken(self) -> Response:
        if self._waiting is None:
            raise OutOfTurn("no response waits for an answer")
        return self._waiting


def _digest(response: Response) -> bytes:
    digest = hashlib.sha256()
    for resource in response.resources:
        for part in (resource.type_url.encode(), resource.value):
            digest.update(b"%d:" % len(part))
            digest.update(part)
    return digest.digest()
