"""This worker's part of a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.redis.presence import Place
from ratelimit.decide import Answer
from ratelimit.limits import HOUR, Limit
from ratelimit.local.denied import Denied
from ratelimit.local.share import LocalShare, part
from ratelimit.plan import Counted, Group, OnError, Plan

NOW = 1_735_689_600.0


def counted(
    requests: int,
    on_error: OnError = "share",
    addend: int = 1,
    shadow: bool = False,
) -> Counted:
    return Counted(Limit(requests, HOUR), addend, shadow, on_error)


def plan(*limits: Counted, name: bytes = b"") -> Plan:
    keys = tuple(b"%b%d" % (name, place) for place in range(len(limits)))
    return Plan((Group(limits),), keys=keys)


@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.binary(max_size=8))
def test_the_parts_of_all_make_the_whole_and_differ_by_one_at_most(
    requests: int, of: int, key: bytes
) -> None:
    parts = [part(requests, key, Place(rank, of)) for rank in range(of)]
    assert sum(parts) == requests
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize("of", [1, 2, 3, 7, 50])
def test_all_workers_together_let_pass_exactly_the_limit(of: int) -> None:
    shares = [LocalShare(lambda rank=rank: Place(rank, of)) for rank in range(of)]  # type: ignore[misc]
    asked = plan(counted(20))
    answers = [share.answer(asked, NOW) for share in shares for _ in range(30)]
    assert sum(not answer.over for answer in answers if answer is not None) == 20
    assert len([answer for answer in answers if answer is not None]) == 30 * of
    # And again in the next window.
    answers = [share.answer(asked, NOW + 3600) for share in shares for _ in range(30)]
    assert sum(not answer.over for answer in answers if answer is not None) == 20


def test_what_is_told_is_the_limit_and_what_remains_of_the_part() -> None:
    share = LocalShare(lambda: Place(0, 2))
    answer = share.answer(plan(counted(10)), NOW + 600)
    assert isinstance(answer, Answer)
    verdict = answer.verdicts[0]
    assert verdict.limit is not None
    assert (verdict.limit.requests, verdict.remaining, verdict.reset) == (10, 4, 3000)


REFUSED = {
    "a limit that refuses without the store": [counted(9), counted(9, "deny")],
    "no limit with a part": [counted(9, "allow")],
}


@pytest.mark.parametrize("limits", REFUSED.values(), ids=REFUSED)
def test_it_has_no_answer_to(limits: list[Counted]) -> None:
    assert LocalShare(lambda: Place(0, 1)).answer(plan(*limits), NOW) is None


def test_it_has_no_answer_before_it_knows_how_many_there_are() -> None:
    assert LocalShare(lambda: None).answer(plan(counted(9)), NOW) is None


def test_limits_that_let_pass_are_left_out_and_shadow_refuses_nobody() -> None:
    share = LocalShare(lambda: Place(0, 1))
    asked = plan(
        counted(2),
        counted(0, "allow"),
        counted(0, "share", shadow=True),
        counted(0, "deny", shadow=True),
    )
    answers = [share.answer(asked, NOW) for _ in range(3)]
    assert [answer.over for answer in answers if answer is not None] == [False, False, True]


def test_a_counter_that_was_over_before_is_over_without_the_store_until_its_window_ends() -> None:
    denied = Denied()
    share = LocalShare(lambda: Place(0, 1), denied)
    asked = plan(counted(5))
    denied.note(asked, asked.hits(NOW), [6], NOW)
    assert [answer.over for t in (1, 3599, 3600) if (answer := share.answer(asked, NOW + t))] == [
        True,
        True,
        False,
    ]


def test_hostile_numbers_of_hits_and_keys_leave_it_bounded() -> None:
    share = LocalShare(lambda: Place(0, 3), most=100)
    for number in range(10_000):
        answer = share.answer(plan(counted(9, addend=2**32), name=b"%d-" % number), NOW)
        assert answer is not None
        assert answer.over
    assert len(share) == 100
