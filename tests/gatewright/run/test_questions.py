import asyncio

from gatewright.run.questions import Answer, Inquiries, Question


class Workers:
    def __init__(self, *places: int) -> None:
        self.sent: list[tuple[int, Question]] = []
        self.inquiries = Inquiries(
            lambda: places, lambda place, question: self.sent.append((place, question))
        )

    def answer(self, place: int, body: bytes) -> None:
        for asked, question in self.sent:
            if asked == place:
                self.inquiries.heard(place, Answer(question.id, body))


async def test_all_workers_are_asked_and_their_answers_put_together() -> None:
    workers = Workers(0, 1)
    asking = asyncio.create_task(workers.inquiries.ask("slowest", 0.0, 5.0))
    await asyncio.sleep(0)
    workers.answer(1, b"one")
    workers.answer(0, b"zero")
    assert await asking == {0: b"zero", 1: b"one"}


async def test_a_frozen_worker_is_left_out_and_is_sent_no_second_question() -> None:
    workers = Workers(0, 1)
    for _ in range(3):
        asking = asyncio.create_task(workers.inquiries.ask("connections", 0.0, 0.05))
        await asyncio.sleep(0)
        workers.answer(1, b"one")
        assert await asking == {0: None, 1: b"one"}
    assert [place for place, _ in workers.sent].count(0) == 1
    workers.answer(0, b"awake")
    asking = asyncio.create_task(workers.inquiries.ask("connections", 0.0, 5.0))
    await asyncio.sleep(0)
    for place in (0, 1):
        workers.answer(place, b"now")
    assert await asking == {0: b"now", 1: b"now"}


async def test_a_worker_that_dies_is_not_waited_for() -> None:
    workers = Workers(0)
    asking = asyncio.create_task(workers.inquiries.ask("profile", 60.0, 60.0))
    await asyncio.sleep(0)
    workers.inquiries.died(0)
    assert await asyncio.wait_for(asking, 5) == {0: None}
    workers.answer(0, b"a ghost's")


async def test_without_workers_there_is_no_answer() -> None:
    assert await Workers().inquiries.ask("slowest", 0.0, 5.0) == {}


async def test_whoever_asks_and_goes_takes_nothing_from_others() -> None:
    workers = Workers(0)
    first = asyncio.create_task(workers.inquiries.ask("slowest", 0.0, 5.0))
    second = asyncio.create_task(workers.inquiries.ask("slowest", 0.0, 5.0))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    workers.answer(0, b"found")
    assert await second == {0: b"found"}
    assert len(workers.sent) == 1
