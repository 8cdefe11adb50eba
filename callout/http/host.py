"""The canonical form of a host: one function, so that all faces compare hosts the same way."""

import re
from typing import Final

_BARE_IPV6: Final = re.compile(r"[0-9a-f:.]+\Z")


def canonical_host(raw: str) -> str:
    """Lower case, without port and without the trailing dot of a rooted name.

    Splitting at the first colon is wrong for `[::1]:80` (extauthz.md 5.18). Only ASCII letters
    are lowered: `str.lower` makes `k` of U+212A. What is no valid host comes back without its
    meaning changed, to match nothing but `*`. Idempotent.

    Returns:
        `shop.example`; IPv6 in brackets: `[::1]`.
    """
    host = raw.lower() if raw.isascii() else "".join(c.lower() if c.isascii() else c for c in raw)
    if ":" not in host:
        return host.rstrip(".") if host.endswith(".") else host
    if host.startswith("["):
        address, bracket, port = host.rpartition("]")
        if bracket and (not port or (port[0] == ":" and _is_port(port[1:]))):
            return address + bracket
        return host
    head, _, port = host.rpartition(":")
    if ":" not in head:
        return head.rstrip(".") if _is_port(port) else host
    return f"[{host}]" if _BARE_IPV6.match(host) else host


def _is_port(text: str) -> bool:
    return text == "" or (text.isascii() and text.isdecimal())
