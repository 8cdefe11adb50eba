"""A Lua script by its digest, and how it is sent."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Replies, Reply, Then, pack

T = TypeVar("T")
S = TypeVar("S")


class Script:
    """Lua source that Redis knows by its digest once it has seen it."""

    __slots__ = ("_digest", "_source")

    def __init__(self, source: str) -> None:
        """`source` is Lua 5.1 as Redis 5 and later runs it."""
        self._source = source.encode()
        self._digest = hashlib.sha1(self._source, usedforsecurity=False).hexdigest().encode()

    def known(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        """The command for a Redis that has seen the script."""
        return pack(b"EVALSHA", self._digest, b"%d" % len(keys), *keys, *arguments)

    def whole(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        """The same with the source, which Redis then remembers.

        Not SCRIPT LOAD: this one goes where its keys are, in a Cluster too.
        """
        return pack(b"EVAL", self._source, b"%d" % len(keys), *keys, *arguments)


class Sender(Protocol):
    """What sends commands: `callout.redis.client.Client`."""

    def send(
        self, commands: Sequence[bytes], deadline: float | None, then: Then[S]
    ) -> "S | asyncio.Future[S]":
        """Send packed commands; their replies go to `then`."""
        ...

    def not_serving(self, error: ErrorReply) -> None:
        """This error came in place of a result."""
        ...


def run(
    sender: Sender,
    script: Script,
    keys: Sequence[bytes],
    arguments: Sequence[bytes],
    deadline: float | None,
    then: Callable[[Reply | Unavailable], T],
) -> "asyncio.Future[T]":
    """Run a script once, and hand its reply to `then`.

    It is sent again, with its source, only after Redis said NOSCRIPT: then it has surely not been
    executed. After anything else nothing is sent again, so nothing is counted twice.

    Args:
        sender: the client, of the running loop.
        script: what to run.
        keys: its KEYS.
        arguments: its ARGV.
        deadline: seconds of `time.monotonic` for both attempts together; None: the client's own,
            for each.
        then: makes the result; its exceptions become the future's.
    """
    running = _Running(sender, script, keys, arguments, deadline, then)
    sender.send([script.known(keys, arguments)], deadline, running.first)
    return running.future


class _Running(Generic[T]):
    """One call that waits for its reply."""

    __slots__ = ("_arguments", "_deadline", "_keys", "_script", "_sender", "_then", "future")

    def __init__(
        self,
        sender: Sender,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        deadline: float | None,
        then: Callable[[Reply | Unavailable], T],
    ) -> None:
        self._sender = sender
        self._script = script
        self._keys = keys
        self._arguments = arguments
        self._deadline = deadline
        self._then = then
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def first(self, outcome: Replies | Unavailable) -> None:
        """The replies to the digest."""
        if not isinstance(outcome, Unavailable):
            (reply,) = outcome
            if isinstance(reply, ErrorReply) and reply.message.startswith("NOSCRIPT"):
                command = self._script.whole(self._keys, self._arguments)
                self._sender.send([command], self._deadline, self.settle)
                return
        self.settle(outcome)

    def settle(self, outcome: Replies | Unavailable) -> None:
        """The last word."""
        if self.future.done():
            return  # the caller gave up
        reply: Reply | Unavailable
        if isinstance(outcome, Unavailable):
            reply = outcome
        else:
            (reply,) = outcome
            if isinstance(reply, ErrorReply):
                self._sender.not_serving(reply)
                reply = Unavailable("error", reply.message)
        try:
            self.future.set_result(self._then(reply))
        except Exception as error:
            self.future.set_exception(error)
