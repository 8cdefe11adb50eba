"""A Lua script by its digest, and how it is sent."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from callout.redis.contract import Redis
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Replies, Reply, pack
from ratelimit.recent import Recent

T = TypeVar("T")

REMEMBERED = 2048
"""Commands that are kept packed, and what they are packed of: most requests of a busy client are
equal, and packing takes half of such a request's 25 us."""
MOST_PACKED = 8
"""Keys of one that is kept: with their number this bounds the memory, to about 10 MB."""


class Script:
    """Lua source that Redis knows by its digest once it has seen it."""

    __slots__ = ("_digest", "_source", "source")

    def __init__(self, source: str) -> None:
        """`source` is Lua 5.1 as Redis 5 and later runs it."""
        self.source = source
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


class Runner:
    """Runs scripts through one client, and hands each reply to its caller.

    A script is sent again only after Redis said NOSCRIPT: then it has surely not been executed.
    After anything else nothing is sent again, so nothing is counted twice.
    """

    def __init__(self, redis: Redis) -> None:
        """Send through `redis`, in the loop that it belongs to."""
        self._redis = redis
        self._packed: Recent[object, bytes] | None = None
        """Made with the first script: a runner that hands all on needs none."""
        self._brought: set[Script] = set()
        """Those whose source is on its way. A Redis that was restarted says NOSCRIPT to all that
        is in flight; the source (6 kB) with each of a thousand is more than may wait."""

    def run(
        self,
        script: Script,
        keys: tuple[bytes, ...],
        arguments: tuple[bytes, ...],
        deadline: float | None,
        then: Callable[[Reply | Unavailable], T],
    ) -> "asyncio.Future[T]":
        """Run a script once.

        Args:
            script: what to run.
            keys: its KEYS.
            arguments: its ARGV.
            deadline: seconds of `time.monotonic` for all attempts together; None: the client's
                own, for each.
            then: makes the result; its exceptions become the future's.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def settle(outcome: Replies | Unavailable) -> None:
            if future.done():
                return  # the caller gave up
            try:
                future.set_result(then(self._read(outcome)))
            except Exception as error:
                future.set_exception(error)

        def bring(outcome: Replies | Unavailable) -> None:
            """Send the source, unless it went ahead: then the digest is enough."""
            if not _unknown(outcome):
                settle(outcome)
            elif script in self._brought:
                self._redis.send([script.known(keys, arguments)], deadline, insist)
            else:
                self._brought.add(script)
                self._redis.send([script.whole(keys, arguments)], deadline, brought)

        def brought(outcome: Replies | Unavailable) -> None:
            self._brought.discard(script)
            settle(outcome)

        def insist(outcome: Replies | Unavailable) -> None:
            """In a Cluster the source may have gone to another node."""
            if _unknown(outcome):
                self._redis.send([script.whole(keys, arguments)], deadline, settle)
            else:
                settle(outcome)

        if self._packed is None:
            self._packed = Recent(REMEMBERED)
        command = self._packed.get((script, keys, arguments))
        if command is None:
            command = script.known(keys, arguments)
            if len(keys) <= MOST_PACKED:
                self._packed.offer((script, keys, arguments), command)
        self._redis.send([command], deadline, bring)
        return future

    def _read(self, outcome: Replies | Unavailable) -> Reply | Unavailable:
        if isinstance(outcome, Unavailable):
            return outcome
        (reply,) = outcome
        if isinstance(reply, ErrorReply):
            self._redis.not_serving(reply)
            return Unavailable("error", reply.message)
        answer: Reply = reply
        return answer


def _unknown(outcome: Replies | Unavailable) -> bool:
    if isinstance(outcome, Unavailable):
        return False
    return is_unknown(outcome[0])


def is_unknown(reply: object) -> bool:
    """Whether Redis does not know the script, and so has not executed it."""
    return isinstance(reply, ErrorReply) and reply.message.startswith("NOSCRIPT")
