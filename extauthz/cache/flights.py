"""One question instead of many: who asks the same while it is being asked waits for that answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from extauthz.policy.engine import Answer, PolicyFailed


class Flights:
    """The questions under way."""

    __slots__ = ("_flying", "shared")

    def __init__(self) -> None:
        self._flying: dict[Hashable, asyncio.Future[Answer | PolicyFailed]] = {}
        self.shared = 0
        """Answers that were another's, too."""

    async def ask(
        self, key: Hashable, question: Callable[[], Awaitable[Answer | PolicyFailed]]
    ) -> Answer | PolicyFailed:
        """The answer to what `key` stands for.

        A failure is nobody else's: it may be the first one's deadline. Who waited for it asks
        again, by itself.

        Args:
            key: equal only for the same question.
            question: asks it.
        """
        flying = self._flying.get(key)
        if flying is not None:
            # shielded: who gives up must not take the answer from the others
            answer = await asyncio.shield(flying)
            if not isinstance(answer, PolicyFailed):
                self.shared += 1
                return answer
            return await question()
        flying = asyncio.ensure_future(question())
        self._flying[key] = flying
        flying.add_done_callback(lambda _: self._landed(key))
        return await asyncio.shield(flying)

    def _landed(self, key: Hashable) -> None:
        flying = self._flying.pop(key)
        if not flying.cancelled():
            flying.exception()  # whoever waits is told; if nobody does any more, nobody is

    def __len__(self) -> int:
        return len(self._flying)
