"""Who may see `/debug/`: whoever knows the token; without one, whoever is on this machine."""

import hmac
import ipaddress
import re
from pathlib import Path
from typing import Final, Literal, NamedTuple

from callout.regular_file import read_at_most

SHORTEST: Final = 16
"""Characters of a token: fewer can be guessed over a network."""
LONGEST: Final = 4096
"""Bytes of the token's file that are read."""
_SCHEME: Final = "bearer "
_LOOPBACK_NAME: Final = "localhost"
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[0-9a-f:]+|[a-z0-9.]+?)(:[0-9]{1,5})?", re.A)
"""The header of those that may: a name or a number, and a port. `::1` alone is what some send."""


class Asker(NamedTuple):
    """Who asks, as the connection and the request say."""

    peer: str | None
    """The other end's address, of the socket and never of a header; None: a Unix socket."""
    host: str
    """The header `Host`."""
    authorization: str
    """The header; empty: none."""
    fetch_site: str
    """`Sec-Fetch-Site`, which browsers send; empty: none."""


class Forbidden(NamedTuple):
    """Why not."""

    status: Literal[401, 403, 503]
    reason: str


class BadToken(ValueError):
    """The file holds no token; the text says why, without the content."""


def read_token(file: Path) -> str:
    """Reads the token that a file holds, without white space around it.

    Raises:
        OSError: The file cannot be read.
        BadToken: It holds none.
    """
    content = read_at_most(file, LONGEST + 1)
    token = content.decode("ascii", "replace").strip()
    if not SHORTEST <= len(token) <= LONGEST or not token.isascii() or not token.isprintable():
        raise BadToken(f"expected {SHORTEST} to {LONGEST} printable ASCII characters")
    return token


def admit(asker: Asker, token_file: Path | None) -> Forbidden | None:
    """None: they may.

    The token's file is read each time, so a new one counts at once.
    """
    if token_file is None:
        return _local(asker)
    try:
        token = read_token(token_file)
    except (OSError, BadToken):
        return Forbidden(503, "the token's file cannot be read")
    given = asker.authorization
    if given[: len(_SCHEME)].lower() != _SCHEME:
        return Forbidden(401, "expected a bearer token")
    # In a time that does not tell how much of it was right.
    shown = given[len(_SCHEME) :].strip().encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(shown, token.encode()):
        return Forbidden(401, "another token is expected")
    return None


def _local(asker: Asker) -> Forbidden | None:
    if asker.peer is None:
        return None
    if not _is_loopback(asker.peer):
        return Forbidden(403, "only from this machine, unless admin.token_file is set")
    # A page of the web may have its own name point to us; its reader's browser then asks for it.
    if not _is_local_name(asker.host):
        return Forbidden(403, "expected a Host of this machine")
    if asker.fetch_site not in ("", "none", "same-origin"):
        return Forbidden(403, "not for pages of others")
    return None


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_local_name(host: str) -> bool:
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return False
    name = match["name"].strip("[]")
    return name == _LOOPBACK_NAME or _is_loopback(name)
