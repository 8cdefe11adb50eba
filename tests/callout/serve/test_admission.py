"""When a loop that is behind refuses: the rule, with time as an argument."""

from callout.serve.admission import (
    CALM,
    LARGE,
    LEAVE_AFTER,
    READ_SIZE,
    Admission,
    AdmissionOptions,
    Queue,
)

OPTIONS = AdmissionOptions(target=0.005, interval=0.1)


class Loop:
    """A loop that works on its connections in turn."""

    def __init__(self, connections: int) -> None:
        self.now = 1000.0
        self.sleeps = 0
        self.load = Admission(OPTIONS, lambda: self.sleeps)
        self.queues = [Queue(self.load, self.now) for _ in range(connections)]

    def rest(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1

    def read(
        self,
        queue: Queue,
        work: float,
        size: int = 1000,
        timeout: float | None = None,
        requests: int = 1,
    ) -> list[bool]:
        """Reads requests that take `work` seconds in all; which of them are refused."""
        self.now += 10e-6
        queue.begin(self.now, size)
        refused = []
        for _ in range(requests):
            refused.append(queue.behind and queue.refuses(self.now, timeout))
            self.now += work / requests
        self.load.ended = self.now
        return refused

    def round(self, work: float, **options: int) -> list[bool]:
        """Reads of all connections; whether any request of each was refused."""
        return [any(self.read(each, work, **options)) for each in self.queues]


def overloaded(connections: int = 4) -> Loop:
    """Rounds of 10 ms without a rest, for longer than the interval."""
    loop = Loop(connections)
    loop.rest(1.0)
    for _ in range(15):
        loop.round(0.010 / connections)
    return loop


def test_a_loop_that_rests_refuses_nothing() -> None:
    loop = Loop(16)
    for _ in range(200):
        assert not any(loop.round(0.010 / 16))
        loop.rest(0.001)
    assert loop.load.refused == 0


def test_a_burst_that_is_worked_off_within_the_interval_is_answered_whole() -> None:
    loop = Loop(16)
    loop.rest(1.0)
    for _ in range(2):
        # 64 requests on each of 16 connections, 25 us each: 26 ms
        assert not any(loop.round(64 * 25e-6, requests=64))


def test_a_loop_without_rest_whose_rounds_are_short_refuses_nothing() -> None:
    loop = Loop(8)
    loop.rest(1.0)
    for _ in range(2000):
        # 128 requests in flight, for ever, as of h2load: 3.2 ms each
        assert not any(loop.round(0.0032 / 8))


def test_requests_that_waited_longer_than_the_target_for_an_interval_are_refused() -> None:
    loop = overloaded()
    assert all(loop.round(0.0025))
    assert loop.load.refused > 0
    assert loop.load.longest_wait > OPTIONS.target


def test_in_an_overload_what_waited_less_is_answered() -> None:
    loop = overloaded()
    loop.round(0.0001)
    assert not any(loop.round(0.0001))


def test_an_overload_is_over_after_a_calm_second() -> None:
    loop = overloaded()
    loop.round(0.0025)
    loop.rest(CALM + 0.1)
    for _ in range(3):
        loop.round(0.0001)
    refused = loop.load.refused
    for _ in range(3):
        loop.round(0.0025)
    assert loop.load.refused == refused


def test_a_process_that_was_held_up_did_not_rest() -> None:
    loop = Loop(4)
    loop.rest(1.0)
    for _ in range(15):
        loop.round(0.0025)
        loop.now += 0.002
    assert all(loop.round(0.0025))


def test_what_came_too_late_for_its_caller_is_refused_although_it_is_a_burst() -> None:
    loop = Loop(2)
    loop.rest(1.0)
    loop.round(0.020)
    assert loop.read(loop.queues[0], 0.0, timeout=0.040) == [True]
    assert loop.read(loop.queues[1], 0.0, timeout=0.200) == [False]
    assert loop.read(loop.queues[1], 0.0) == [False]


def test_a_connection_that_was_silent_has_not_waited_since_its_last_request() -> None:
    loop = overloaded(2)
    quiet = Queue(loop.load, loop.now - 5.0)
    for _ in range(100):
        loop.round(0.001)
    assert loop.read(quiet, 0.0, timeout=0.020) == [False]


def test_a_full_read_leaves_older_bytes_for_the_next() -> None:
    loop = Loop(1)
    loop.rest(1.0)
    (queue,) = loop.queues
    loop.read(queue, 0.004)
    for _ in range(30):
        loop.read(queue, 0.004, size=READ_SIZE)
    assert loop.now - queue.arrived > 0.05


def test_what_comes_before_the_answer_to_a_ping_is_older_than_the_ping() -> None:
    loop = Loop(2)
    loop.rest(1.0)
    (queue, other) = loop.queues
    for _ in range(6):
        loop.read(queue, 0.001, size=LARGE)
        loop.read(other, 0.001)
    assert queue.wants_ping(loop.now, LARGE)
    assert not queue.wants_ping(loop.now, LARGE), "one at a time"
    assert not other.wants_ping(loop.now, LARGE - 1), "what fits a packet hides nothing"
    for _ in range(60):
        loop.read(queue, 0.001, size=LARGE)
        loop.read(other, 0.001)
    assert any(loop.read(queue, 0.001))
    queue.pong()
    assert not any(loop.read(other, 0.001))
    loop.round(0.0001)
    assert not any(loop.read(queue, 0.0001))


def test_arrival_is_the_middle_of_what_is_possible() -> None:
    loop = Loop(1)
    loop.rest(1.0)
    (queue,) = loop.queues
    loop.read(queue, 0.010)
    began = loop.now
    loop.read(queue, 0.0)
    assert began - 0.006 < queue.arrived < began - 0.004


def test_the_log_is_told_when_an_overload_begins_and_when_it_is_over() -> None:
    loop = overloaded()
    loop.round(0.0025)
    assert loop.load.look(loop.now) == "entered"
    assert loop.load.look(loop.now + 1) == ""
    assert loop.load.look(loop.now + LEAVE_AFTER + 1) == "left"
    assert loop.load.look(loop.now + LEAVE_AFTER + 2) == ""
