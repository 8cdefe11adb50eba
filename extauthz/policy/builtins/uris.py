"""`uri.parse` and `uri.is_valid` (v1/topdown/uri.go): URIs as Go's `url.Parse` reads them."""

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import go_bytes, go_string, quoted

_SCHEME: Final = re.compile("([a-zA-Z][a-zA-Z0-9+.-]*):")
_BAD_ESCAPE: Final = re.compile("%(?![0-9a-fA-F]{2})")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_HOST: Final = re.compile(
    r"(?:\[[0-9a-fA-F:.]+(?:%25[^\]]*)?\]"
    r"|(?:[A-Za-z0-9._~!$&'()*+,;=\-\"<>\x80-\U0010ffff]|%[89a-fA-F][0-9a-fA-F]|%25)*)(?::[0-9]*)?"
)
_USER: Final = re.compile(r"(?:[A-Za-z0-9\-._:~!$&'()*+,;=%@])*")


class Uri(NamedTuple):
    """The parts of a URI, decoded but where they are called raw; empty: there is none."""

    scheme: str
    hostname: str = ""
    port: str = ""
    path: str = ""
    raw_path: str = ""
    raw_query: str = ""
    fragment: str = ""


def uri_parse(text: Value) -> dict[str, str]:
    """`uri.parse(text)`: the parts that it has."""
    source = operands.string(text, 1)
    found = split_uri(source)
    if found is None:
        raise BuiltinError(f"parse {quoted(source)}: not a URI")
    return {name: part for name, part in found._asdict().items() if part}


def uri_is_valid(text: Value) -> bool:
    """`uri.is_valid(text)`; an empty one is not."""
    return type(text) is str and text != "" and split_uri(text) is not None


def split_uri(text: str) -> Uri | None:
    """The parts of a URI or a reference; None: it is none."""
    if _CONTROL.search(text) or text.startswith(":"):
        return None
    rest, _, fragment = text.partition("#")
    if _BAD_ESCAPE.search(fragment):
        return None
    found = _SCHEME.match(rest)
    scheme = found[1].lower() if found else ""
    rest = rest[found.end() :] if found else rest
    rest, _, query = rest.partition("?")
    hostname = port = ""
    if not rest.startswith("/"):
        if scheme:
            return Uri(scheme, raw_query=query, fragment=_decoded(fragment))  # opaque
        if ":" in rest.partition("/")[0]:
            return None
    elif rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, at, host = authority.rpartition("@")
        if at and (not _USER.fullmatch(user) or _BAD_ESCAPE.search(user)):
            return None
        if not _HOST.fullmatch(host):
            return None
        hostname, port = _host(host)
    if _BAD_ESCAPE.search(rest):
        return None
    path = _decoded(rest)
    raw = path if quote(go_bytes(path), safe="$&+,/:;=@~") == rest else rest
    return Uri(scheme, hostname, port, path, raw, query, _decoded(fragment))


def _host(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:
        name, port = host, ""
    return _decoded(name.removeprefix("[").removesuffix("]")), port


def _decoded(text: str) -> str:
    return go_string(unquote_to_bytes(go_bytes(text)))
