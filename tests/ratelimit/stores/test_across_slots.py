"""Counters in several slots: what one of them refuses, the others do not keep."""

import asyncio
from collections.abc import Sequence

from redis.crc import key_slot

from callout.redis.client import Client
from ratelimit.algorithms.contract import LONGEST_WINDOW, Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.stores.contract import StoreUnavailable
from ratelimit.stores.redis_scripts.across_slots import AcrossSlots

REFUSES = SlidingWindow(0, LONGEST_WINDOW)
WIDE = SlidingWindow(10, LONGEST_WINDOW)


def as_said(said: Sequence[Verdict] | StoreUnavailable) -> Sequence[Verdict]:
    assert not isinstance(said, StoreUnavailable)
    return said


async def test_what_was_counted_is_given_back_also_when_the_caller_gave_up(client: Client) -> None:
    assert key_slot(b"narrow") != key_slot(b"wide")
    store = AcrossSlots(client)

    async def left() -> int:
        asked = store.use((Use(b"wide", WIDE, 0),), True, 0.0, None, as_said)
        assert isinstance(asked, asyncio.Future)
        (verdict,) = await asked
        return verdict.remaining

    assert await left() == 10
    asked = store.use((Use(b"narrow", REFUSES, 1), Use(b"wide", WIDE, 1)), True, 0.0, None, as_said)
    assert isinstance(asked, asyncio.Future)
    asked.cancel()
    found = [await left()]  # behind the request, and before what it gives back
    while found[-1] != 10 and len(found) < 1000:
        found.append(await left())
    assert (found[0], found[-1]) == (9, 10)
