"""The anomaly scores of CRS, read off TX: of version 4, or of version 3 where that is in use."""

from typing import NamedTuple

from waf.collections.members import Members, number


class Scores(NamedTuple):
    """What a request and its response came to; 0 without CRS."""

    inbound: int
    outbound: int


def scores(tx: Members) -> Scores:
    """The scores that CRS compares with its thresholds."""
    return Scores(
        _first(tx, b"blocking_inbound_anomaly_score", b"anomaly_score"),
        _first(tx, b"blocking_outbound_anomaly_score", b"outbound_anomaly_score"),
    )


def _first(tx: Members, *names: bytes) -> int:
    for name in names:
        value = tx.get(name)
        if value is not None:
            return number(value)
    return 0
