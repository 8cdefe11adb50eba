"""PEM blocks as Go's `encoding/pem` finds them: bad ones are passed over."""

import base64
import binascii
import re
from typing import Final, NamedTuple

_BLOCK: Final = re.compile(
    rb"(?:^|(?<=\n))-----BEGIN ([^\n]*?)-----[ \t\r]*\n((?:(?!-----(?:END|BEGIN) )[^\n]*\n)*)"
    rb"-----END ([^\n]*?)-----[ \t\r]*(?:\n|$)"
)
"""Linear: no line belongs to two blocks."""


class Block(NamedTuple):
    """One block."""

    kind: str
    """`CERTIFICATE`, `PUBLIC KEY`..."""
    data: bytes
    """What was base64."""


def first(text: bytes) -> tuple[Block | None, bytes]:
    """Go's `pem.Decode`: the first good block, and what stands after it (all, if there is none)."""
    at = 0
    while True:
        at = text.find(b"-----BEGIN ", at)
        if at < 0:
            return None, text
        match = _BLOCK.match(text, at)
        if match is None or match[1] != match[3]:
            at += 1
            continue
        data = _decoded(match[2])
        if data is not None:
            return Block(match[1].decode("utf-8", "replace"), data), text[match.end() :]
        at = match.end()


def _decoded(lines: bytes) -> bytes | None:
    body = lines
    while b":" in body:  # headers: `Proc-Type: 4,ENCRYPTED`
        _, _, body = body.partition(b"\n")
    try:
        return base64.b64decode(body.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error:
        return None


def write(kind: str, data: bytes) -> bytes:
    """A block."""
    text = base64.b64encode(data)
    lines = b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (kind.encode(), lines, kind.encode())
