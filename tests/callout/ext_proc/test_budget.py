"""How many bytes are kept: by one, and by all."""

from hypothesis import given
from hypothesis import strategies as st

from callout.ext_proc.budget import Budget, Share


def test_one_keeps_no_more_than_its_part() -> None:
    share = Share(Budget(100, 10))

    assert share.take(10)
    assert not share.take(1)
    share.give(5)
    assert share.take(5)


def test_all_together_keep_no_more_than_there_is() -> None:
    budget = Budget(15, 10)
    one, other = Share(budget), Share(budget)
    assert one.take(10)
    assert not other.take(6)
    assert other.take(5)
    one.close()
    assert budget.held == 5
    assert other.take(5)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=40))
def test_what_was_taken_is_given_back_once(steps: list[tuple[int, int]]) -> None:
    budget = Budget(20, 10)
    shares = [Share(budget) for _ in range(3)]
    for which, size in steps:
        shares[which].take(size)
        assert budget.held == sum(share.held for share in shares) <= budget.most
        assert all(share.held <= budget.most_each for share in shares)
    for share in (*shares, *shares):
        share.close()
    assert budget.held == 0
