"""The judge finds what no limit and no fault explains, and nothing else."""

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from tests.ratelimit.faults.judge import Answer, Fault, Judged, Limit, judge

LIMIT = Limit(3, 10)
Verdict = Literal["ok", "over", "error"]
OK: Verdict = "ok"


def answers(*verdicts: Verdict, start: float = 100.0, **more: Any) -> list[Answer]:
    """One after the other, a tenth of a second each."""
    return [
        Answer("one", start + n / 5, start + n / 5 + 0.1, verdict, **more)
        for n, verdict in enumerate(verdicts)
    ]


def judged(history: Sequence[Answer], *faults: Fault, limit: Limit = LIMIT) -> Judged:
    return judge(history, {"one": limit}, faults, workers=2)


def test_what_a_counter_answers_is_explained() -> None:
    result = judged(answers("ok", "ok", "ok", "over") + answers("ok", start=110.0))
    assert result == Judged([], 1, 1.0)


@pytest.mark.parametrize(
    ("history", "word"),
    {
        "one too many": (answers("ok", "ok", "ok", "ok"), "4 passed in one window, not 3"),
        "one too few": (answers("ok", "ok", "over", "over"), "only 2 of 3 passed"),
        "refused too early": (answers("ok", "ok", "over"), "when 2 of 3 had come"),
        "an error of nobody's": (answers("error"), "while nothing was broken"),
        "without the store, which is there": (
            answers("ok", degraded=True),
            "while nothing was broken",
        ),
    }.values(),
)
def test_what_nothing_explains_is_found(history: Sequence[Answer], word: str) -> None:
    assert any(word in each for each in judged(history).unexplained)


def test_what_was_on_its_way_at_the_border_of_two_windows_may_be_of_either() -> None:
    border = [Answer("one", 109.9, 110.1, "ok") for _ in range(2)]
    before = answers("ok", "ok", start=105.0)
    assert not judged([*before, *border]).unexplained
    refused = [Answer("one", 110.2, 110.3, "over")]
    after = answers("ok", start=110.15)
    assert not judged([*border, *after, *refused]).unexplained
    assert judged([*border[:1], *after, *refused]).unexplained


def test_what_failed_may_have_been_counted() -> None:
    fault = Fault(100.0, 100.5)
    assert not judged(answers("error", "error", "ok", "over"), fault).unexplained
    assert judged(answers("error", "ok", "over"), fault).unexplained


def test_a_counter_that_was_forgotten_counts_once_more_and_no_more() -> None:
    fault = Fault(100.0, 102.0, forgotten=1)
    assert not judged(answers(*[OK] * 6), fault).unexplained
    assert judged(answers(*[OK] * 7), fault).unexplained
    assert judged(answers(*[OK] * 4, start=110.0), fault).unexplained


def test_without_the_store_each_limit_goes_by_its_own_word() -> None:
    fault = Fault(100.0, 105.0)
    without = answers(*[OK] * 4, degraded=True)
    allows, shares = Limit(3, 10, "allow"), Limit(3, 10, "share")
    assert not judged(without, fault, limit=allows).unexplained
    assert judged(without, fault, limit=shares).unexplained
    assert not judged(without[:3], fault, limit=shares).unexplained
    assert judged(without[:1], fault).unexplained  # it refuses
    refused = answers("over", start=101.0, degraded=True)
    assert judged(refused, fault, limit=shares).unexplained
    assert not judged([*without[:1], *refused], fault, limit=shares).unexplained


def test_a_fault_that_fails_nobody_explains_no_error() -> None:
    fault = Fault(100.0, 105.0, failing=False)
    assert judged(answers("error"), fault).unexplained


def test_whose_clock_is_ahead_uses_windows_before_others_do() -> None:
    ahead = answers("ok", "ok", "ok", start=100.0, clock=10.0)
    behind = answers("over", start=110.0)
    assert not judged([*ahead, *behind]).unexplained
    assert judged([*ahead, *answers("ok", start=110.0)]).unexplained
    assert judged([*ahead, *answers("over", start=101.0)]).unexplained


def test_a_sliding_limit_holds_for_every_window() -> None:
    sliding = Limit(3, 10, algorithm="sliding-log")
    assert not judged(answers("ok", "ok", "ok", "over"), limit=sliding).unexplained
    # 109 and 111 are of two fixed windows.
    border = answers("ok", "ok", "ok", start=109.0)
    assert judged([*border, *answers("ok", start=111.0)], limit=sliding).unexplained
    assert not judged([*border, *answers("over", start=111.0)], limit=sliding).unexplained
    assert not judged([*border, *answers("ok", start=119.2)], limit=sliding).unexplained
    assert judged([*border, *answers("over", start=121.0)], limit=sliding).unexplained
    # Who is refused is not counted.
    assert judged(answers("ok", "ok", "over", "over"), limit=sliding).unexplained
    forgets = Fault(111.0, 112.0, forgotten=1)
    assert not judged([*border, *answers("ok", start=111.0)], forgets, limit=sliding).unexplained
    assert judged(answers("error"), limit=sliding).unexplained
    # What a frozen server was sent counts when it goes on.
    frozen = answers("error", "error", "error", start=100.0)
    refused = answers("over", start=115.0)
    assert not judged([*frozen, *refused], Fault(100.0, 114.0), limit=sliding).unexplained
    assert judged([*frozen, *refused], Fault(100.0, 101.0), limit=sliding).unexplained


def test_parts_of_a_window_may_be_remembered_for_one_part_longer() -> None:
    parts = Limit(3, 10, algorithm="sub-buckets")
    passed = answers("ok", "ok", "ok", start=100.0)
    assert judged([*passed, *answers("ok", start=109.0)], limit=parts).unexplained
    assert not judged([*passed, *answers("over", start=111.0)], limit=parts).unexplained
    assert judged([*passed, *answers("over", start=112.0)], limit=parts).unexplained
    assert not judged([*passed, *answers("ok", start=110.5)], limit=parts).unexplained


def test_a_bucket_is_emptied_and_fills_evenly() -> None:
    bucket = Limit(3, 10, algorithm="token-bucket")
    passed = answers("ok", "ok", "ok", start=100.0)
    assert not judged([*passed, *answers("over", start=101.0)], limit=bucket).unexplained
    # A token is back after 3.3 seconds.
    assert judged([*passed, *answers("over", start=104.5)], limit=bucket).unexplained
    assert not judged([*passed, *answers("ok", start=104.5)], limit=bucket).unexplained
    assert judged([*passed, *answers("ok", start=101.0)], limit=bucket).unexplained
    forgets = Fault(101.0, 101.5, forgotten=1)
    assert not judged([*passed, *answers("ok", start=101.0)], forgets, limit=bucket).unexplained
    again = [*passed, *answers("ok", "over", start=104.5)]
    assert not judged(again, limit=bucket).unexplained


def test_the_last_window_counts_by_the_share_that_is_in_sight() -> None:
    sliding = Limit(3, 10, algorithm="sliding-window")
    passed = answers("ok", "ok", "ok", start=105.0)
    assert not judged([*passed, *answers("over", start=111.0)], limit=sliding).unexplained
    # Of three, less than two are in sight.
    assert judged([*passed, *answers("over", start=117.0)], limit=sliding).unexplained
    assert not judged([*passed, *answers("ok", start=117.0)], limit=sliding).unexplained
    assert not judged(
        [*passed, *answers("ok", "ok", "over", start=117.0)], limit=sliding
    ).unexplained
    assert judged([*passed, *answers("ok", start=105.9)], limit=sliding).unexplained
    assert judged(answers("ok", "ok", "over", start=100.0), limit=sliding).unexplained
    # The clock of the counters may still have been in the window before, with some of its last.
    passed = [*answers("ok", start=95.0), *answers("ok", "ok", start=105.0)]
    assert not judged([*passed, *answers("over", start=110.001)], limit=sliding).unexplained
    assert judged([*passed, *answers("over", start=110.01)], limit=sliding).unexplained


def test_while_a_limit_changes_both_numbers_explain() -> None:
    both = Limit(5, 10, least=3)
    assert not judged(answers(*[OK] * 5), limit=both).unexplained
    assert not judged(answers("ok", "ok", "ok", "over"), limit=both).unexplained
    assert judged(answers("ok", "ok", "over"), limit=both).unexplained
    assert judged(answers(*[OK] * 6), limit=both).unexplained
