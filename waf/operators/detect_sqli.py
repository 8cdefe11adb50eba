"""@detectSQLi."""

import ctypes

from waf.operators.contract import UNDECIDED, Captures, Surroundings, Test
from waf.operators.libinjection import libinjection


def detect_sqli(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match values that libinjection tells for SQL injection.

    Argument: none.
    Returns: the fingerprint, such as `s&1c`. 3 us.
    Example: `ARGS "@detectSQLi"`.
    Differences: as ModSecurity 3.0.15, an error of libinjection counts as a match; the others have
    an older libinjection.
    """
    library = libinjection()
    sqli, fingerprint = library.sqli, library.fingerprint
    scratch = ctypes.create_string_buffer(16)

    def test(value: bytes) -> Captures | None:
        found = sqli(value, len(value), scratch)
        if not found:
            return None
        return (fingerprint(value),) if found > 0 else UNDECIDED

    return test
