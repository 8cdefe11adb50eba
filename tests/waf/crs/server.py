"""The web server and the backend that the tests of CRS take for granted.

Some of them want a status that no rule gives: that of Apache, which refuses a request before any
rule sees it, or makes one field of two. Here is what Apache does, for any request alike.
"""

import json
import re
from dataclasses import replace
from typing import Final

from callout.http.head import Headers, ResponseHead
from tests.waf.crs.cases import Sent

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION: Final = re.compile(rb"HTTP/[1-9]\.[0-9]")
_ORIGIN: Final = re.compile(rb"(?:/|[A-Za-z][A-Za-z0-9+.-]*://)[^\x00-\x20\x7f#]*")
_AUTHORITY: Final = re.compile(rb"[^/\s]+:[0-9]+")
_HOST: Final = re.compile(rb"[^\x00-\x20%/]+")


def refuses(sent: Sent) -> bool:
    """Whether it answers 400, and no rule runs (RFC 9112, 2.2, 3 and 6.3; RFC 9110, 5.5, 7.2)."""
    if not _TOKEN.fullmatch(sent.method) or not _VERSION.fullmatch(sent.version):
        return True
    form = _AUTHORITY if sent.method == b"CONNECT" else _ORIGIN
    if sent.target != b"*" and not form.fullmatch(sent.target):
        return True
    host = sent.get(b"host")
    if sent.version == b"HTTP/1.1" and host is not None and not _HOST.fullmatch(host):
        return True
    length = sent.get(b"content-length")
    if length is not None and not length.isdigit():
        return True
    return any(b"\r" in value or b"\n" in value or b"\0" in value for _, value in sent.fields)


def received(sent: Sent) -> Sent:
    """What rules see: fields of one name as one; a body as long as it says (RFC 9112, 6.3)."""
    merged: dict[bytes, tuple[bytes, bytes]] = {}
    for name, value in sent.fields:
        lower = name.lower()
        merged[lower] = (
            (merged[lower][0], merged[lower][1] + b", " + value)
            if lower in merged
            else (name, value)
        )
    if b"transfer-encoding" in merged:
        merged.pop(b"content-length", None)
        body = sent.body
    else:
        body = sent.body[: int(merged.get(b"content-length", (b"", b"0"))[1])]
    return replace(sent, fields=tuple(merged.values()), body=body)


def respond(sent: Sent) -> tuple[ResponseHead, bytes]:
    """As CRS's own backend does: `/reflect` answers what the body asks for, all else nothing."""
    if not sent.target.startswith(b"/reflect"):
        return ResponseHead(200, Headers()), b""
    try:
        asked = json.loads(sent.body)
    except ValueError:
        return ResponseHead(400, Headers()), b""
    body = asked.get("body", "").encode()
    headers = {"content-type": "text/plain; charset=utf-8"}
    headers |= {name.lower(): value for name, value in (asked.get("headers") or {}).items()}
    fields = [(name.encode(), str(value).encode()) for name, value in headers.items()]
    return ResponseHead(asked.get("status", 200), Headers(fields)), body
