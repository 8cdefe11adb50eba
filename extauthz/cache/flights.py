"""One question instead of many: who asks the same while it is being asked waits for that answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, NamedTuple, TypeAlias

from extauthz.policy.engine import Answer, PolicyFailed

PATIENCE: Final = 1 / 3
"""Of the time that a caller has, what it waits for a question that ends before that time. An answer
of an OPA server that takes longer has taken too long for it (`opa_server.in_flight.PART`)."""

_Asked: TypeAlias = asyncio.Future[Answer | PolicyFailed]
Question: TypeAlias = Callable[[], Awaitable[Answer | PolicyFailed]]


class _Flight(NamedTuple):
    """A question under way."""

    asked: _Asked
    until: float
    """When whoever asked gives up."""


class Flights:
    """The questions under way."""

    __slots__ = ("_flying", "shared")

    def __init__(self) -> None:
        self._flying: dict[Hashable, _Flight] = {}
        self.shared = 0
        """Answers that were another's, too."""

    async def ask(
        self, key: Hashable, question: Question, now: float, until: float
    ) -> Answer | PolicyFailed:
        """The answer to what `key` stands for.

        A failure is nobody else's: it may be the first one's deadline. Who waited for it asks
        again, by itself; and who has more time than the first does not wait for that deadline, but
        asks beside it after a part of its own time (`PATIENCE`), and takes what comes first.

        Args:
            key: equal only for the same question.
            question: asks it, until its caller gives up.
            now: seconds.
            until: when this caller gives up.
        """
        flight = self._flying.get(key)
        if flight is None:
            # shielded: who gives up must not take the answer from the others
            return await asyncio.shield(self._begin(key, question, until))
        first = flight.asked
        patience = None if until <= flight.until else PATIENCE * (until - now)
        await asyncio.wait((first,), timeout=patience)
        if first.done():
            answer = first.result()
            if not isinstance(answer, PolicyFailed):
                self.shared += 1
                return answer
            return await question()
        running = {first, self._begin(key, question, until)}
        while True:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                answer = each.result()
                if not isinstance(answer, PolicyFailed):
                    self.shared += each is first
                    return answer
            if not running:
                return answer

    def _begin(self, key: Hashable, question: Question, until: float) -> _Asked:
        flying = asyncio.ensure_future(question())
        self._flying[key] = _Flight(flying, until)
        flying.add_done_callback(lambda _: self._landed(key, flying))
        return flying

    def _landed(self, key: Hashable, flying: _Asked) -> None:
        flight = self._flying.get(key)
        if flight is not None and flight.asked is flying:
            del self._flying[key]
        if not flying.cancelled():
            flying.exception()  # whoever waits is told; if nobody does any more, nobody is

    def __len__(self) -> int:
        return len(self._flying)
