"""Cookies: RFC 6265 as browsers write them (version 0), RFC 2109 as some servers still read them.

Both are here because a client chooses which it gets: `$Version=1` at the front makes Tomcat, Jetty
and Python take quotes and backslashes out of values that a firewall saw with them.
"""

import re
from typing import Final, Literal

from callout.http.bodies.limits import DEFAULT, Limits
from callout.http.bodies.oddities import Oddity
from callout.http.bodies.pairs import Pair, Pairs

_QUOTED_SEPARATOR: Final = re.compile(rb'=[ \t]*+"[^";]*+;')
_VERSION: Final = re.compile(rb"(?:\A|[;,])[ \t]*+\$(?:version|path|domain|port)\b", re.IGNORECASE)
_PIECE: Final = re.compile(
    rb'[ \t]*+([^=;,"]*+)(=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"?+)?+([^;,]*+))?+[^;,]*+', re.DOTALL
)
_ESCAPED: Final = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)


def decode(header: bytes, limits: Limits = DEFAULT, version: Literal[0, 1] = 0) -> Pairs:
    """Takes a Cookie header apart; nothing in it is URL-decoded.

    Args:
        header: several fields joined by `; ` (`Headers.joined`).
        limits: how many; further ones are dropped, with `too_many_arguments`.
        version: 0 ends a cookie at each `;`, keeps quotes and takes white space off both ends; 1
            ends it at `;` and `,` outside of quotes, takes quotes off and backslashes out, and
            keeps `$Version` and the like as cookies (SecCookieFormat).
    """
    oddities: set[Oddity] = set()
    if b"$" in header and _VERSION.search(header):
        oddities.add("cookie_version")
    if b'"' in header:
        oddities.add("cookie_quoted")
        if _QUOTED_SEPARATOR.search(header):
            oddities.add("cookie_quoted_separator")
    pairs = _version_1(header) if version else _version_0(header)
    if len(pairs) > limits.arguments:
        oddities.add("too_many_arguments")
        del pairs[limits.arguments :]
    return Pairs(tuple(pairs), frozenset(oddities))


def _version_0(header: bytes) -> list[Pair]:
    pairs: list[Pair] = []
    for piece in header.split(b";"):
        name, _, value = piece.partition(b"=")
        name, value = name.strip(), value.strip()
        if name or value:
            pairs.append((name, value))
    return pairs


def _version_1(header: bytes) -> list[Pair]:
    pairs: list[Pair] = []
    at = 0
    while at < len(header):
        found = _PIECE.match(header, at)
        assert found is not None  # noqa: S101  # it matches nothing, too
        at = found.end() + 1  # the separator
        name, quoted, rest = found[1].strip(), found[3], found[4] or b""
        if quoted is None:
            value = rest.strip()
        else:
            value = _ESCAPED.sub(_unescaped, quoted) + rest.rstrip()
        if name or value:
            pairs.append((name, value))
    return pairs


def _unescaped(found: re.Match[bytes]) -> bytes:
    one = found[1]
    return bytes((int(one, 8),)) if len(one) == 3 else one
