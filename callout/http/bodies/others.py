"""The other ways to read an ambiguous body, so that rules see what any reader would."""

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from callout.http.bodies import charsets, multipart
from callout.http.bodies.boundary import boundaries
from callout.http.bodies.limits import Limits
from callout.http.bodies.media_type import MediaType
from callout.http.bodies.multipart import Multipart, Part
from callout.http.bodies.oddities import BROKEN, Oddities, Oddity
from callout.http.bodies.pairs import Pairs
from callout.http.bodies.reading import Kind, Reading, kind_of, read

_CHOICES: Final = 2
"""Content-Types, and boundaries and charsets of each, that are tried. Each costs a reading of the
whole body, and a client could send thousands."""


def others(
    first: Reading,
    body: bytes,
    media_types: Sequence[MediaType],
    limits: Limits,
    separators: bytes,
) -> tuple[tuple[Reading, ...], Oddities]:
    """Gives further readings, each different from all before, and what was not read."""
    seen = [first]
    oddities: set[Oddity] = set()
    for reading in _all(first, body, media_types, limits, separators, oddities):
        if reading not in seen:
            seen.append(reading)
    return tuple(seen[1:]), frozenset(oddities)


def _all(
    first: Reading,
    body: bytes,
    media_types: Sequence[MediaType],
    limits: Limits,
    separators: bytes,
    oddities: set[Oddity],
) -> Iterator[Reading]:
    if isinstance(first.content, Multipart):
        yield from _of_parts(first.content, limits, oddities)
    usual = boundaries(media_types[0])[:1]
    for media_type in _some(media_types, oddities):
        kind = kind_of(media_type)
        if kind not in ("raw", first.kind):
            yield read(kind, body, media_type, limits, separators)
        # Whatever the type: some take a body apart by the parameter alone.
        for boundary in _some(boundaries(media_type), oddities):
            if kind == first.kind == "multipart" and (boundary,) == usual:
                continue
            content = multipart.decode(body, media_type, limits, boundary)
            if content.parts:
                yield Reading("multipart", content)
                yield from _of_parts(content, limits, oddities)
        charsets_named = [value for name, value in media_type.parameters if name == b"charset"]
        for charset in _some(tuple(dict.fromkeys(charsets_named)), oddities):
            yield from _of_charset(first, body, charset, media_type, limits, separators)
    yield from _sniffed(first, body, limits, separators)
    if first.kind == "urlencoded" and b";" in body and b";" not in separators:
        yield read("urlencoded", body, media_types[0], limits, separators + b";")


_Choice = TypeVar("_Choice")


def _some(choices: Sequence[_Choice], oddities: set[Oddity]) -> Sequence[_Choice]:
    if len(choices) > _CHOICES:
        oddities.add("too_many_readings")
    return choices[:_CHOICES]


_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+(.)", re.DOTALL).match
_FORM: Final = re.compile(rb"[^\x00-\x20=&]{1,256}+=").match


def _sniffed(first: Reading, body: bytes, limits: Limits, separators: bytes) -> Iterator[Reading]:
    """What the body looks like: many applications ask it, and not its Content-Type."""
    begin = _START(body)
    start = begin[1] if begin is not None else b""
    looks: Kind = "json" if start in (b"{", b"[") else "xml" if start == b"<" else "raw"
    if looks not in ("raw", first.kind):
        reading = read(looks, body, MediaType(), limits, separators)
        if first.kind == "raw" or not reading.oddities & BROKEN:
            yield reading
    elif (first.kind == "raw" or first.oddities & BROKEN) and _FORM(body):
        # By its begin: every file would be one large argument otherwise (corazawaf/coraza#1628).
        yield read("urlencoded", body, MediaType(), limits, separators)


def _of_charset(
    first: Reading,
    body: bytes,
    charset: bytes,
    media_type: MediaType,
    limits: Limits,
    separators: bytes,
) -> Iterator[Reading]:
    decoded = charsets.to_utf8(body, charset)
    if decoded is body:
        return
    yield read(first.kind, decoded, media_type, limits, separators)
    if first.kind == "raw":
        yield from _sniffed(first, decoded, limits, separators)
    content = first.content
    # A form's separators and escapes are often ASCII, and only what is escaped is not.
    if isinstance(content, Pairs):
        yield Reading(first.kind, _pairs_of_charset(content.pairs, charset))
    elif isinstance(content, Multipart):
        yield Reading("urlencoded", _pairs_of_charset(content.pairs, charset))


def _pairs_of_charset(pairs: Sequence[tuple[bytes, bytes]], charset: bytes) -> Pairs:
    return Pairs(
        tuple(
            (charsets.to_utf8(name, charset), charsets.to_utf8(value, charset))
            for name, value in pairs
        )
    )


def _of_parts(content: Multipart, limits: Limits, oddities: set[Oddity]) -> Iterator[Reading]:
    """What is inside of parts: other multipart bodies, transfer encodings, charsets."""
    if content.outside:
        yield Reading("raw", Pairs(((b"", content.outside),)))
    inner = _nested(content.parts)
    found: list[Part] = []
    for _ in range(limits.nesting):
        below: list[Part] = []
        for part in inner:
            below += multipart.decode(part.content, part.media_type, limits).parts
        found += below
        inner = _nested(below)
    if inner:
        oddities.add("nested_too_deep")
    if len(found) > limits.parts:
        oddities.add("too_many_parts")
    if found:
        yield Reading("multipart", Multipart(tuple(found[: limits.parts])))
    undone = [(part.name, text) for part in content.parts for text in _undone(part)]
    if undone:
        yield Reading("urlencoded", Pairs(tuple(undone)))


def _nested(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.media_type.name.startswith(b"multipart/")]


_ENCODING: Final = re.compile(rb"content-transfer-encoding:\s*+(\S++)", re.IGNORECASE).match


def _undone(part: Part) -> Iterator[bytes]:
    if not part.is_field:
        return
    charset = part.media_type.parameter(b"charset") or b""
    text = charsets.to_utf8(part.content, charset)
    if text is not part.content:
        yield text
    for line in part.lines:
        encoding = _ENCODING(line)
        if encoding is None:
            continue
        if encoding[1].lower() == b"base64":
            yield _from_base64(part.content)
        elif encoding[1].lower() == b"quoted-printable":
            yield a2b_qp(part.content)


_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]++").sub


def _from_base64(content: bytes) -> bytes:
    """As much as there is, whatever is beside it and wherever it was cut off."""
    digits = _NOT_BASE64(b"", content)
    return a2b_base64(digits[: len(digits) - (len(digits) % 4 == 1)] + b"==")
