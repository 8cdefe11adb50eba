"""What a waiting evaluation has of the outside: it runs in a thread, the network in the loop."""

import asyncio
import concurrent.futures
import socket
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from extauthz.policy.errors import RegoError
from extauthz.policy.outside import http_client
from extauthz.policy.outside.http_cache import HttpCache
from extauthz.policy.outside.http_messages import Answer, Request
from extauthz.policy.outside.permits import Permits
from extauthz.policy.translator.runtime import KEPT

WORLD: Final = "world"
"""Its key in the dict that the memo has under `KEPT`."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class World:
    """Of one evaluation."""

    permits: Permits
    cache: HttpCache
    loop: asyncio.AbstractEventLoop
    until: float
    """When nobody waits for the decision any more; of `time.monotonic`."""

    def send(self, request: Request) -> Answer:
        """Send a request, and wait; see `http_client.fetch`.

        Raises:
            RegoError: the decision's time is over.
        """
        permit = self.permits.http
        assert permit is not None  # noqa: S101 - a plan without one was refused
        return self._wait(http_client.fetch(request, permit))

    def lookup(self, name: str) -> list[str]:
        """The addresses of a name.

        Raises:
            OSError: there is none.
        """
        found = self._wait(
            self.loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)  # in the loop's own threads
        )
        return [str(each[4][0]) for each in found]

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        left = self.until - time.monotonic()
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(max(left, 0))
        except concurrent.futures.TimeoutError:
            future.cancel()
            if time.monotonic() < self.until:
                raise  # the work's own
            raise RegoError("deadline", "the decision's time is over") from None
        except concurrent.futures.CancelledError:
            raise RegoError("deadline", "the decision was given up") from None


def world_of(memo: Mapping[Any, Any]) -> World:
    """The world of the evaluation whose memo this is.

    Raises:
        RegoError: it has none: it was evaluated where nobody may wait.
    """
    found = memo[KEPT].get(WORLD)
    if not isinstance(found, World):
        raise RegoError("rego_builtin", "nothing outside of the policy can be asked here")
    return found
