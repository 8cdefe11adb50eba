"""How many questions a neighbour is asked at a time, with time as an argument."""

import heapq

from extauthz.policy.opa_server.in_flight import LEAST, MOST, InFlight


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
    waiting: list[tuple[float, float, int]] = []
    in_time = late = refused = 0
    while now < end:
        while waiting and waiting[0][0] <= now:
            done, began, among = heapq.heappop(waiting)
            bound.answered(among, began, began + budget, done)
            in_time += done < began + budget
            late += done >= began + budget
        if bound.full:
            refused += 1
        else:
            done = min(neighbour.answers(now), now + budget)
            heapq.heappush(waiting, (done, now, bound.asked()))
        now += 1 / rate
    for done, began, among in waiting:
        bound.answered(among, began, began + budget, done)
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


def test_a_caller_with_much_time_gets_its_answers_in_a_third_of_it() -> None:
    bound, neighbour = InFlight(), Neighbour(50, 0.020)
    ask(bound, neighbour, 7500, 0.200, (0, 1))
    in_time, late, refused = ask(bound, neighbour, 7500, 0.200, (1, 3))
    assert in_time > 0.9 * 2 * 2500
    assert late == 0
    assert refused > in_time
    assert bound._limit / 2500 < 0.075


def test_one_that_takes_most_of_the_time_for_a_single_question_is_asked_all_the_same() -> None:
    bound = InFlight()
    in_time, late, refused = ask(bound, Neighbour(1000, 0.150), 1000, 0.200, (0, 3))
    assert (late, refused) == (0, 0)
    assert in_time > 2800


def test_one_that_becomes_slow_for_a_single_question_is_asked_all_the_same_soon() -> None:
    bound = InFlight()
    ask(bound, Neighbour(1000, 0.010), 1000, 0.200, (0, 3))
    ask(bound, Neighbour(1000, 0.150), 1000, 0.200, (3, 13))
    _, late, refused = ask(bound, Neighbour(1000, 0.150), 1000, 0.200, (13, 15))
    assert (late, refused) == (0, 0)


def test_some_hard_questions_among_others_are_no_line() -> None:
    bound = InFlight()
    waiting: list[tuple[float, float, int]] = []
    for number in range(5000):
        now = number / 1000
        while waiting and waiting[0][0] <= now:
            done, began, among = heapq.heappop(waiting)
            bound.answered(among, began, began + 0.2, done)
        assert not bound.full
        took = (0.001, 0.15, 0.2)[number % 3]
        heapq.heappush(waiting, (now + took, now, bound.asked()))
    assert bound._limit > MOST / 2


def test_after_a_pause_with_little_in_flight_a_burst_is_asked_whole() -> None:
    bound = InFlight()
    ask(bound, Neighbour(50, 0.001), 100, 0.200, (0, 2))
    paused = [bound.asked() for _ in range(10)]
    for among in paused:
        bound.answered(among, 2.0, 2.2, 2.15)
    _, late, refused = ask(bound, Neighbour(50, 0.001), 1e6, 0.2, (3, 3.0009))
    assert (late, refused) == (0, 0)
