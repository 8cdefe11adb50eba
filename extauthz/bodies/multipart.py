"""`multipart/form-data` as opa-envoy-plugin reads it: names to lists of values (RFC 7578).

Parts are found as Go's mime/multipart finds them, in one pass. What it tolerates and others read
differently is refused: a form that ends within a part's head, `name*=`, quoted-printable, spaces
before a colon, a second `content-disposition`.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from extauthz.bodies.media_type import parameters
from extauthz.exact_json import go_text

PARTS_MOST: Final = 1000
"""Of one body, as Go's own reader of forms takes: 5 us each, and a megabyte could hold 100,000."""

_NAME: Final = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z|~]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_READ: Final = (b"content-disposition", b"content-type", b"content-transfer-encoding")

_Head = dict[bytes, str]


def form_values(
    body: bytes, boundary: str, loads: Callable[[str, bytes], Any]
) -> dict[str, list[Any]]:
    """Read all parts that have a name, files like any other.

    Args:
        body: all of it.
        boundary: of the media type.
        loads: makes the value of a part, from its content type and content.

    Returns:
        Name to values in their order.

    Raises:
        ValueError: not such a form, or one with too many parts.
    """
    found: dict[str, list[Any]] = {}
    for count, (head, content) in enumerate(_parts(body, b"--" + boundary.encode())):
        if count == PARTS_MOST:
            raise ValueError("too many parts")
        name = _form_name(head.get(b"content-disposition", ""))
        if name:
            if head.get(b"content-transfer-encoding", "").lower() == "quoted-printable":
                raise ValueError("a part that is encoded")
            found.setdefault(name, []).append(loads(head.get(b"content-type", ""), content))
    return found


def _form_name(disposition: str) -> str:
    if "name" not in disposition.lower():
        return ""
    word, name = parameters(disposition, "name")
    return name or "" if word == "form-data" else ""


def _parts(body: bytes, dashes: bytes) -> Iterator[tuple[_Head, bytes]]:
    if dashes == b"--":
        raise ValueError("an empty boundary")
    at = 0
    while True:  # what is before the first part
        line, at = _line(body, at)
        rest = line[len(dashes) :] if line.startswith(dashes) else b""
        newline = rest.lstrip(b" \t")
        if newline in (b"\r\n", b"\n"):
            break  # lines end as this one from here on
        if _is_last(rest, b"\r\n"):
            return
        if not line.endswith(b"\n"):
            raise ValueError("no boundary")
    while True:
        head, at = _head(body, at)
        end, at = _content(body, at, dashes, newline)
        yield head, end
        line, at = _line(body, at)
        rest = line[len(dashes) :]
        if _is_last(rest, newline):
            return
        if rest.lstrip(b" \t") != newline:
            raise ValueError("not a boundary")


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    """The line with its end, and where the next one begins."""
    end = body.find(b"\n", at) + 1
    return (body[at:end], end) if end else (body[at:], len(body))


def _is_last(rest: bytes, newline: bytes) -> bool:
    return rest.startswith(b"--") and rest[2:].lstrip(b" \t") in (b"", newline)


def _content(body: bytes, at: int, dashes: bytes, newline: bytes) -> tuple[bytes, int]:
    """The content that begins at `at`, and where the boundary after it begins."""
    if body.startswith(dashes, at) and _ends(body, at + len(dashes)):
        return b"", at
    delimiter = newline + dashes
    found = body.find(delimiter, at)
    while found >= 0 and not _ends(body, found + len(delimiter)):
        found = body.find(delimiter, found + len(delimiter))
    if found < 0:
        raise ValueError("a part without an end")
    return body[at:found], found + len(newline)


def _ends(body: bytes, at: int) -> bool:
    """Whether a boundary ends here: `--ab` does not begin with the boundary `a`."""
    return body[at : at + 1] in (b"", b" ", b"\t", b"\r", b"\n") or body[at : at + 2] == b"--"


def _head(body: bytes, at: int) -> tuple[_Head, int]:
    """The head of the part that begins at `at`, names in lower case; and where its content is."""
    head: _Head = {}
    if body[at : at + 1] in (b" ", b"\t"):
        raise ValueError("not a header")
    while True:
        line, at = _line(body, at)
        if line in (b"\r\n", b"\n"):
            return head, at
        pieces = [line]
        while body[at : at + 1] in (b" ", b"\t"):
            line, at = _line(body, at)
            pieces.append(line)
        if not line.endswith(b"\n"):
            raise ValueError("a part without an end")
        name, colon, value = b" ".join(each.strip(b" \t\r\n") for each in pieces).partition(b":")
        name = name.lower()
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("not a header")
        text = go_text(value.strip(b" \t"))
        if head.setdefault(name, text) != text and name in _READ:
            raise ValueError("a header with two meanings")
