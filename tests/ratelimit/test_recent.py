"""The table of what is asked again: what it keeps, and that a flood of keys washes nothing out."""

from ratelimit.recent import Recent


def test_the_least_recently_used_is_forgotten() -> None:
    table: Recent[bytes, int] = Recent(2)
    table.put(b"a", 1)
    table.put(b"b", 2)
    assert table.get(b"a") == 1
    table.put(b"c", 3)
    assert [table.get(key) for key in (b"a", b"b", b"c")] == [1, None, 3]


def test_what_is_offered_is_kept_the_second_time() -> None:
    table: Recent[bytes, int] = Recent(1_000)
    keys = [b"key %d" % number for number in range(1_000)]
    for key in keys:
        table.offer(key, 1)
    # One of 256 has the mark of another, or of nothing: at most 20 of 1,000 with near certainty.
    assert len(table) <= 20
    for key in keys:
        table.offer(key, 2)
    # Of two that share a place one may have lost its mark; a third time it is kept for sure.
    assert len(table) >= 950
    assert all(table.get(key) == 2 for key in keys if table.get(key) is not None)


def test_a_flood_of_keys_that_come_once_washes_nothing_out() -> None:
    table: Recent[bytes, int] = Recent(1_000)
    for _ in range(2):
        table.offer(b"hot", 1)
    for number in range(50_000):
        table.offer(b"once %d" % number, 2)
    assert table.get(b"hot") == 1
    assert len(table) <= 400
