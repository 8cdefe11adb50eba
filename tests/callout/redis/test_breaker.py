"""The breaker, without a Redis and without a clock."""

from callout.redis.breaker import Breaker


def closed() -> Breaker:
    breaker = Breaker(threshold=3, first_wait=0.05, longest_wait=0.3)
    breaker.probing()
    breaker.proved()
    return breaker


def test_it_starts_open_and_closes_only_by_a_probe() -> None:
    breaker = Breaker()
    assert breaker.state == "open"
    breaker.probing()
    assert breaker.state == "half_open"
    breaker.proved()
    assert breaker.state == "closed"


def test_a_row_of_requests_that_waited_in_vain_is_too_many() -> None:
    breaker = closed()
    assert [breaker.timed_out(1) for _ in range(3)] == [False, False, True]
    assert closed().timed_out(3)


def test_an_answer_between_them_starts_the_row_anew() -> None:
    breaker = closed()
    breaker.timed_out(2)
    breaker.answered()
    assert not breaker.timed_out(2)


def test_waits_double_up_to_the_longest() -> None:
    breaker = closed()
    assert [breaker.next_wait() for _ in range(5)] == [0.05, 0.1, 0.2, 0.3, 0.3]


def test_a_server_that_only_takes_connections_does_not_shorten_the_wait() -> None:
    breaker = closed()
    breaker.next_wait()
    breaker.probing()
    breaker.proved()
    assert breaker.next_wait() == 0.1
    breaker.answered()
    assert breaker.next_wait() == 0.05
