"""Content-Type (RFC 9110, 8.3), and what can be wrong with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from callout.http.bodies import charsets
from callout.http.bodies.oddities import NONE, Oddities, Oddity


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type as it was sent, taken apart."""

    name: bytes = b""
    """`application/json`, in lower case; empty: there was none, or none that could be read."""
    parameters: tuple[tuple[bytes, bytes], ...] = ()
    """(name in lower case, value without quotes), in order, repeated ones included."""
    oddities: Oddities = NONE
    raw: bytes = b""
    """The field's value. What asks how a boundary was written needs it."""

    def parameter(self, name: bytes) -> bytes | None:
        """The first value of a parameter; None: it was not sent."""
        return next((value for key, value in self.parameters if key == name), None)


MISSING: Final = MediaType()


def parse_all(values: Sequence[bytes]) -> tuple[MediaType, ...]:
    """Reads all Content-Type fields of a message; more than one marks each as a duplicate."""
    if len(values) < 2:
        return tuple(map(parse, values))
    return tuple(
        MediaType(one.name, one.parameters, one.oddities | {"media_type_duplicate"}, one.raw)
        for one in map(parse, values)
    )


_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_NAME: Final = re.compile(rb"[ \t]*+(" + _TOKEN + rb"/" + _TOKEN + rb")[ \t]*+(?=;|\Z)")
_LENIENT_NAME: Final = re.compile(rb"\s*+([^;,\s]*+)\s*+")
_ANOTHER: Final = re.compile(rb",\s*+" + _TOKEN + rb"/" + _TOKEN)
_PARAMETER: Final = re.compile(
    rb'(?P<name>[^=;"]*+)(?P<is>=(?P<space>\s*+)(?:"(?P<quoted>(?:[^"\\]|\\.)*+)(?P<end>"?)|))?'
    rb"(?P<rest>[^;]*+)",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_IS_TOKEN: Final = re.compile(_TOKEN).fullmatch
_IS_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,\-./:=?]++").fullmatch
"""Strictly a token, too, but clients do not quote theirs."""
_EXTENDED: Final = re.compile(rb".*\*\d*+\*?").fullmatch


def parse(value: bytes) -> MediaType:
    """Reads one Content-Type. Linear, and never raises."""
    found = _NAME.match(value)
    oddities: set[Oddity] = set()
    if found is None:
        oddities.add("media_type_malformed")
        found = _LENIENT_NAME.match(value)
        assert found is not None  # noqa: S101  # every value begins with nothing at least
    name = found[1].lower()
    rest = value[found.end() :]
    if b"," in value and _ANOTHER.search(value):
        oddities.add("media_type_duplicate")
    parameters: list[tuple[bytes, bytes]] = []
    if rest.strip(b" \t;"):
        _parameters(rest.lstrip(b"; \t"), parameters, oddities)
    for key, charset in parameters:
        if key == b"charset":
            oddities |= charsets.oddities_of(charset)
    return MediaType(name, tuple(parameters), frozenset(oddities), value)


def _parameters(text: bytes, parameters: list[tuple[bytes, bytes]], oddities: set[Oddity]) -> None:
    seen: set[bytes] = set()
    at = 0
    while at < len(text):
        found = _PARAMETER.match(text, at)
        assert found is not None  # noqa: S101  # it matches nothing, too
        at = found.end() + 1  # the semicolon
        raw_name, rest = found["name"], found["rest"]
        if found["is"] is None:
            if raw_name.strip() or rest.strip():
                oddities.add("parameter_malformed")
            continue
        name = raw_name.strip().lower()
        if found["quoted"] is not None:
            one = _ESCAPED.sub(rb"\1", found["quoted"])
            if not found["end"] or rest.strip(b" \t") or b"\\" in found["quoted"]:
                oddities.add("parameter_malformed")
        else:
            one = rest.rstrip()
            if (_IS_BOUNDARY if name == b"boundary" else _IS_TOKEN)(one) is None:
                oddities.add("parameter_malformed")
        if found["space"] or raw_name.lstrip(b" \t") != raw_name.strip():
            oddities.add("parameter_malformed")
        if _EXTENDED(name):
            oddities.add("parameter_extended")
        if name in seen:
            oddities.add("parameter_duplicate")
        seen.add(name)
        parameters.append((name, one))
