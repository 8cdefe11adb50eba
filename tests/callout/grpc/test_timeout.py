import pytest

from callout.grpc.timeout import answer_by, parse_timeout

VALUES = [
    (b"1H", 3600.0),
    (b"2M", 120.0),
    (b"30S", 30.0),
    (b"20m", 0.02),
    (b"500u", 0.0005),
    (b"1000n", 1e-6),
    (b"0n", 0.0),
    (b"99999999H", 99999999 * 3600.0),
    (b"00000001S", 1.0),
]
MALFORMED = [
    b"",
    b"S",
    b"1",
    b"1s",
    b"-1S",
    b"+1S",
    b"1.5S",
    b" 1S",
    b"1S ",
    b"1 S",
    b"123456789S",
    b"1SS",
    b"0x1S",
    "\u0661S".encode(),
    b"1\x00",
]


@pytest.mark.parametrize(("value", "seconds"), VALUES)
def test_every_unit_is_read(value: bytes, seconds: float) -> None:
    assert parse_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", MALFORMED)
def test_anything_else_is_malformed(value: bytes) -> None:
    assert parse_timeout(value) is None


def test_all_rows_ran() -> None:
    assert (len(VALUES), len(MALFORMED)) == (9, 15)
    assert {value[-1:] for value, _ in VALUES} == {b"H", b"M", b"S", b"m", b"u", b"n"}


@pytest.mark.parametrize(
    ("deadline", "by"),
    [(None, None), (100.5, 100.48), (100.08, 100.06), (100.02, 100.015), (100.0, 100.0), (99, 99)],
)
def test_an_answer_leaves_time_for_its_way_back(deadline: float | None, by: float | None) -> None:
    assert answer_by(deadline, 100.0) == (by if by is None else pytest.approx(by))
