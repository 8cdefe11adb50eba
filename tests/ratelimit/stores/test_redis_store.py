"""What Redis is told of a counter, by a client that only writes it down."""

from collections.abc import Sequence
from typing import TypeVar

from callout.redis.client import Client
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Replies, Then
from ratelimit.stores.contract import Hit
from ratelimit.stores.redis_store import RedisStore

T = TypeVar("T")


class Told(Client):
    """A Redis in which each counter is one more each time."""

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1")
        self.words: list[bytes] = []
        self.away = False
        self._counter = 0

    def send(self, commands: Sequence[bytes], deadline: float | None, then: Then[T]) -> T:
        words = [command.split(b"\r\n")[2] for command in commands]
        self.words += words
        if self.away:
            return then(Unavailable("timeout"))
        replies: Replies = []
        for word in words:
            self._counter += word == b"INCRBY"
            replies.append(self._counter + 1 if word == b"INCRBY" else 1)
        return then(replies)

    def not_serving(self, error: ErrorReply) -> None:
        raise AssertionError(error)


def told(store: RedisStore, redis: Told, key: bytes) -> list[bytes]:
    redis.words = []
    store.add([Hit(key, 1, 1060)], 1000.5, None, lambda counts: None)
    return redis.words


def test_a_counter_has_its_expiry_at_its_first_two_hits_and_is_remembered_then() -> None:
    redis = Told()
    store = RedisStore(redis)
    assert [told(store, redis, b"k@960") for _ in range(4)] == [
        [b"INCRBY", b"EXPIRE"],
        [b"INCRBY", b"EXPIRE"],
        [b"INCRBY"],
        [b"INCRBY"],
    ]


def test_a_counter_whose_expiry_may_not_have_arrived_is_sent_it_again() -> None:
    redis = Told()
    store = RedisStore(redis)
    told(store, redis, b"k@960")
    redis.away = True
    told(store, redis, b"k@960")
    redis.away = False
    assert told(store, redis, b"k@960") == [b"INCRBY", b"EXPIRE"]


def test_counters_that_are_hit_once_do_not_push_out_those_that_are_hit_often() -> None:
    redis = Told()
    store = RedisStore(redis, remembered=4)
    told(store, redis, b"often@960")
    told(store, redis, b"often@960")
    for number in range(100):
        assert told(store, redis, b"once-%d@960" % number) == [b"INCRBY", b"EXPIRE"]
    assert told(store, redis, b"often@960") == [b"INCRBY"]
