"""Which header names and values a policy may write (extauthz.md 5.9, 5.10).

Envoy does what an authorizer says, also when it says to rewrite `:path` or `host`, and a line
break in a value ends in a 503 from its codec: so everything is checked before it leaves us.
"""

import re

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
"""`token` of RFC 9110 5.6.2: no pseudo-header, no space, nothing outside ASCII."""

_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]{0,32768}")
"""`field-value` of RFC 9110 5.5 without control characters; lone surrogates have no UTF-8."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_OWNED_BY_PROXY = frozenset({"content-length", "host"})

FRAMING = frozenset(
    _HOP_BY_HOP - {"proxy-authenticate", "proxy-authorization"} | {"content-length"}
)
"""Say where a message ends and how it travels. Under `compat: opa-envoy` they are left out: what a
policy copies from the answer to its `http.send` has them, and Envoy would break the message."""

REQUEST_LINE = frozenset({":authority", ":method", ":path", ":scheme"})
"""Pseudo-headers that a policy with `compat: opa-envoy` may rewrite, as there."""


def is_name(name: str) -> bool:
    """Whether `name` is a header name at all, in any case, pseudo-headers excluded."""
    return _TOKEN.fullmatch(name) is not None


def is_value(value: str) -> bool:
    """Whether `value` can be a header's value: no control characters, at most 32 KiB."""
    return _VALUE.fullmatch(value) is not None


def why_not_settable(name: str) -> str:
    """Why nobody may set the header `name` (lower case); empty when it may be set."""
    if not is_name(name):
        return "not a header name"
    if name in _HOP_BY_HOP:
        return "a hop-by-hop header"
    if name in _OWNED_BY_PROXY:
        return "a header that belongs to the proxy"
    if name.startswith("x-envoy-"):
        return "one of Envoy's own headers"
    return ""
