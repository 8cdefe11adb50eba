"""Handlers that failed: counted each time, logged at a bounded rate and without request data."""

import os
import traceback

import structlog

from callout.grpc.call import Code, Status
from callout.observe.paced import Paced
from callout.serve.counters import Counters

_log = structlog.get_logger("callout.serve")

FRAMES = 8
"""Innermost stack frames that a log line names."""

INTERNAL = Status(Code.INTERNAL, "the handler failed")
"""What the client gets: a fixed text, because an exception's may hold request data."""


class Failures:
    """Turns what is no reply into one."""

    __slots__ = ("_counters", "_paced")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._paced = Paced()

    def raised(self, path: str, error: BaseException, now: float) -> Status:
        """A handler raised. The exception's own text is not logged: it may quote the request."""
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
        where = [f"{os.path.basename(each.filename)}:{each.lineno} {each.name}" for each in frames]
        return self._failed(path, type(error).__qualname__, where, now)

    def no_reply(self, path: str, reply: object, now: float) -> Status:
        """A handler returned what is neither bytes nor a fitting Status."""
        return self._failed(path, f"returned {type(reply).__qualname__}", [], now)

    def _failed(self, path: str, what: str, where: list[str], now: float) -> Status:
        self._counters.handler_errors += 1
        # One kind for all: a failing handler fails for every request of a busy gateway.
        if (silent := self._paced.due("failed", now)) is not None:
            _log.error("a handler failed", method=path, error=what, at=where, silent=silent)
        return INTERNAL
