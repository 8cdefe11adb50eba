"""`grpc-timeout`: how long the caller waits (gRPC over HTTP/2, "Timeout")."""

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
