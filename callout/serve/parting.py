"""How a client is asked to go so that not even a request that it begins in that moment is lost.

Envoy sends the requests that begin while it reads from a connection when it has read all, and those
are reset if a GOAWAY was in what it read: an answer to ext_authz, which begins the question to rate
limits on the same connection, and a GOAWAY right behind it cost that question (measured under load:
in every second drain some requests were 503). So the GOAWAY travels alone. A PING goes first: when
it is answered, whatever we wrote before was read and acted on. Answers are kept back from then on
until the PING behind the GOAWAY is answered, too: two round trips, once in a connection's life.
"""

from typing import Any, Final

from callout.http2.connection import Connection

ALONE_SECONDS: Final = 0.25
"""Seconds that answers are kept back at most: clients need not answer a PING, and half of the time
limit of our rendered Envoy configuration is left then."""


class Parting:
    """One connection that is asked to go."""

    def __init__(self, http2: Connection[Any], now: float) -> None:
        """Queues the first PING."""
        self._http2 = http2
        self.due = now + ALONE_SECONDS
        """When to wait no more: `hurry`."""
        self._kept = b""
        self._told = False
        self._hurried = False
        self.done = False
        """Whether all is as usual again: nothing is kept back."""
        http2.probe()

    def hurry(self) -> None:
        """Waits for no PING's answer any more."""
        self._hurried = True

    def outgoing(self) -> bytes:
        """What must be written now."""
        http2 = self._http2
        if not self._told:
            if http2.probing and not self._hurried and http2.terminated is None:
                return b""
            self._kept = http2.outgoing()
            self._told = True
            http2.go_away()
            if not self._hurried and http2.terminated is None:
                return http2.outgoing()
        elif not (http2.final or self._hurried):
            return b""
        self.done = True
        return self._kept + http2.outgoing()
