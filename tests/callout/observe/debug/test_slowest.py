from callout.observe.debug.slowest import KEPT, PERIOD, PERIODS, Slowest
from callout.observe.observers import MetricsObserver
from callout.observe.tallies import DecisionTally
from tests.callout.observe.test_tallies import decision


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_the_slowest_are_kept_and_the_others_not_even_looked_at() -> None:
    slowest = Slowest(Clock())
    observer = MetricsObserver(DecisionTally(), slowest)
    for number in range(10_000):
        observer.decided(decision(seconds=(number * 7919 % 10_000) / 1e6))
    assert [each.seconds for each in slowest.found()] == [
        number / 1e6 for number in range(9999, 9999 - KEPT, -1)
    ]
    assert slowest.floor == (10_000 - KEPT) / 1e6


def test_they_are_of_the_last_minutes() -> None:
    clock = Clock()
    slowest = Slowest(clock)
    for minute in range(PERIODS + 2):
        slowest.add(decision(seconds=100.0 - minute))
        clock.now += PERIOD
        slowest.turn()
        assert slowest.floor == 0.0
    assert [each.seconds for each in slowest.found()] == [97.0, 96.0, 95.0, 94.0]


def test_a_clock_that_is_put_back_keeps_nothing_for_ever() -> None:
    clock = Clock()
    slowest = Slowest(clock)
    for _ in range(KEPT):
        slowest.add(decision(seconds=9.0))
    clock.now -= 3600
    slowest.turn()
    assert slowest.floor == 0.0
    for _ in range(PERIODS):
        clock.now += PERIOD
        slowest.turn()
    assert slowest.found() == []


def test_no_request_data_is_kept() -> None:
    slowest = Slowest(Clock())
    slowest.add(decision()._replace(who="alice", what="GET /secret", detail="x"))
    shown = slowest.found()[0]._asdict()
    assert not {"who", "what", "detail"} & set(shown)
    assert "alice" not in str(shown)
