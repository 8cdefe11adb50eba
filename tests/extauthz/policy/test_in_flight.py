"""How many questions a neighbour is asked at a time, with time as an argument."""

import heapq

from extauthz.policy.in_flight import LEAST, MOST, InFlight


class Neighbour:
    """Answers so many at a time, each in so many seconds; the others wait for their turn."""

    def __init__(self, at_a_time: int, seconds: float) -> None:
        self.seconds = seconds
        self._free = [0.0] * at_a_time

    def answers(self, now: float) -> float:
        """When the answer to a question of now comes."""
        begins = max(now, heapq.heappop(self._free))
        heapq.heappush(self._free, begins + self.seconds)
        return begins + self.seconds


def ask(
    bound: InFlight, neighbour: Neighbour, rate: float, budget: float, times: tuple[float, float]
) -> tuple[int, int, int]:
    """Answered in time, too late, and refused."""
    now, end = times
    waiting: list[tuple[float, float]] = []
    in_time = late = refused = 0
    while now < end:
        while waiting and waiting[0][0] <= now:
            done, began = heapq.heappop(waiting)
            bound.answered(began, began + budget, done)
            in_time += done < began + budget
            late += done >= began + budget
        if bound.full:
            refused += 1
        else:
            bound.asked()
            heapq.heappush(waiting, (min(neighbour.answers(now), now + budget), now))
        now += 1 / rate
    for done, began in waiting:
        bound.answered(began, began + budget, done)
    return in_time, late, refused


def test_below_the_capacity_nobody_is_refused() -> None:
    bound = InFlight()
    in_time, late, refused = ask(bound, Neighbour(50, 0.020), 2000, 0.050, (0, 3))
    assert (late, refused) == (0, 0)
    assert in_time > 5900


def test_a_burst_that_is_answered_in_time_is_asked_whole() -> None:
    bound, neighbour = InFlight(), Neighbour(50, 0.001)
    for start in range(20):
        _, late, refused = ask(bound, neighbour, 1e6, 0.1, (start, start + 0.0008))
        assert (late, refused) == (0, 0)


def test_at_three_times_the_capacity_most_of_it_is_answered_in_time() -> None:
    bound, neighbour = InFlight(), Neighbour(50, 0.020)
    ask(bound, neighbour, 7500, 0.050, (0, 1))
    in_time, late, refused = ask(bound, neighbour, 7500, 0.050, (2, 7))
    assert in_time > 0.8 * 5 * 2500
    assert late < in_time / 50
    assert refused > in_time


def test_one_that_answers_nobody_is_asked_a_few_at_a_time_and_found_when_it_is_back() -> None:
    bound = InFlight()
    _, _, refused = ask(bound, Neighbour(50, 60.0), 1000, 0.050, (0, 3))
    assert bound._limit == LEAST
    assert refused > 2000
    ask(bound, Neighbour(50, 0.001), 1000, 0.050, (4, 6))
    in_time, late, refused = ask(bound, Neighbour(50, 0.001), 1000, 0.050, (7, 8))
    assert (late, refused) == (0, 0)
    assert in_time > 990
    assert bound._limit <= MOST
