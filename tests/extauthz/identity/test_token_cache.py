from typing import Any

from extauthz.identity.contract import Identity, KeySource
from extauthz.identity.keys import KeySet
from extauthz.identity.token_cache import TokenCache

NOW = 1000.0


class Keys:
    """A key source that has one set for every URL."""

    def __init__(self, keys: KeySet | None = None) -> None:
        self.keys = keys

    def get(self, url: str, kid: str | None, now: float) -> Any:
        return self.keys

    def current(self, url: str, now: float) -> KeySet | None:
        return self.keys


NO_KEYS: KeySource = Keys()


def identity(expires: float = NOW + 10) -> Identity:
    return Identity({"sub": "alice"}, expires)


def test_a_verified_token_is_remembered() -> None:
    cache, alice = TokenCache(), identity()

    cache.put("entries", "token", alice, NOW)

    assert cache.get("entries", "token", NO_KEYS, NOW) is alice


def test_a_token_verified_by_other_entries_is_not_known() -> None:
    cache = TokenCache()
    cache.put("entries", "token", identity(), NOW)

    assert cache.get("other entries", "token", NO_KEYS, NOW) is None
    assert cache.get("entries", "token2", NO_KEYS, NOW) is None


def test_scope_and_token_cannot_be_shifted_into_each_other() -> None:
    cache = TokenCache()
    cache.put("ab", "c", identity(), NOW)

    assert cache.get("a", "bc", NO_KEYS, NOW) is None


def test_a_clock_that_is_set_back_has_tokens_verified_again() -> None:
    cache = TokenCache()
    cache.put("entries", "token", identity(), NOW)

    assert cache.get("entries", "token", NO_KEYS, NOW - 0.5) is not None
    assert cache.get("entries", "token", NO_KEYS, NOW - 60) is None
    assert len(cache) == 0


def test_a_token_is_forgotten_when_it_ends() -> None:
    cache = TokenCache()
    cache.put("entries", "token", identity(NOW + 10), NOW)

    assert cache.get("entries", "token", NO_KEYS, NOW + 9.9) is not None
    assert cache.get("entries", "token", NO_KEYS, NOW + 10) is None
    assert len(cache) == 0


def test_a_token_that_has_ended_is_not_remembered() -> None:
    cache = TokenCache()

    cache.put("entries", "token", identity(NOW), NOW)

    assert len(cache) == 0


def test_a_token_is_forgotten_when_the_fetched_keys_change() -> None:
    first, second = KeySet((), "1"), KeySet((), "2")
    keys, cache = Keys(first), TokenCache()
    cache.put("entries", "token", Identity({}, NOW + 10, first, "https://idp.example/keys"), NOW)

    assert cache.get("entries", "token", keys, NOW) is not None
    keys.keys = second
    assert cache.get("entries", "token", keys, NOW) is None
    keys.keys = first
    assert cache.get("entries", "token", keys, NOW) is None


def test_the_number_of_entries_is_bounded_and_what_is_used_stays() -> None:
    cache = TokenCache(entries=10)
    cache.put("entries", "used", identity(), NOW)
    for number in range(100):
        cache.put("entries", str(number), identity(), NOW)
        assert len(cache) <= 11
        assert cache.get("entries", "used", NO_KEYS, NOW) is not None

    assert cache.get("entries", "0", NO_KEYS, NOW) is None
    assert cache.get("entries", "99", NO_KEYS, NOW) is not None


def test_the_length_of_all_tokens_is_bounded() -> None:
    cache = TokenCache(entries=1000, size=100)

    cache.put("entries", "a" * 51, identity(), NOW)
    assert len(cache) == 0

    for number in range(20):
        cache.put("entries", str(number) * 15, identity(), NOW)
    assert len(cache) <= 6


def test_remembering_again_replaces() -> None:
    cache = TokenCache()
    for _ in range(3):
        cache.put("entries", "token", identity(), NOW)
    alice = identity()
    cache.put("entries", "token", alice, NOW)

    assert len(cache) == 1
    assert cache.get("entries", "token", NO_KEYS, NOW) is alice
