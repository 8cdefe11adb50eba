"""Connections that we end and calls that we refuse: each counted, a log line of a kind a second."""

from typing import Final

import structlog

from callout.observe.paced import Paced
from callout.serve.counters import Counters

_log = structlog.get_logger("callout.serve")

ORDINARY: Final = frozenset({"age", "idle", "drain", "closed", "client_ca", "grace"})
"""Ends that say nothing about the peer; `grace` follows one of them."""


class Refusals:
    """Of one server. Lines say who and why, by stable words; never what was sent."""

    __slots__ = ("_calls", "_connections", "_counters")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._calls = Paced()
        self._connections = Paced()

    def connection(self, word: str, peer: str, now: float) -> None:
        """We end a connection."""
        self._counters.close(word)
        if word in ORDINARY:
            return
        if (silent := self._connections.due(word, now)) is not None:
            _log.warning("a connection is ended", reason=word, peer=peer, silent=silent)

    def call(self, word: str, peer: str, now: float) -> None:
        """We refuse a call before any handler sees it."""
        self._counters.refuse(word)
        if (silent := self._calls.due(word, now)) is not None:
            _log.warning("a call is refused", reason=word, peer=peer, silent=silent)
