"""Builtins whose answer does not follow from their operands alone.

What a decision that may call one of them has found must not be given to another request.
"""

from collections.abc import Mapping
from typing import Final

NONDETERMINISTIC: Final[Mapping[str, str]] = {
    "crypto.x509.parse_and_verify_certificates": "clock",
    "crypto.x509.parse_and_verify_certificates_with_options": "clock",
    "http.send": "network",
    "io.jwt.decode_verify": "clock",
    "io.jwt.encode_sign": "random",
    "io.jwt.encode_sign_raw": "random",
    "net.lookup_ip_addr": "network",
    "opa.runtime": "environment",
    "rand.intn": "random",
    "time.now_ns": "clock",
    "uuid.rfc4122": "random",
}
"""Name -> what it looks at. OPA's list (v1/ast/builtins.go, `Nondeterministic`), and those with a
clock that OPA leaves out."""

NEEDS_MEMO: Final = frozenset(NONDETERMINISTIC) - {"io.jwt.encode_sign", "io.jwt.encode_sign_raw"}
"""Those that get the evaluation's memo first: in one evaluation there is one time, and the same
operands give the same answer."""
