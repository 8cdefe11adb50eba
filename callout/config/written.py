"""Words that several blocks write alike: sizes, and what becomes of a request."""

import re
from typing import Final

STATUSES: Final = frozenset(
    {200, 201, 202, 203, 204, 205, 206, 207, 208, 226}
    | {300, 301, 302, 303, 304, 305, 307, 308}
    | set(range(400, 418))
    | {421, 422, 423, 424, 426, 428, 429, 431}
    | {500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511}
)
"""The final codes of envoy/type/v3/http_status.proto: Envoy sends `999 Unknown` when asked to."""

_SIZE: Final = re.compile(r"([0-9]{1,9})(B|KiB|MiB)")
_UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
_DENIAL: Final = re.compile(r"deny\(([0-9]{3})\)")


def size(text: str) -> int | None:
    """Bytes of `128KiB`; None: it is no size."""
    match = _SIZE.fullmatch(text)
    return None if match is None else int(match[1]) * _UNITS[match[2]]


def denial(text: str) -> int | None:
    """The status of `deny(NNN)`, 400 to 511 and known to Envoy; None: it is none."""
    match = _DENIAL.fullmatch(text)
    if match is None or int(match[1]) not in STATUSES or int(match[1]) < 400:
        return None
    return int(match[1])
