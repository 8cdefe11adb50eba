"""Content-Disposition of a part (RFC 7578, 4.2): its names, in all the ways they can be written."""

import re
from dataclasses import dataclass
from typing import Final

from callout.http.bodies.oddities import NONE, Oddities, Oddity
from callout.http.bodies.urlencoded import percent_decoded


@dataclass(frozen=True, slots=True)
class Disposition:
    """What a part is called. More than one name: a parameter came twice, or in two spellings."""

    names: tuple[bytes, ...]
    filenames: tuple[bytes, ...]
    oddities: Oddities


_USUAL: Final = re.compile(rb'form-data; name="([^"\\]*+)"(?:; filename="([^"\\]*+)")?').fullmatch
"""What browsers write: a field takes 7 us with this short cut, 9 without."""
_KIND: Final = re.compile(rb"[ \t]*+([^;\s]*+)[ \t]*+(;|\Z)?")
_PARAMETER: Final = re.compile(
    rb"(?P<name>[^=;\"']*+)"
    rb"(?P<is>=(?P<space>[ \t]*+)(?:"
    rb'"(?P<double>(?:[^"\\]|\\.)*+)(?P<end>"?)'
    rb"|'(?P<single>(?:[^'\\]|\\.)*+)'"
    rb"|))?"
    rb"(?P<rest>[^;]*+)",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\([\"\\])")
"""Only these: Internet Explorer sent `C:\\dir\\file` as it is."""
_TOKEN: Final = re.compile(rb"[^\x00-\x20\x7f-\xff()<>@,;:\\\"/\[\]?=']++").fullmatch
_EXTENDED: Final = re.compile(rb"(name|filename)\*[0-9]*+\*?").fullmatch


def parse(value: bytes) -> Disposition:
    """Reads the value of a Content-Disposition. Linear, and never raises."""
    if (usual := _USUAL(value)) is not None:
        name, filename = usual.groups()
        return Disposition((name,), () if filename is None else (filename,), NONE)
    oddities: set[Oddity] = set()
    found = _KIND.match(value)
    assert found is not None  # noqa: S101  # it matches nothing, too
    if found[1].lower() != b"form-data" or found[2] is None:
        oddities.add("disposition_invalid")
    names: list[bytes] = []
    filenames: list[bytes] = []
    plain: set[bytes] = set()
    at = found.end()
    while at < len(value):
        one = _PARAMETER.match(value, at)
        assert one is not None  # noqa: S101  # it matches nothing, too
        at = one.end() + 1  # the semicolon
        name = one["name"].strip(b" \t").lower()
        if one["is"] is None:
            if name or one["rest"]:
                oddities.add("disposition_invalid")
            continue
        if one["space"] or one["name"].rstrip(b" \t") != one["name"]:
            oddities.add("disposition_invalid")
        text = _value(one, oddities)
        if (extended := _EXTENDED(name)) is not None:
            oddities.add("filename_extended")
            if name.endswith(b"*"):
                text = percent_decoded(text.split(b"'", 2)[-1])
            (names if extended[1] == b"name" else filenames).append(text)
        elif name in (b"name", b"filename"):
            if name in plain:
                oddities.add("disposition_invalid")
            plain.add(name)
            (names if name == b"name" else filenames).append(text)
        else:
            oddities.add("disposition_parameter")
    return Disposition(tuple(names), tuple(filenames), frozenset(oddities))


def _value(one: re.Match[bytes], oddities: set[Oddity]) -> bytes:
    rest = one["rest"].rstrip(b" \t")
    double, single = one["double"], one["single"]
    if double is None and single is None:
        if _TOKEN(rest) is None and not one["name"].rstrip().endswith(b"*"):
            oddities.add("disposition_invalid")
        return rest
    if single is not None:
        oddities.add("invalid_quoting")
        text = single
    else:
        text = double
        if not one["end"]:
            oddities.add("disposition_invalid")
        if b'\\"' in text:
            oddities.add("escaped_quote")
    if rest:
        oddities |= {"invalid_quoting", "disposition_invalid"}
    return _ESCAPED.sub(rb"\1", text)
