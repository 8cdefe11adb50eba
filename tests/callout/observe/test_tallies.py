import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.observe.decision import Decision
from callout.observe.tallies import BOUNDS, OTHER, DecisionTally, LabelLimits, Labels, Row


def decision(
    policy: str = "shop",
    reason: str = "rego",
    seconds: float = 0.0003,
    *,
    verdict: str = "allow",
    shadow: bool = False,
    face: str = "authz",
) -> Decision:
    return Decision(face, verdict, policy, reason, "alice", "GET /", seconds, shadow)  # type: ignore[arg-type]


def taken(tally: DecisionTally) -> dict[Labels, Row]:
    return {row.labels: row for row in tally.take()}


def test_decisions_are_counted_by_their_labels_and_timed() -> None:
    tally = DecisionTally()
    tally.add(decision(seconds=0.0003))
    tally.add(decision(seconds=0.0004))
    tally.add(decision(seconds=9.0))
    tally.add(decision(verdict="deny", shadow=True))
    rows = taken(tally)
    allowed = rows[Labels("authz", "shop", "allow", "rego", False)]
    assert allowed.buckets[BOUNDS.index(500e-6)] == 2
    assert allowed.buckets[-1] == 1
    assert sum(allowed.buckets) == 3
    assert allowed.seconds == pytest.approx(9.0007)
    assert sum(rows[Labels("authz", "shop", "deny", "rego", True)].buckets) == 1
    assert len(rows) == 2


def test_what_was_taken_is_not_taken_again() -> None:
    tally = DecisionTally()
    tally.add(decision())
    assert len(taken(tally)) == 1
    assert not taken(tally)
    tally.add(decision())
    assert [sum(row.buckets) for row in taken(tally).values()] == [1]


def test_a_duration_on_a_bound_belongs_to_its_bucket() -> None:
    tally = DecisionTally()
    tally.add(decision(seconds=BOUNDS[0]))
    [row] = tally.take()
    assert row.buckets[0] == 1


def test_policies_beyond_the_limit_count_as_other() -> None:
    tally = DecisionTally(LabelLimits(policies=3))
    for number in range(10):
        tally.add(decision(policy=f"p{number}"))
    assert {labels.policy: sum(row.buckets) for labels, row in taken(tally).items()} == {
        "p0": 1,
        "p1": 1,
        "p2": 1,
        OTHER: 7,
    }


def test_policies_without_a_label_of_their_own_share_what_is_found_at_once() -> None:
    tally = DecisionTally(LabelLimits(policies=3))
    for number in range(10_000):
        tally.add(decision(policy=f"p{number}"))
    assert len(tally._found) == 4


def test_a_million_made_up_names_take_no_more_memory_than_the_limits_say() -> None:
    tally = DecisionTally(LabelLimits(policies=5, reasons=5))
    for number in range(20_000):
        tally.add(decision(policy=f"p{number}", reason=f"r{number}", face=f"f{number}"))
    assert len(tally._found) <= 8192
    assert len(tally._rows) <= 6 * 6 * 17
    assert sum(sum(row.buckets) for row in tally.take()) == 20_000


def test_labels_are_bounded_and_can_be_encoded() -> None:
    tally = DecisionTally()
    tally.add(decision(policy="a\nb\udc80" + "x" * 1000))
    [row] = tally.take()
    assert row.labels.policy.startswith("a\\nb\\udc80xxx")
    assert len(row.labels.policy) < 200
    row.labels.policy.encode()


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from(["x", "y", "z"]),
            st.floats(0, 10),
            st.booleans(),
        )
    )
)
def test_nothing_is_lost_or_counted_twice(made: list[tuple[str, str, float, bool]]) -> None:
    tally = DecisionTally(LabelLimits(policies=4, reasons=2))
    count, total = 0, 0.0
    for policy, reason, seconds, take in made:
        tally.add(decision(policy, reason, seconds))
        if take:
            for row in tally.take():
                count, total = count + sum(row.buckets), total + row.seconds
    for row in tally.take():
        count, total = count + sum(row.buckets), total + row.seconds
    assert count == len(made)
    assert total == pytest.approx(sum(seconds for _, _, seconds, _ in made))
