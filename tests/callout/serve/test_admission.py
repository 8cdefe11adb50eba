"""When a loop that is behind refuses: the rule, with time as an argument."""

import pytest

from callout.serve.admission import (
    CALM,
    LARGE,
    LEAVE_AFTER,
    SHORTEST,
    Admission,
    AdmissionOptions,
    Queue,
)

OPTIONS = AdmissionOptions(target=0.005, interval=0.1)
ANSWER = 30e-6
REFUSAL = 5e-6


class Loop:
    """A loop that works on its connections in turn."""

    def __init__(self, connections: int) -> None:
        self.now = 1000.0
        self.cpu = 0.0
        self.sleeps = 0
        self.load = Admission(OPTIONS, lambda: self.sleeps, lambda: self.cpu)
        self.queues = [Queue(self.load) for _ in range(connections)]

    def rest(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1

    def held_up(self, seconds: float) -> None:
        """Others have the processor."""
        self.now += seconds

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.cpu += seconds

    def read(
        self, queue: Queue, requests: int, size: int = 1000, timeout: float | None = None
    ) -> int:
        """How many of these requests are refused."""
        refused = 0
        asked = queue.begin(self.now, size)
        for _ in range(requests):
            if asked and queue.refuses(self.now, timeout):
                refused += 1
                self.work(REFUSAL)
            else:
                self.work(ANSWER)
        return refused

    def round(self, requests: int, size: int = 1000, timeout: float | None = None) -> int:
        return sum(self.read(each, requests, size, timeout) for each in self.queues)


class SharedCore(Loop):
    """Others have the core in turns, also when the loop wakes."""

    def __init__(self, connections: int, ours: float, theirs: float) -> None:
        super().__init__(connections)
        self.ours = ours
        self.theirs = theirs
        self.until = self.now + ours

    def rest(self, seconds: float) -> None:
        super().rest(seconds)
        self._give_way()

    def work(self, seconds: float) -> None:
        super().work(seconds)
        self._give_way()

    def _give_way(self) -> None:
        if self.now >= self.until:
            self.held_up(self.theirs)
            self.until = self.now + self.ours


class Demand:
    """An open loop: so many requests a second, whatever becomes of them."""

    def __init__(self, loop: Loop, rate: float, timeout: float | None = None) -> None:
        self.loop = loop
        self.rate = rate
        self.timeout = timeout
        self.waiting: list[float] = []
        self.due = loop.now
        self.waits: list[float] = []
        """Of the answered."""
        self.refused = 0

    def run(self, seconds: float) -> None:
        loop = self.loop
        end = loop.now + seconds
        while loop.now < end:
            self._come()
            if not self.waiting:
                loop.rest(self.due - loop.now)
                continue
            taken, self.waiting = self.waiting, []
            part = len(taken) // len(loop.queues) + 1
            for number, queue in enumerate(loop.queues):
                self._take(queue, taken[number * part : (number + 1) * part])

    def _come(self) -> None:
        while self.due <= self.loop.now:
            self.waiting.append(self.due)
            self.due += 1 / self.rate

    def _take(self, queue: Queue, taken: list[float]) -> None:
        if not taken:
            return
        loop = self.loop
        asked = queue.begin(loop.now, 300 * len(taken))
        for since in taken:
            if asked and queue.refuses(loop.now, self.timeout):
                self.refused += 1
                loop.work(REFUSAL)
            else:
                loop.work(ANSWER)
                self.waits.append(loop.now - since)


def demand(times: float, seconds: float, timeout: float | None = None) -> Demand:
    """So many times the capacity."""
    loop = Loop(16)
    loop.rest(1.0)
    wanted = Demand(loop, times / ANSWER, timeout)
    wanted.run(seconds)
    return wanted


def shared(times: float, theirs: float) -> Demand:
    """So many times what is possible in 4 ms of every 4 ms and `theirs`."""
    loop = SharedCore(16, 0.004, theirs)
    wanted = Demand(loop, times / ANSWER * 0.004 / (0.004 + theirs), 0.2)
    wanted.run(4.0)
    return wanted


def overloaded() -> Demand:
    return demand(3.0, 1.0)


def test_below_the_capacity_nothing_is_refused() -> None:
    assert demand(0.5, 2.0).refused == 0
    assert demand(0.95, 2.0).refused == 0


def test_a_burst_that_is_worked_off_within_the_interval_is_answered_whole() -> None:
    loop = Loop(16)
    loop.rest(1.0)
    for _ in range(3):
        assert loop.round(64, size=64 * 300) == 0
        loop.rest(0.001)


def test_a_loop_without_rest_whose_rounds_are_short_refuses_nothing() -> None:
    # 128 requests in flight, for ever, as of h2load: 3.8 ms each
    loop = Loop(8)
    loop.rest(1.0)
    assert sum(loop.round(16) for _ in range(500)) == 0


@pytest.mark.parametrize("theirs", [0.004, 0.012, 0.028])
@pytest.mark.parametrize("timeout", [0.2, 30.0])
def test_callers_who_wait_for_each_answer_are_not_refused_on_a_core_that_is_shared(
    theirs: float, timeout: float
) -> None:
    # The same on a half, a quarter and an eighth of a core: 31 ms each, of 200.
    loop = SharedCore(8, 0.004, theirs)
    loop.rest(1.0)
    assert sum(loop.round(16, timeout=timeout) for _ in range(500)) == 0


def test_one_in_a_hundred_without_patience_changes_nothing_for_the_others() -> None:
    loop = SharedCore(8, 0.004, 0.012)
    loop.rest(1.0)
    refused = 0
    for number in range(500):
        for queue in loop.queues:
            hurried = number % 100 == 0
            lost = loop.read(queue, 16, timeout=0.0005 if hurried else 0.2)
            refused += 0 if hurried else lost
    assert refused == 0


def test_who_is_patient_waits_longer_than_who_is_not() -> None:
    waits = []
    for timeout in (0.020, 0.050, 0.100, 0.200):
        wanted = demand(3.0, 1.0, timeout)
        wanted.waits.clear()
        wanted.run(2.0)
        waits.append(max(wanted.waits) / timeout)
        assert wanted.refused
    # An answer must leave within three quarters: see `answer_by`.
    assert max(waits) < 0.8


def test_at_three_times_the_capacity_half_of_it_is_answered_in_a_short_time() -> None:
    wanted = overloaded()
    wanted.waits.clear()
    wanted.run(2.0)
    assert max(wanted.waits) < 4 * SHORTEST * OPTIONS.target
    assert len(wanted.waits) > 2.0 / ANSWER / 2
    assert wanted.refused


def test_nobody_is_answered_later_than_the_deadline_not_even_when_it_begins() -> None:
    for timeout in (0.020, 0.050, 0.200):
        wanted = demand(3.0, 2.0, timeout)
        assert max(wanted.waits) < timeout
        assert len(wanted.waits) > 2.0 / ANSWER / 3


def test_a_demand_that_cannot_even_be_refused_gets_some_answers() -> None:
    wanted = demand(10.0, 2.0)
    assert len(wanted.waits) > 2.0 / ANSWER / 20
    assert wanted.refused > len(wanted.waits)


def test_after_a_calm_second_a_burst_is_answered_whole_again() -> None:
    loop = overloaded().loop
    loop.rest(CALM / 2)
    loop.round(1)
    assert sum(loop.round(64) for _ in range(3)) > 0, "half a second is not calm"
    loop.rest(CALM + 0.1)
    loop.round(1)
    assert sum(loop.round(64) for _ in range(3)) == 0


def test_a_pause_at_half_of_the_capacity_is_no_overload() -> None:
    wanted = demand(0.5, 0.5)
    loop = wanted.loop
    for _ in range(5):
        loop.held_up(0.080)
        wanted.run(0.3)
    assert wanted.refused == 0


def test_what_a_long_pause_made_too_late_is_refused_and_nothing_after_it() -> None:
    wanted = demand(0.5, 0.5, 0.050)
    loop = wanted.loop
    loop.held_up(0.5)
    wanted.run(0.2)
    assert 0 < wanted.refused < 0.7 * wanted.rate
    refused = wanted.refused
    wanted.run(1.0)
    assert wanted.refused == refused


@pytest.mark.parametrize("theirs", [0.004, 0.012, 0.028])
def test_a_core_that_is_shared_is_a_smaller_capacity_and_nothing_else(theirs: float) -> None:
    assert shared(0.9, theirs).refused == 0
    wanted = shared(3.0, theirs)
    assert wanted.refused
    assert len(wanted.waits) > 4.0 / ANSWER * 0.004 / (0.004 + theirs) / 2
    assert max(wanted.waits) < 0.2


def test_being_held_up_by_others_is_no_rest() -> None:
    wanted = demand(3.0, 0.01)
    for _ in range(500):
        wanted.run(0.002)
        wanted.loop.held_up(0.002)
    assert wanted.refused


def test_what_came_too_late_for_its_caller_is_refused_although_it_is_a_burst() -> None:
    loop = Loop(2)
    loop.rest(1.0)
    loop.round(1)
    first, second = loop.queues
    loop.read(first, 1000)
    assert loop.read(second, 1, timeout=0.030) == 1
    assert loop.read(second, 1, timeout=0.200) == 0
    assert loop.read(second, 1) == 0


def test_a_connection_that_was_silent_has_not_waited_since_its_last_request() -> None:
    loop = Loop(4)
    loop.rest(1.0)
    *others, quiet = loop.queues
    for _ in range(300):
        for each in others:
            loop.read(each, 20)
    assert loop.read(quiet, 1, timeout=0.010) == 0


def test_one_client_with_too_much_of_its_own_is_refused_alone() -> None:
    loop = Loop(4)
    loop.rest(1.0)
    greedy, *others = loop.queues
    refused = others_refused = 0
    for _ in range(2000):
        refused += loop.read(greedy, 20, size=LARGE, timeout=0.050)
        greedy.wants_ping(loop.now)
        others_refused += sum(loop.read(each, 5, timeout=0.020) for each in others)
    assert refused
    assert not others_refused


def test_what_comes_before_the_answer_to_a_ping_is_older_than_the_ping() -> None:
    loop = Loop(2)
    loop.rest(1.0)
    queue, other = loop.queues
    for _ in range(10):
        loop.read(queue, 20, size=LARGE)
        loop.read(other, 20)
    asked = loop.now
    assert queue.wants_ping(asked)
    assert not queue.wants_ping(loop.now), "one at a time"
    assert not other.wants_ping(loop.now), "what fits a packet hides nothing"
    for _ in range(60):
        loop.read(queue, 20, size=LARGE)
        loop.read(other, 20)
    assert loop.read(queue, 1, timeout=0.040) == 1
    queue.pong()
    assert queue.refuses(asked + 0.020, 0.040) is False


def test_arrival_is_the_earliest_that_is_possible() -> None:
    loop = Loop(2)
    loop.rest(1.0)
    loop.round(1)
    began = loop.now
    loop.read(loop.queues[0], 1000, size=LARGE)
    loop.read(loop.queues[0], 1)
    assert loop.queues[0].arrived == pytest.approx(began, abs=0.001)


def test_the_log_is_told_when_an_overload_begins_and_when_it_is_over() -> None:
    load, now = overloaded().loop.load, 1002.0
    assert load.longest_wait > OPTIONS.target
    assert load.look(now) == "entered"
    assert load.look(now + 1) == ""
    assert load.look(now + LEAVE_AFTER + 1) == "left"
    assert load.look(now + LEAVE_AFTER + 2) == ""


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_who_asks_for_little_is_not_refused_for_what_waits_on_other_connections(
    share: float,
) -> None:
    """Also by a worker that has a tenth of a processor, as far as the caller's time allows."""
    loop = Loop(5)
    *attackers, neighbour = loop.queues
    refused = 0
    for number in range(4000):
        for each in attackers:  # a turn each, and no rest
            loop.load.next_round(loop.now)
            if each.begin(loop.now, 0, more=True):
                each.refuses(loop.now, None)
            loop.work(0.0005)
            loop.held_up(0.0005 / share - 0.0005)
        if number % 50 == 0:
            refused += loop.read(neighbour, 1, timeout=1.0)
    assert loop.load.refusing or loop.load.refused
    assert refused == 0
