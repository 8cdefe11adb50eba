"""`grpc-timeout`: how long the caller waits (gRPC over HTTP/2, "Timeout")."""

WAY_BACK = 0.020
"""Seconds, at most, that are kept for the answer's way. The caller began to count before we did,
and on a busy machine timers are late: with 3 ms, one in ten answers of a policy's `onError` came
after Envoy's own."""

_SECONDS = {
    b"H": 3600.0,
    b"M": 60.0,
    b"S": 1.0,
    b"m": 1e-3,
    b"u": 1e-6,
    b"n": 1e-9,
}


def parse_timeout(value: bytes) -> float | None:
    """Read a header value: one to eight ASCII digits and a unit.

    Args:
        value: as sent, for example `20m` (milliseconds) or `1M` (minutes).

    Returns:
        Seconds; None when the value is malformed. Zero is a time that has passed already, which
        is what clients send when their own deadline ran out on the way.
    """
    if not 2 <= len(value) <= 9:
        return None
    digits, unit = value[:-1], _SECONDS.get(value[-1:])
    if unit is None or not digits.isdigit():
        return None
    return int(digits) * unit


def answer_by(deadline: float | None, now: float) -> float | None:
    """When an answer must be made so that it reaches the caller before it stops waiting.

    A policy's own word about failures then decides, and not the caller's impatience.

    Args:
        deadline: the caller's, in seconds of any clock; None: it waits for ever.
        now: the same clock.

    Returns:
        A time that leaves a quarter of what is left, and `WAY_BACK` at most.
    """
    if deadline is None:
        return None
    back = (deadline - now) / 4
    if back > WAY_BACK:
        return deadline - WAY_BACK
    return deadline - back if back > 0.0 else deadline
