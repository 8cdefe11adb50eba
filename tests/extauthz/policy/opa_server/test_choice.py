"""Which server is asked next."""

import pytest

from extauthz.policy.engine import PolicyFailed
from extauthz.policy.opa_server.breaker import THRESHOLD
from extauthz.policy.opa_server.in_flight import MOST
from extauthz.policy.opa_server.server import LEAST_PATIENT, MOST_PATIENT, Server, patience
from extauthz.policy.opa_server.servers import OpaServers


def servers(count: int) -> OpaServers:
    return OpaServers([f"http://127.0.0.1:{port}" for port in range(1, count + 1)])


def chosen(made: OpaServers, *but: Server) -> Server:
    found = made.choose(but)
    assert isinstance(found, Server)
    return found


def away(server: Server) -> None:
    for _ in range(THRESHOLD):
        server.breaker.failed(0.0, 0.0)


def test_idle_servers_have_their_turns() -> None:
    made = servers(3)
    order = [chosen(made).name for _ in range(300)]
    assert all(order.count(each.name) == 100 for each in made.all)
    assert order[:3] == order[3:6]


def test_the_one_with_the_fewest_questions_is_asked() -> None:
    made = servers(3)
    for server, questions in zip(made.all, (5, 2, 3), strict=True):
        for _ in range(questions):
            server.in_flight.asked()
    assert {chosen(made) for _ in range(10)} == {made.all[1]}
    assert {chosen(made, made.all[1]) for _ in range(10)} == {made.all[2]}


def test_questions_that_stay_are_spread_evenly() -> None:
    made = servers(4)
    for _ in range(400):
        chosen(made).in_flight.asked()
    assert [each.in_flight.now for each in made.all] == [100] * 4


def test_one_that_is_away_or_being_tried_is_not_asked() -> None:
    made = servers(2)
    first, second = made.all
    away(first)
    assert {chosen(made) for _ in range(10)} == {second}
    first.breaker.probing()
    assert {chosen(made) for _ in range(10)} == {second}
    first.breaker.probed(True, 0.0, 0.0)
    assert {chosen(made) for _ in range(10)} == {first, second}


def test_when_all_are_away_nobody_is_asked() -> None:
    made = servers(2)
    for each in made.all:
        away(each)
    failed = made.choose()
    assert isinstance(failed, PolicyFailed)
    assert (failed.reason, failed.unanswered) == ("opa_unavailable", True)


def test_one_that_has_too_much_is_passed_over_and_if_all_have_nobody_is_asked() -> None:
    made = servers(2)
    first, second = made.all
    for _ in range(MOST):
        first.in_flight.asked()
    assert {chosen(made) for _ in range(10)} == {second}
    away(second)
    failed = made.choose()
    assert isinstance(failed, PolicyFailed)
    assert (failed.reason, failed.unanswered) == ("opa_overloaded", True)


def test_patience_is_a_part_of_the_time_that_there_is_within_bounds() -> None:
    assert patience(0.15) == pytest.approx(0.05)
    assert patience(5.0) == MOST_PATIENT
    assert patience(0.001) == LEAST_PATIENT
