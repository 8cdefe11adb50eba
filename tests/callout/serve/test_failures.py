import pytest

from callout.observe.paced import EVERY
from callout.serve.counters import Counters
from callout.serve.failures import INTERNAL, Failures


def failing(request: str) -> None:
    raise ValueError(f"token {request}")


def test_a_failure_is_counted_and_logged_with_its_place_but_not_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counters = Counters()
    with pytest.raises(ValueError) as caught:
        failing("hunter2")

    assert Failures(counters).raised("/a.B/C", caught.value, 10.0) == INTERNAL
    logged = capsys.readouterr()
    text = logged.out + logged.err
    assert counters.handler_errors == 1
    assert "/a.B/C" in text
    assert "ValueError" in text
    assert "test_failures.py" in text
    assert "hunter2" not in text


def test_a_flood_of_failures_is_one_line_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    counters = Counters()
    failures = Failures(counters)
    for number in range(1000):
        failures.no_reply("/a.B/C", 42, 10.0 + number / 1000 * EVERY * 0.99)
    failures.no_reply("/a.B/C", 42, 10.0 + EVERY)

    logged = capsys.readouterr()
    lines = (logged.out + logged.err).strip().splitlines()
    assert counters.handler_errors == 1001
    assert len(lines) == 2
    assert "999" in lines[1]
    assert "returned int" in lines[1]
