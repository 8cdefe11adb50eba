"""What a database of Hyperscan takes for a text, measured where it will run."""

import random
import time
from typing import Final

from waf.matcher.hyperscan import Database

SLOW: Final = 3.0
"""Microseconds a KiB, from which on an expression is RE2's: of the 82 expressions that CRS 4.28 has
for arguments at paranoia 1, one alone takes 35 of the 42 us that all together take."""
_SIZE: Final = 8 << 10
_ROUNDS: Final = 5


def _sample() -> bytes:
    """Text as requests have it: words, numbers, addresses, markup, JSON; the same each time."""
    chance = random.Random(7)  # noqa: S311 - no secret
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [12, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    forms = (
        "{} ", "{} ", "{}, ", "{}. ", "{}={}&", '"{}":"{}",', "<{}>{}</{}>", "/{}/{}.{}?",
        "{}@{}.com ", "({}) ", "{}'s ", "$1{};", "{}-{}\n", "%20{}", "C:\\{}\\{} ", "17:{}0 ",
    )  # fmt: skip
    pieces: list[str] = []
    size = 0
    while size < _SIZE:
        words = ("".join(chance.choices(letters, weights, k=chance.randint(1, 9))) for _ in "123")
        pieces.append(chance.choice(forms).format(*words))
        size += len(pieces[-1])
    return "".join(pieces)[:_SIZE].encode()


SAMPLE: Final = _sample()


def microseconds_per_kib(stored: bytes) -> float:
    """Of processor time, the least of several runs: what else the machine does only adds to it."""
    database = Database(stored)
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.thread_time()
        database.search(SAMPLE)
        best = min(best, time.thread_time() - began)
    return best * 1e6 / (_SIZE / 1024)
