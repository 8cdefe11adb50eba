"""The parts of certificates that are lists of names, as Go's `encoding/json` shows them."""

import base64
import ipaddress
import re
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from extauthz.policy.builtins import der
from extauthz.policy.builtins.der import Node

_FIELDS: Final = {
    6: "Country", 7: "Locality", 8: "Province", 9: "StreetAddress", 10: "Organization",
    11: "OrganizationalUnit", 17: "PostalCode",
}  # fmt: skip
"""Below 2.5.4: what may be several."""
_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


def encoded(data: bytes) -> str:
    """Bytes as Go's JSON has them."""
    return base64.b64encode(data).decode()


def distinguished(node: Node) -> dict[str, Any]:
    """Go's `pkix.Name`."""
    shown: dict[str, Any] = {
        "CommonName": "", "SerialNumber": "", "ExtraNames": None, "Names": None,
        **dict.fromkeys(_FIELDS.values()),
    }  # fmt: skip
    for relative in der.expect(node, der.SEQUENCE).children():
        for attribute in der.expect(relative, der.SET).children():
            kind, value = der.expect(attribute, der.SEQUENCE).children()
            name, text = der.oid(kind), der.text(value)
            if text is None:
                raise ValueError("invalid RDNSequence: unsupported string type")
            shown["Names"] = [*(shown["Names"] or ()), {"Type": list(name), "Value": text}]
            if name == (2, 5, 4, 3):
                shown["CommonName"] = text
            elif name == (2, 5, 4, 5):
                shown["SerialNumber"] = text
            elif len(name) == 4 and name[:3] == (2, 5, 4) and name[3] in _FIELDS:
                field = _FIELDS[name[3]]
                shown[field] = [*(shown[field] or ()), text]
    return shown


def alternative(value: bytes) -> dict[str, list[Any]]:
    """Of a subject: DNS names, addresses of both kinds, and the text of URIs."""
    found: dict[str, list[Any]] = {
        "DNSNames": [], "EmailAddresses": [], "IPAddresses": [], "URIs": []
    }  # fmt: skip
    for name in der.one(value, der.SEQUENCE).children():
        if name.tag == 0x81:
            found["EmailAddresses"].append(name.body.decode("ascii"))
        elif name.tag == 0x82:
            found["DNSNames"].append(name.body.decode("ascii"))
        elif name.tag == 0x86:
            found["URIs"].append(name.body.decode("ascii"))
        elif name.tag == 0x87:
            found["IPAddresses"].append(address(name.body))
    return found


def address(data: bytes) -> str:
    """An address of 4 or 16 bytes."""
    found = ipaddress.ip_address(data)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def url(text: str) -> dict[str, Any]:
    """Go's `url.URL` of an absolute or relative reference."""
    if any(char <= " " or char == "\x7f" for char in text):
        raise ValueError("cannot parse URI: invalid character")
    before, hash_, fragment = text.partition("#")
    match = _SCHEME.fullmatch(before)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", before)
    rest, question, query = rest.partition("?")
    shown: dict[str, Any] = {
        "Scheme": scheme, "Opaque": "", "User": None, "Host": "", "Path": "", "RawPath": "",
        "OmitHost": False, "ForceQuery": bool(question) and not query, "RawQuery": query,
        "Fragment": _unescaped(fragment) if hash_ else "", "RawFragment": "",
    }  # fmt: skip
    if fragment and quote(shown["Fragment"], safe="!$&'()*+,/:;=?@-_.~") != fragment:
        shown["RawFragment"] = fragment
    if scheme and not rest.startswith("/"):
        shown["Opaque"] = rest
        return shown
    if rest.startswith("//") and not rest.startswith("///"):
        authority, slash, path = rest[2:].partition("/")
        user, at, host = authority.rpartition("@")
        shown["User"] = {} if at and user is not None else None
        shown["Host"] = _unescaped(host)
        rest = slash + path
    elif scheme and rest.startswith("/"):
        shown["OmitHost"] = not rest.startswith("//")
        rest = rest.removeprefix("//")
    shown["Path"] = _unescaped(rest)
    if quote(shown["Path"], safe="$&+,/:;=@-_.~") != rest:
        shown["RawPath"] = rest
    return shown


def _unescaped(text: str) -> str:
    if _ESCAPE.search(text):
        raise ValueError("cannot parse URI: invalid URL escape")
    return unquote_to_bytes(text).decode("utf-8", "replace")
