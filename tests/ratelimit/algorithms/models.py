"""What each algorithm means, in plain words: every hit is remembered, and counted again each time.

Slow, and without any state that could be wrong.
"""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor

from ratelimit.algorithms.contract import Algorithm
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket


class Model:
    """A limit of `capacity` in `window`; `used` says what is counted at a time."""

    def __init__(self, capacity: int, window: int) -> None:
        self.capacity = capacity
        self.window = window
        self.hits: list[int] = []
        """The time of each hit that was admitted and not given back, oldest first."""

    def used(self, now: int) -> int:
        raise NotImplementedError

    def counts(self, hit: int, now: int) -> bool:
        """Whether a hit of then is still in sight."""
        raise NotImplementedError

    def free(self, now: int) -> int:
        return self.capacity - self.used(now)

    def charge(self, now: int, hits: int) -> bool:
        if hits > self.free(now):
            return False
        self.hits += [now] * hits
        return True

    def refund(self, now: int, hits: int) -> None:
        while hits and self.hits and self.counts(self.hits[-1], now):
            self.hits.pop()
            hits -= 1

    def fits_first_after(self, now: int, hits: int, wait: int) -> bool:
        """Whether so many hits fit after that wait, and not a millisecond before."""
        if hits > self.free(now + wait):
            return False
        return wait == 0 or hits > self.free(now + wait - 1)


class FixedWindowModel(Model):
    def counts(self, hit: int, now: int) -> bool:
        return hit // self.window == now // self.window

    def used(self, now: int) -> int:
        return sum(self.counts(hit, now) for hit in self.hits)


class SlidingWindowModel(Model):
    def counts(self, hit: int, now: int) -> bool:
        return now // self.window - hit // self.window <= 1

    def used(self, now: int) -> int:
        this = now // self.window
        share = 1 - Fraction(now % self.window, self.window)
        windows = [hit // self.window for hit in self.hits]
        return windows.count(this) + ceil(windows.count(this - 1) * share)


class SubBucketsModel(Model):
    def __init__(self, capacity: int, window: int, parts: int) -> None:
        super().__init__(capacity, window)
        self.parts = parts
        self.length = ceil(Fraction(window, parts))

    def counts(self, hit: int, now: int) -> bool:
        return now // self.length - hit // self.length <= self.parts

    def used(self, now: int) -> int:
        return sum(self.counts(hit, now) for hit in self.hits)


class ExactLogModel(Model):
    def counts(self, hit: int, now: int) -> bool:
        return now - hit < self.window

    def used(self, now: int) -> int:
        return sum(self.counts(hit, now) for hit in self.hits)


class TokenBucketModel(Model):
    """The level is a fraction, filled up millisecond by millisecond."""

    def __init__(self, capacity: int, window: int, refill: int) -> None:
        super().__init__(capacity, window)
        self.rate = Fraction(refill, window)
        self.level = Fraction(capacity)
        self.at: int | None = None

    def level_at(self, now: int) -> Fraction:
        passed = 0 if self.at is None else now - self.at
        return min(Fraction(self.capacity), self.level + passed * self.rate)

    def free(self, now: int) -> int:
        return floor(self.level_at(now))

    def charge(self, now: int, hits: int) -> bool:
        if hits > self.free(now):
            return False
        self.level, self.at = self.level_at(now) - hits, now
        return True

    def refund(self, now: int, hits: int) -> None:
        level = self.level_at(now) + hits
        self.level, self.at = min(Fraction(self.capacity), level), now


Pair = tuple[Algorithm, Callable[[], Model]]


def fixed(capacity: int, window: int) -> Pair:
    return NamedWindow(capacity, window), lambda: FixedWindowModel(capacity, window)


def sliding(capacity: int, window: int) -> Pair:
    return SlidingWindow(capacity, window), lambda: SlidingWindowModel(capacity, window)


def buckets(capacity: int, window: int, parts: int) -> Pair:
    return SubBuckets(capacity, window, parts), lambda: SubBucketsModel(capacity, window, parts)


def log(capacity: int, window: int) -> Pair:
    return ExactLog(capacity, window), lambda: ExactLogModel(capacity, window)


def bucket(capacity: int, window: int, refill: int) -> Pair:
    return (
        TokenBucket(capacity, window, refill),
        lambda: TokenBucketModel(capacity, window, refill),
    )


LIMITS: dict[str, Pair] = {
    "fixed 5/20ms": fixed(5, 20),
    "fixed 0/20ms": fixed(0, 20),
    "sliding 5/20ms": sliding(5, 20),
    "sliding 1/7ms": sliding(1, 7),
    "sliding 50/9ms": sliding(50, 9),
    "sliding 0/20ms": sliding(0, 20),
    "buckets 5/20ms in 4": buckets(5, 20, 4),
    "buckets 5/20ms in 3, not even": buckets(5, 20, 3),
    "buckets 30/12ms in 12": buckets(30, 12, 12),
    "buckets 0/20ms in 4": buckets(0, 20, 4),
    "log 5/20ms": log(5, 20),
    "log 1/7ms": log(1, 7),
    "log 0/20ms": log(0, 20),
    "bucket 5, 5/20ms": bucket(5, 20, 5),
    "bucket 2, 7/20ms": bucket(2, 20, 7),
    "bucket 40, 3/20ms": bucket(40, 20, 3),
    "bucket 3, 50/7ms": bucket(3, 7, 50),
    "bucket 0, 0/20ms": bucket(0, 20, 0),
}
"""Small, so that a few steps cross every edge: odd lengths, more hits than milliseconds, none."""
