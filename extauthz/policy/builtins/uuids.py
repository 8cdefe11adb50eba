"""UUIDs (v1/topdown/uuid.go), read as generously as google/uuid does."""

import re
import uuid
from typing import Any, Final

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.memory import once
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.values.representation import Value, encode

_FORM: Final = re.compile(
    r"(?:urn:uuid:)?({h}{{8}}-{h}{{4}}-{h}{{4}}-{h}{{4}}-{h}{{12}})|({h}{{32}})"
    r"|[\x00-\x7f]({h}{{8}}-{h}{{4}}-{h}{{4}}-{h}{{4}}-{h}{{12}})[\x00-\x7f]".format(
        h="[0-9A-Fa-f]"
    ),
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_GREGORIAN: Final = 0x01B21DD213814000
"""From 1582-10-15 to 1970-01-01, in units of 100 ns."""
_DOMAINS: Final = ("Person", "Group", "Org")


def rfc4122(memo: dict[Any, Any], key: Value) -> str:
    """`uuid.rfc4122(key)`: a random one, the same for the same key in one evaluation."""
    made: str = once(memo, ("uuid.rfc4122", encode(key)), lambda: str(uuid.uuid4()))
    return made


def parse(text: Value) -> Value:
    """`uuid.parse(text)`: its version and variant, and what versions 1 and 2 hold."""
    match = _FORM.fullmatch(operands.string(text, 1))
    if match is None:
        return UNDEFINED
    data = uuid.UUID(match[1] or match[2] or match[3]).bytes
    version = data[6] >> 4
    fields: dict[str, Value] = {"version": version, "variant": _variant(data[8])}
    if version in (1, 2):
        ticks = (
            int.from_bytes(data[:4], "big")
            | int.from_bytes(data[4:6], "big") << 32
            | (int.from_bytes(data[6:8], "big") & 0xFFF) << 48
        ) - _GREGORIAN
        first = data[10] & 3
        # in 64 bits, as in Go, where it wraps
        fields["time"] = (ticks * 100 + 2**63) % 2**64 - 2**63
        fields["nodeid"] = data[10:].hex("-")
        fields["macvariables"] = ("global:unicast", "global:multicast", "local:unicast",
                                  "local:multicast")[first]  # fmt: skip
        fields["clocksequence"] = int.from_bytes(data[8:10], "big") & 0x3FFF
        if version == 2:
            domain = data[9]
            fields["id"] = int.from_bytes(data[:4], "big")
            fields["domain"] = _DOMAINS[domain] if domain < 3 else f"Domain{domain}"
    return fields


def _variant(octet: int) -> str:
    if octet & 0xC0 == 0x80:
        return "RFC4122"
    if octet & 0xE0 == 0xC0:
        return "Microsoft"
    return "Future" if octet & 0xE0 == 0xE0 else "Reserved"
