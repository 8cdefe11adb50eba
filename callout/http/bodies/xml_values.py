"""XML as rules want it: texts of elements and values of attributes, without a word of DTD.

Expat reads, so entities are its business; a document that declares some is read no further, which
makes a billion laughs impossible and an external entity unreachable (none is ever fetched: no
handler is set). What follows the place where reading stopped is given as one more text, as it was
sent, so that a fault in the XML does not hide the rest of it from rules.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

from callout.http.bodies.limits import DEFAULT, Limits
from callout.http.bodies.oddities import NONE, Oddities, Oddity


@dataclass(frozen=True, slots=True)
class XmlValues:
    """The values of a document, in its order, as UTF-8."""

    texts: tuple[bytes, ...]
    """Each text between two tags, without white space around it: XML:/* of Coraza."""
    attributes: tuple[bytes, ...]
    """XML://@*"""
    content: bytes = b""
    """All text as one, white space included: XML:/* of ModSecurity, which asks libxml2."""
    oddities: Oddities = NONE


class _Stop(Exception):
    """No more is read."""


def decode(body: bytes, limits: Limits = DEFAULT) -> XmlValues:
    """Reads a document. An encoding that it names is obeyed, and told if it is not UTF-8."""
    reader = _Reader(limits)
    parser = reader.parser
    rest = b""
    try:
        parser.Parse(body, True)
    except _Stop:
        rest = _rest(parser, body)
    except (expat.ExpatError, LookupError, ValueError):
        # The latter two: an encoding that Python does not know, or that has more bytes a character.
        reader.oddities.add("xml_malformed")
        rest = _rest(parser, body)
    parser.buffer_text = False  # gives what was read before the fault, and still in the buffer
    with suppress(_Stop):
        reader.end_text()
    texts = [text for piece in reader.texts if (text := piece.strip())]
    if rest := rest.strip():
        texts.append(rest)
    return XmlValues(
        tuple(texts),
        tuple(reader.attributes),
        b"".join([*reader.texts, rest]),
        frozenset(reader.oddities),
    )


def _rest(parser: expat.XMLParserType, body: bytes) -> bytes:
    """What was not read, from the last tag on: expat has gone past what it does not report."""
    at = parser.ErrorByteIndex if parser.ErrorCode else parser.CurrentByteIndex
    return body[max(body.rfind(b"<", 0, max(at, 0)), 0) :]


_UTF8: Final = ("utf-8", "us-ascii")
"""Encodings in which ASCII is ASCII, and nothing else is valid that is no UTF-8."""


class _Reader:
    def __init__(self, limits: Limits) -> None:
        self.oddities: set[Oddity] = set()
        self.texts: list[bytes] = []
        self._text: list[str] = []
        """Pieces of the text that has not ended: expat gives 8 KiB at a time at most."""
        self.attributes: list[bytes] = []
        self._limits = limits
        self._depth = 0
        self._left = limits.xml_values
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _UTF8:
            self.oddities.add("xml_encoding")

    def _doctype(self, *_: object) -> None:
        self.oddities.add("xml_dtd")

    def _entity(self, _name: str, _kind: int, *said: str | int | None) -> None:
        self.oddities.add("xml_entities")
        self.texts += [one.encode() for one in said if isinstance(one, str)]
        raise _Stop

    def _start(self, _name: str, attributes: list[str]) -> None:
        self.end_text()
        self._depth += 1
        if self._depth > self._limits.xml_depth:
            self.oddities.add("xml_too_deep")
            raise _Stop
        for value in attributes[1::2]:
            self._spend()
            self.attributes.append(value.encode())

    def _end(self, _name: str) -> None:
        self.end_text()
        self._depth -= 1

    def end_text(self) -> None:
        """Makes one text of what came since the last tag. Comments do not divide it."""
        if self._text:
            self.texts.append("".join(self._text).encode())
            self._text.clear()
            self._spend()

    def _spend(self) -> None:
        if not self._left:
            self.oddities.add("too_many_values")
            raise _Stop
        self._left -= 1
