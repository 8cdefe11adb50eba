"""DER (X.690), as far as certificates need it. Anything amiss is a `ValueError`."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

SEQUENCE: Final = 0x30
SET: Final = 0x31
BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OID: Final = 0x06
_UTC_TIME: Final = 0x17
_GENERAL_TIME: Final = 0x18
_BMP: Final = 0x1E
_TEXTS: Final = {
    0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii",
    _BMP: "utf-16-be",
}  # fmt: skip
"""UTF8, Numeric, Printable, T61, IA5 and BMP strings."""

Oid = tuple[int, ...]


class Node(NamedTuple):
    """One element."""

    tag: int
    """The identifier octet."""
    body: bytes
    whole: bytes
    """With identifier and length."""

    def children(self) -> list["Node"]:
        """What a constructed element holds."""
        return nodes(self.body)


def nodes(data: bytes) -> list[Node]:
    """All elements of `data`, one after another."""
    found = []
    at = 0
    while at < len(data):
        node = _node(data, at)
        found.append(node)
        at += len(node.whole)
    return found


def one(data: bytes, tag: int) -> Node:
    """The only element of `data`."""
    found = nodes(data)
    if len(found) != 1:
        raise ValueError("expected one element")
    return expect(found[0], tag)


def expect(node: Node, tag: int) -> Node:
    """The node, if it has this tag."""
    if node.tag != tag:
        raise ValueError("an element of another kind")
    return node


def _node(data: bytes, at: int) -> Node:
    if len(data) - at < 2 or data[at] & 0x1F == 0x1F:
        raise ValueError("no element")
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        start += size
        length = int.from_bytes(data[at + 2 : start], "big")
        if (
            not 1 <= size <= 4
            or len(data) < start
            or length < 0x80
            or length >> 8 * (size - 1) == 0
        ):
            raise ValueError("a length that is not DER")
    end = start + length
    if end > len(data):
        raise ValueError("an element that is cut off")
    return Node(data[at], data[start:end], data[at:end])


def integer(node: Node) -> int:
    """Of an element INTEGER, or one with an implicit tag."""
    body = node.body
    if not body or (len(body) > 1 and body[0] in (0, 0xFF) and body[1] >> 7 == body[0] & 1):
        raise ValueError("an integer that is not DER")
    return int.from_bytes(body, "big", signed=True)


def boolean(node: Node) -> bool:
    """Of an element BOOLEAN."""
    if expect(node, BOOLEAN).body not in (b"\0", b"\xff"):
        raise ValueError("a boolean that is not DER")
    return node.body == b"\xff"


def oid(node: Node) -> Oid:
    """Of an element OBJECT IDENTIFIER."""
    parts: list[int] = []
    value = 0
    fresh = True
    for byte in expect(node, OID).body:
        if fresh and byte == 0x80:
            raise ValueError("an identifier that is not DER")
        value = value << 7 | byte & 0x7F
        fresh = byte < 0x80
        if value >> 64:
            raise ValueError("an identifier that is too long")
        if fresh:
            parts.append(value)
            value = 0
    if not fresh or not parts:
        raise ValueError("an identifier that is cut off")
    first = min(parts[0] // 40, 2)
    return (first, parts[0] - 40 * first, *parts[1:])


def bits(node: Node) -> tuple[int, bytes]:
    """Of an element BIT STRING: how many bits of the last byte are unused, and the bytes."""
    body = expect(node, BIT_STRING).body
    if not body or body[0] > 7 or (len(body) == 1 and body[0]):
        raise ValueError("a bit string that is not DER")
    return body[0], body[1:]


def text(node: Node) -> str | None:
    """Of a string; None: it is none."""
    coding = _TEXTS.get(node.tag)
    if coding is None:
        return None
    return node.body.decode(coding)  # UnicodeDecodeError is a ValueError


def moment(node: Node) -> datetime:
    """Of an element UTCTime or GeneralizedTime, in the form that certificates must have."""
    if node.tag == _UTC_TIME:
        when = datetime.strptime(node.body.decode("ascii"), "%y%m%d%H%M%SZ").replace(tzinfo=UTC)
        # two digits of a year before 50 are of this century, where Python says before 69
        return when.replace(year=when.year - 100) if when.year >= 2050 else when
    expect(node, _GENERAL_TIME)
    return datetime.strptime(node.body.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
