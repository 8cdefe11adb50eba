"""What must hold of every engine, wherever it decides."""

import asyncio
import copy
import gc
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from extauthz.policy.engine import UNDEFINED, PolicyFailed
from tests.extauthz.policy.contract.conftest import Subject

VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "one": 1,
    "negative": -17,
    "2^53 + 1": 2**53 + 1,
    "2^63": 2**63,
    "2^64 + 1": 2**64 + 1,
    "-2^70": -(2**70),
    "300 digits": int("123456789" * 33),
    "0.1": Decimal("0.1"),
    "10.50": Decimal("10.50"),
    "1.0": Decimal("1.0"),
    "1e3": Decimal("1e3"),
    "-1.5e-7": Decimal("-1.5e-7"),
    "40 decimals": Decimal("0." + "1234567890" * 4),
    "no text": "",
    "text": "text",
    "a number as text": "1",
    "quotes": "\"'\\/",
    "control characters": "\x00\x01\t\n\r\x1f\x7f",
    "unicode": "äß Ω 漢字 🜁 e\u0301 \u2028\u2029 \ufeff \uffff",
    "what HTML escapes": "<a href='x'>&</a>",
    "no list": [],
    "no object": {},
    "list": [1, [2, [3, []]], {}, None, False],
    "object": {"a": {"b": {"c": [{"": None}]}}, "1": 1, "ä": "ö", "\n": 0},
}
"""By a name for the test."""
ORDERS: list[tuple[str, list[Any], Any]] = [
    ("total", [2**64, 1], 2**64 + 1),
    ("total", [Decimal("0.1"), Decimal("0.2")], Decimal("0.3")),
    ("total", [], 0),
    ("product", [2**40, 2**23], 2**63),
    ("quotient", [10, 4], Decimal("2.5")),
    ("quotient", [10, 5], 2),
    ("compared", [2**53, 2**53 + 1], {"less": True, "equal": False}),
    ("compared", [1, Decimal("1.0")], {"less": False, "equal": True}),
    ("compared", [1, True], {"less": False, "equal": False}),
    ("compared", ["1", 1], {"less": False, "equal": False}),
    ("compared", [None, False], {"less": True, "equal": False}),
    ("members", [3, 1, 2, 1, "b", "a", None, True, [1]], [None, True, 1, 2, 3, "a", "b", [1]]),
]
"""Rules, their numbers, and what is made of them."""
SOON = 10.0
"""Seconds that a machine, however busy, needs for one question that ends at its budget."""


def same(found: Any, wanted: Any) -> bool:
    """Equal, of the same types, and written alike: `True` is not 1, and 10.50 is not 10.5."""
    if type(found) is not type(wanted):
        return False
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    return bool(found == wanted) and str(found) == str(wanted)


def nested(depth: int) -> Any:
    value: Any = "core"
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


async def test_a_value_comes_back_exactly(subject: Subject) -> None:
    wrong = []
    for name, value in VALUES.items():
        document = {"x": value}
        before = copy.deepcopy(document)
        echo = await subject.decide("echo", document)
        within = await subject.decide("within", document)
        if not same(echo, value) or not same(within, {"value": [value], "other": value}):
            wrong.append((name, echo, within))
        assert same(document, before), "an input is never changed"
    assert wrong == []


async def test_no_value_is_undefined_and_not_null_nor_false(subject: Subject) -> None:
    assert await subject.decide("undefined", {"x": 1}) is UNDEFINED
    assert await subject.decide("echo", {}) is UNDEFINED
    assert await subject.decide("echo", {"x": None}) is None
    assert await subject.decide("halves", {"x": False}) is UNDEFINED
    assert await subject.decide("denied", {}) is False
    assert await subject.decide("denied", {"x": "yes"}) is True
    assert await subject.decide("denied", {"x": True}) is False


async def test_numbers_and_orders_are_exact(subject: Subject) -> None:
    found = [(rule, xs, await subject.decide(rule, {"xs": xs})) for rule, xs, _ in ORDERS]
    wrong = [each for each, row in zip(found, ORDERS, strict=True) if not same(each[2], row[2])]
    assert wrong == []


async def test_text_is_counted_and_changed_by_its_characters(subject: Subject) -> None:
    assert await subject.decide("size", {"x": "🜁ä漢e\u0301"}) == 5
    assert await subject.decide("joined", {"x": "aäσ🜁"}) == "aäσ🜁|AÄΣ🜁"


async def test_an_error_of_the_policy_is_our_failure_and_not_that_nobody_answered(
    subject: Subject,
) -> None:
    failed = await subject.decide("conflict", {})
    assert isinstance(failed, PolicyFailed)
    assert not failed.unanswered
    assert await subject.decide("denied", {"x": "yes"}) is True


async def test_an_error_of_a_builtin_is_undefined_unless_it_is_strict(subject: Subject) -> None:
    assert await subject.decide("unread", {"x": "none"}) is UNDEFINED
    assert await subject.decide("unread", {"x": "12"}) == 12
    assert await subject.decide("else_unread", {"x": "none"}) == "no number"


async def test_no_data_of_a_request_is_in_what_is_said_of_a_failure(subject: Subject) -> None:
    failed = await subject.decide("conflict", {"x": "hunter2"})
    assert "hunter2" not in str(failed)
    failed = await subject.decide("endless", {"x": "hunter2"}, 0.5)
    assert "hunter2" not in str(failed)


async def test_a_decision_without_an_end_is_a_failure_in_time_and_hurts_no_other(
    subject: Subject,
) -> None:
    began = time.monotonic()
    asking = [asyncio.ensure_future(subject.decide("endless", {"x": 1}, 0.5)) for _ in range(2)]
    others = [subject.decide("echo", {"x": each}) for each in range(20)]
    assert await asyncio.gather(*others) == list(range(20))
    failed = await asyncio.gather(*asking)
    assert time.monotonic() - began < SOON
    assert all(isinstance(each, PolicyFailed) for each in failed)
    assert {each.reason for each in failed} <= {"budget", "opa_unavailable"}
    assert await subject.decide("echo", {"x": "after"}) == "after"


async def test_large_inputs(subject: Subject) -> None:
    assert await subject.decide("size", {"x": "ä" * 500_000}) == 500_000
    many = {f"name-{number}": number for number in range(20_000)}
    assert await subject.decide("size", {"x": many}) == 20_000
    assert await subject.decide("longest", {"x": many}) == len("name-19999")
    assert same(await subject.decide("echo", {"x": many}), many)


async def test_nested_values(subject: Subject) -> None:
    for depth in (1, 10, 200):
        value = nested(depth)
        assert same(await subject.decide("echo", {"x": value}), value)
        assert await subject.decide("depth", {"x": value}) == depth + 1


async def test_what_is_nested_too_deeply_is_undefined_where_it_must_be_or_a_failure(
    subject: Subject,
) -> None:
    document = {"x": nested(3_000)}
    answer = await subject.decide("undefined", document)
    assert answer is UNDEFINED or isinstance(answer, PolicyFailed)
    answer = await subject.decide("within", document)
    assert isinstance(answer, PolicyFailed)
    assert not answer.unanswered
    assert await subject.decide("echo", {"x": "after"}) == "after"


async def test_each_of_many_at_once_gets_its_own_answer(subject: Subject) -> None:
    asked = [subject.decide("within", {"x": each}) for each in range(500)]
    answers = await asyncio.gather(*asked)
    assert answers == [{"value": [each], "other": each} for each in range(500)]


async def test_who_gives_up_leaves_the_others_their_answers(subject: Subject) -> None:
    asked = [asyncio.ensure_future(subject.decide("echo", {"x": each})) for each in range(100)]
    await asyncio.sleep(0.001)
    given_up = [each for each in asked[::2] if each.cancel()]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for number, (task, answer) in enumerate(zip(asked, answers, strict=True)):
        assert task in given_up or answer == number
    assert await subject.decide("echo", {"x": "after"}) == "after"
    await nothing_is_asked(subject)


async def test_ten_thousand_questions_leave_nothing_behind(subject: Subject) -> None:
    async def many(count: int) -> None:
        for start in range(0, count, 50):
            asked = [subject.decide("echo", {"x": each}) for each in range(start, start + 50)]
            assert await asyncio.gather(*asked) == list(range(start, start + 50))

    await many(1000)
    await nothing_is_asked(subject)
    before = counted()
    await many(10_000)
    await nothing_is_asked(subject)
    descriptors, tasks, objects = (now - was for now, was in zip(counted(), before, strict=True))
    assert descriptors <= 0
    assert tasks <= 0
    assert objects < 1000  # one a question would be ten thousand


async def nothing_is_asked(subject: Subject) -> None:
    """Who was asked beside the one that answered is told so, and that takes a round."""
    if subject.servers is None:
        return
    end = time.monotonic() + 5
    while any(each.in_flight.now for each in subject.servers.all):
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def counted() -> Iterator[int]:
    """Descriptors, tasks and objects."""
    gc.collect()
    yield len(list(Path("/proc/self/fd").iterdir()))
    yield len(asyncio.all_tasks())
    yield len(gc.get_objects())
