"""Who else counts in the same Redis."""

from callout.redis.presence import ROUNDS, Place, Presence


def beat(numbers: dict[bytes, int], *names: bytes) -> dict[bytes, bytes]:
    for name in names:
        numbers[name] = numbers.get(name, 0) + 1
    return {name: b"%d" % number for name, number in numbers.items()}


def test_nobody_has_a_place_before_all_others_must_have_seen_it() -> None:
    presence, numbers = Presence(b"b"), {b"a": 7, b"c": 2}
    for _ in range(ROUNDS - 1):
        presence.heard(beat(numbers, b"a", b"b", b"c"))
        assert presence.place is None
    presence.heard(beat(numbers, b"a", b"b", b"c"))
    assert presence.place == Place(1, 3)


def test_who_is_silent_for_some_rounds_is_gone_and_counts_again_with_its_next_beat() -> None:
    presence, numbers = Presence(b"a"), dict[bytes, int]()
    for _ in range(ROUNDS):
        presence.heard(beat(numbers, b"a", b"b"))
    for _ in range(ROUNDS - 1):
        assert presence.heard(beat(numbers, b"a")) == []
        assert presence.place == Place(0, 2)
    assert presence.heard(beat(numbers, b"a")) == [b"b"]
    assert presence.place == Place(0, 1)
    presence.heard(beat(numbers, b"a", b"b"))
    assert presence.place == Place(0, 2)


def test_a_redis_that_was_restarted_empty_makes_nobody_smaller() -> None:
    presence, numbers = Presence(b"a"), dict[bytes, int]()
    for _ in range(ROUNDS):
        presence.heard(beat(numbers, b"a", b"b", b"c"))
    numbers.clear()
    presence.heard(beat(numbers, b"a"))
    assert presence.place == Place(0, 3)
    presence.heard(beat(numbers, b"a", b"b"))
    for _ in range(ROUNDS):
        presence.heard(beat(numbers, b"a", b"b"))
    assert presence.place == Place(0, 2)


def test_names_that_are_left_over_are_told_to_be_removed_and_are_not_remembered() -> None:
    presence, numbers = Presence(b"me"), {b"old%d" % n: n for n in range(1000)}
    gone: set[bytes] = set()
    for _ in range(ROUNDS + 1):
        gone |= set(presence.heard(beat(numbers, b"me")))
        for name in gone:
            numbers.pop(name, None)
    assert len(gone) == 1000
    assert presence.place == Place(0, 1)
