"""How many events a second are kept."""

from contextlib import closing
from pathlib import Path

import pytest

from callout.config.decision_logs import DecisionLogs
from extauthz.decision_logs.rate import Rate
from tests.end_to_end.conftest import until
from tests.extauthz.decision_logs.log_service import LogService
from tests.extauthz.decision_logs.running import allowed, ask, serving


def test_as_many_as_in_a_second_pass_at_once_and_then_as_they_come() -> None:
    rate = Rate(10)
    assert [rate.passing(8, 5.0), rate.passing(8, 5.0), rate.passing(8, 5.0)] == [8, 2, 0]
    assert [rate.passing(8, 5.25), rate.passing(8, 5.5)] == [2, 3]
    assert rate.passing(100, 500.0) == 10


def test_less_than_one_a_second_is_one_now_and_then() -> None:
    rate = Rate(0.5)
    assert [rate.passing(3, 1.0 + second) for second in range(5)] == [1, 0, 1, 0, 1]


def test_a_part_of_an_event_is_none() -> None:
    assert Rate(2.5).passing(9, 1.0) == 2


def test_no_decision_is_lost_and_some_are_cannot_both_be_asked_for() -> None:
    with pytest.raises(ValueError, match="only one of max_per_second, when_full"):
        DecisionLogs.model_validate({"file": "x", "when_full": "deny", "max_per_second": 1})


def test_the_service_gets_no_more_and_the_file_gets_all(
    tmp_path: Path, log_service: LogService
) -> None:
    file = tmp_path / "decisions.jsonl"
    logs = {"url": log_service.url, "file": str(file), "max_per_second": "0.001"}
    with closing(serving(tmp_path, **logs)) as serve, serve.client() as client:
        assert all(allowed(ask(client)) for _ in range(20))
        until(lambda: serve.metric("gatewright_decision_log_dropped_total", reason="rate") == 19)
        until(lambda: file.read_text().count("\n") == 20)
        log_service.wait(1)
        assert len(log_service.events) == 1
