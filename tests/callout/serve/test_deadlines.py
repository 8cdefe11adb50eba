from hypothesis import given, settings
from hypothesis import strategies as st

from callout.serve.deadlines import FAR, GRAIN, Deadlines


class Item:
    def expire(self) -> None:
        raise AssertionError("the wheel calls nobody")


def test_an_item_is_taken_once_its_deadline_has_passed_and_not_before() -> None:
    deadlines, item = Deadlines(), Item()
    deadlines.add(100.0, 100.02, item)

    assert deadlines.take(100.02) == []
    upcoming = deadlines.next()
    assert upcoming is not None
    assert 100.02 < upcoming < 100.02 + 1.01 * GRAIN
    assert deadlines.take(upcoming) == [item]
    assert deadlines.take(200.0) == []
    assert deadlines.next() is None


def test_a_forgotten_item_is_not_taken() -> None:
    deadlines, item, other = Deadlines(), Item(), Item()
    ticket = deadlines.add(0.0, 1.0, item)
    deadlines.add(0.0, 1.0, other)
    deadlines.forget(ticket, item)
    deadlines.forget(ticket, item)

    assert deadlines.take(2.0) == [other]
    deadlines.forget(ticket, other)


def test_nothing_waits_when_all_is_forgotten() -> None:
    deadlines, item = Deadlines(), Item()
    deadlines.forget(deadlines.add(0.0, 1.0, item), item)

    assert deadlines.next() is None


def test_a_far_deadline_is_coarse_but_never_early() -> None:
    deadlines, items = Deadlines(), [Item() for _ in range(10_000)]
    for number, item in enumerate(items):
        deadlines.add(0.0, 3600.0 + number / 1000, item)

    assert len(deadlines._buckets) <= 12
    assert deadlines.take(3600.0 - GRAIN) == []
    assert set(deadlines.take(3611.1)) == set(items)


def test_far_deadlines_that_were_forgotten_take_no_room() -> None:
    deadlines, item, kept = Deadlines(), Item(), Item()
    deadlines.add(0.0, 50_000.0, kept)
    for number in range(100_000):
        deadlines.forget(deadlines.add(0.0, 100.0 + number, item), item)

    assert len(deadlines._buckets) <= 2000
    assert len(deadlines._order) <= 2000
    assert deadlines.take(200_000.0) == [kept]


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=30), st.floats(0, 40))
@settings(max_examples=80)
def test_what_is_taken_is_what_passed(rows: list[tuple[float, bool]], now: float) -> None:
    deadlines = Deadlines()
    kept: dict[Item, float] = {}
    for deadline, forget in rows:
        item = Item()
        ticket = deadlines.add(0.0, deadline, item)
        if forget:
            deadlines.forget(ticket, item)
        else:
            kept[item] = deadline
    taken = deadlines.take(now)

    assert len(taken) == len(set(taken))
    assert all(kept[item] <= now for item in taken)
    late = {item for item, deadline in kept.items() if deadline <= now} - set(taken)
    assert all(now - kept[item] <= (1.01 if kept[item] > FAR else 2 * GRAIN) for item in late)
