"""Formats of strings (internal/gojsonschema/format_checkers.go), read as Go reads them."""

import ipaddress
import re
from collections.abc import Callable
from typing import Final

from extauthz.policy.builtins import go_layouts, regular
from extauthz.policy.builtins.uris import split_uri
from extauthz.policy.errors import BuiltinError

_HOSTNAME: Final = re.compile(
    r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9])"
    r"(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9]))*"
)
_UUID: Final = re.compile("[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}", re.I)
_POINTER: Final = re.compile("(?:/(?:[^~/]|~0|~1)*)*")
_RELATIVE_POINTER: Final = re.compile("(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~0|~1)*)*)")
_TEMPLATE: Final = re.compile(r"[^{]*(?:\{[^}]*\}[^{]*)*")
_ATOM: Final = r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+"
_QUOTED: Final = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x20-\x7e\t\x80-\U0010ffff])*"'
_DOT_ATOM: Final = rf"{_ATOM}(?:\.{_ATOM})*"
_SPACE: Final = r"[ \t]*"
_SPEC: Final = rf"(?:{_DOT_ATOM}|{_QUOTED})@{_SPACE}(?:{_DOT_ATOM}|\[[!-Z^-~]*\])"
_PHRASE: Final = rf"(?:(?:{_ATOM}|{_QUOTED}|\.){_SPACE})*"
_MAIL: Final = re.compile(
    rf"{_SPACE}(?:{_SPEC}|{_PHRASE}<{_SPACE}{_SPEC}{_SPACE}>){_SPACE}(?:\([^()\\]*\){_SPACE})*"
)


def has_format(name: str, text: str) -> bool:
    """Whether `text` has the format; every text has one that is not known."""
    check = _CHECKS.get(name)
    return check is None or check(text)


def _is_date(text: str) -> bool:
    try:
        go_layouts.read("2006-01-02", text)
    except BuiltinError:
        return False
    return True


def _is_moment(text: str) -> bool:
    try:
        go_layouts.read("2006-01-02T15:04:05Z07:00", text)
    except BuiltinError:
        return _is_date(text) or _is_clock(text)
    return True


def _is_clock(text: str) -> bool:
    for layout in ("15:04:05Z07:00", "15:04:05"):
        try:
            # with a date: a time alone would be in the year 0
            go_layouts.read(f"2006-01-02|{layout}", f"2000-01-01|{text}")
        except BuiltinError:
            continue
        return True
    return False


def _is_address(mark: str) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return False
        return mark in text and "%" not in text

    return check


def _is_uri(text: str) -> bool:
    found = split_uri(text)
    return found is not None and bool(found.scheme) and "\\" not in text


def _is_reference(text: str) -> bool:
    return split_uri(text) is not None and "\\" not in text


def _is_template(text: str) -> bool:
    found = split_uri(text)
    return found is not None and "\\" not in text and bool(_TEMPLATE.fullmatch(found.path))


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "date": _is_date,
    "time": _is_clock,
    "date-time": _is_moment,
    "hostname": lambda text: len(text) < 256 and _HOSTNAME.fullmatch(text) is not None,
    "email": _matches(_MAIL),
    "idn-email": _matches(_MAIL),
    "ipv4": _is_address("."),
    "ipv6": _is_address(":"),
    "uri": _is_uri,
    "uri-reference": _is_reference,
    "iri": _is_uri,
    "iri-reference": _is_reference,
    "uri-template": _is_template,
    "uuid": _matches(_UUID),
    "regex": lambda text: not text or regular.is_valid(text),
    "json-pointer": _matches(_POINTER),
    "relative-json-pointer": _matches(_RELATIVE_POINTER),
}
