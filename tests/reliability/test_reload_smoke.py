"""A small run of `make reload`, with the same assertions; and what judges its answers.

Without admission control: on a machine that others use it refuses, rightly.
"""

from pathlib import Path

import pytest

from callout.testing import tools
from tests.reliability.reload import large, reloads
from tests.reliability.reloading.judge import Judged, Turn, judge
from tests.reliability.reloading.open_loop import AUTHZ, FAILED, MIXED, OF_A, OF_B, Call

INF = float("inf")
TURNS = [Turn(OF_B, 10.0, 11.0), Turn(OF_A, 20.0, 21.0)]


def call(answer: int, sent: float, answered: float, connection: int = 0) -> Call:
    return Call(connection, AUTHZ, answer, sent, answered)


@pytest.mark.parametrize(
    ("calls", "wrong"),
    [
        ([call(OF_A, 9, 9.1), call(OF_A, 10.5, 10.6), call(OF_B, 10.7, 10.8)], {}),
        ([call(OF_B, 12, 13), call(OF_A, 22, 23), call(OF_A, 9, 23, connection=1)], {}),
        ([call(FAILED, 1, INF)], {"failed": 1}),
        ([call(MIXED, 1, 2)], {"mixed": 1}),
        ([call(OF_A, 12, 13)], {"stale": 1}),
        ([call(OF_B, 9, 9.1)], {"stale": 1}),
        ([call(OF_B, 10.2, 10.3), call(OF_A, 10.4, 10.5)], {"back": 1}),
        ([call(OF_B, 10.2, 10.3), call(OF_A, 10.4, 10.5, connection=1)], {}),
    ],
)
def test_answers_are_judged_by_what_may_have_decided_them(
    calls: list[Call], wrong: dict[str, int]
) -> None:
    counts = {"failed": 0, "mixed": 0, "stale": 0, "back": 0, **wrong}
    assert judge(calls, TURNS) == Judged(len(calls), **counts)


def test_sixty_reloads_under_load_fail_no_call_and_mix_no_answer(tmp_path: Path) -> None:
    tools.require("opa")
    found = reloads(tmp_path, 60, 1_000.0, admission=False)
    assert found.good, found.judged
    # A snapshot of this bundle is 100 KB; the measure's own noise is a few pages.
    assert found.growth("worker") < 40
    assert found.growth("supervising process") < 60


def test_many_policies_are_loaded_while_others_decide(tmp_path: Path) -> None:
    tools.require("opa")
    found = large(tmp_path, 1_000, 500.0, 1.0, admission=False)
    judged = found.judged
    assert not any((judged.failed, judged.mixed, judged.stale, judged.back)), judged
    assert found.decides < 10  # a tenth of the policies, on a machine that others use
