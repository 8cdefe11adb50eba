"""Questions that several ask at once, each with a deadline of its own."""

import asyncio
from collections.abc import Callable

import pytest

from extauthz.cache.flights import Flights, Question
from extauthz.policy.engine import Answer, PolicyFailed

LATE = PolicyFailed("opa_unavailable", "too late", unanswered=True)
SOON, LONG = 0.05, 30.0
"""Seconds of two callers: the first has given up long before the second waits in vain."""


def asking(takes: asyncio.Event, seconds: float, asked: list[float]) -> Question:
    """A question to a server that answers once `takes` is set, if that is in time."""

    async def question() -> Answer | PolicyFailed:
        asked.append(seconds)
        try:
            async with asyncio.timeout(seconds):
                await takes.wait()
        except TimeoutError:
            return LATE
        return True

    return question


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.001)


async def test_who_has_more_time_does_not_fail_with_the_firsts_deadline() -> None:
    flights, answers, asked = Flights(), asyncio.Event(), list[float]()
    first = asyncio.create_task(flights.ask("a", asking(answers, SOON, asked), 0.0, SOON))
    await until(lambda: len(asked) == 1)
    second = asyncio.create_task(flights.ask("a", asking(answers, LONG, asked), 0.0, LONG))
    assert await first is LATE
    await until(lambda: len(asked) == 2)
    answers.set()
    assert await second is True
    assert asked == [SOON, LONG]
    assert len(flights) == 0


async def test_who_has_more_time_asks_beside_the_first_after_a_part_of_it() -> None:
    flights, asked = Flights(), list[float]()
    never, answers = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(flights.ask("a", asking(never, LONG, asked), 0.0, LONG))
    await until(lambda: len(asked) == 1)
    # of its 0.03 s a third, while the first has half a minute
    second = asyncio.create_task(
        flights.ask("a", asking(answers, 20.0, asked), LONG + 1 - 0.03, LONG + 1)
    )
    await until(lambda: len(asked) == 2)
    assert not first.done()
    answers.set()
    assert await second is True
    assert flights.shared == 0
    never.set()
    assert await first is True
    assert len(flights) == 0


async def test_who_has_no_more_time_than_the_first_waits_for_its_answer() -> None:
    flights, answers, asked = Flights(), asyncio.Event(), list[float]()
    tasks = [
        asyncio.create_task(flights.ask("a", asking(answers, LONG, asked), 0.0, LONG))
        for _ in range(5)
    ]
    await until(lambda: len(asked) == 1)
    answers.set()
    assert await asyncio.gather(*tasks) == [True] * 5
    assert asked == [LONG]
    assert flights.shared == 4


async def test_the_answer_of_the_first_counts_also_when_it_comes_after_the_second_asked() -> None:
    flights, asked = Flights(), list[float]()
    answers, never = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(flights.ask("a", asking(answers, LONG, asked), 0.0, LONG))
    await until(lambda: len(asked) == 1)
    second = asyncio.create_task(
        flights.ask("a", asking(never, 20.0, asked), LONG + 1 - 0.03, LONG + 1)
    )
    await until(lambda: len(asked) == 2)
    answers.set()
    assert await first is True
    assert await second is True
    assert flights.shared == 1
    never.set()
    await until(lambda: len(flights) == 0)


async def test_a_question_that_breaks_breaks_for_who_waits_for_it() -> None:
    async def broken() -> Answer | PolicyFailed:
        await asyncio.sleep(0)
        raise ValueError("broken")

    flights = Flights()
    asked = [asyncio.create_task(flights.ask("a", broken, 0.0, LONG)) for _ in range(2)]
    for each in asked:
        with pytest.raises(ValueError, match="broken"):
            await each
    assert len(flights) == 0
