"""What the supervising process asks its workers for, and how it waits for their answers."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping

import msgspec

from callout.observe.debug.pages import What


class Question(msgspec.Struct, tag="question", frozen=True):
    """Asks a worker for a page of `/debug/`."""

    id: int
    what: What
    seconds: float = 0.0
    """How long to look, for a profile."""


class Answer(msgspec.Struct, tag="answer", frozen=True):
    """What the worker found."""

    id: int
    body: bytes
    """JSON."""


class Inquiries:
    """Questions of the supervising process that are open.

    To each worker there is at most one of a kind: one that is frozen does not read, and what is
    sent to it piles up here. Whoever asks the same meanwhile waits for the same answer.
    """

    def __init__(
        self, places: Callable[[], Iterable[int]], send: Callable[[int, Question], None]
    ) -> None:
        """Prepares.

        Args:
            places: the places of workers that can be asked now.
            send: sends a question to the worker at a place.
        """
        self._places = places
        self._send = send
        self._ids = itertools.count()
        self._open: dict[tuple[int, What], tuple[int, asyncio.Future[bytes | None]]] = {}

    async def ask(self, what: What, seconds: float, within: float) -> Mapping[int, bytes | None]:
        """The answers of all workers; None of those that gave none within so many seconds."""
        asked = {place: self._asked(place, what, seconds) for place in self._places()}
        if asked:
            # Waited for, and not cancelled: another may wait for the same.
            await asyncio.wait(asked.values(), timeout=within)
        return {place: each.result() if each.done() else None for place, each in asked.items()}

    def heard(self, place: int, answer: Answer) -> None:
        """A worker answered."""
        for (asked, what), (number, future) in list(self._open.items()):
            if asked == place and number == answer.id:
                del self._open[asked, what]
                future.set_result(answer.body)

    def died(self, place: int) -> None:
        """A worker is gone, and will not answer."""
        for (asked, what), (_, future) in list(self._open.items()):
            if asked == place:
                del self._open[asked, what]
                future.set_result(None)

    def _asked(self, place: int, what: What, seconds: float) -> "asyncio.Future[bytes | None]":
        found = self._open.get((place, what))
        if found is not None:
            return found[1]
        number = next(self._ids)
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._open[place, what] = (number, future)
        self._send(place, Question(number, what, seconds))
        return future
