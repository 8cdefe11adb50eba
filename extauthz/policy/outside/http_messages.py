"""Requests and answers of `http.send`, as values (v1/topdown/http.go)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from extauthz.policy.builtins import yaml_text
from extauthz.policy.builtins.aws import check_request
from extauthz.policy.builtins.encoding import json_unmarshal
from extauthz.policy.builtins.times import parse_duration_ns
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.outside.permits import HttpPermit
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value, is_number, type_name
from extauthz.policy.values.text import go_bytes, go_string, term, to_json

CACHEABLE: Final = frozenset({200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501})
_UNSUPPORTED: Final = frozenset(
    {
        "tls_ca_cert_file", "tls_ca_cert_env_variable", "tls_client_cert_file",
        "tls_client_cert_env_variable", "tls_client_key_file", "tls_client_key_env_variable",
        "tls_client_cert", "tls_client_key", "tls_insecure_skip_verify",
    }
)  # fmt: skip
"""A policy reads neither files nor the environment here, does not turn verification off, and is
given no private keys."""
_STRINGS: Final = ("method", "url", "raw_body", "tls_ca_cert", "tls_server_name")
_FLAGS: Final = (
    "cache", "enable_redirect", "force_cache", "force_json_decode", "force_yaml_decode",
    "tls_use_system_certs",
)  # fmt: skip
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
MOST_RETRIES: Final = 10


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    redirect: bool
    timeout: float
    """Seconds."""
    retries: int
    ca: str = ""
    """PEM; empty: the system's."""
    server_name: str = ""
    json: bool = False
    yaml: bool = False
    shared: bool = False
    """Whether its answer may be given to other decisions (`cache`)."""
    forced: int = 0
    """Seconds for which it is, whatever its headers say (`force_cache`)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came."""

    status: int
    reason: str
    headers: Mapping[str, tuple[str, ...]]
    """By name in lower case."""
    body: bytes

    def header(self, name: str) -> str:
        """The first of that name, or nothing."""
        return self.headers.get(name, ("",))[0]

    def value(self, request: Request) -> dict[str, Value]:
        """As policies see it."""
        text = go_string(self.body)
        body: Value = None
        kind = self._type()
        try:
            if request.json or kind == "application/json" or _JSON.fullmatch(kind):
                body = json_unmarshal(text)
            elif request.yaml or kind in ("application/yaml", "application/x-yaml"):
                body = yaml_text.yaml_unmarshal(text)
        except BuiltinError:
            pass
        return {
            "status": f"{self.status} {self.reason}".strip(),
            "status_code": self.status,
            "body": body,
            "raw_body": text,
            "headers": {name: list(values) for name, values in self.headers.items()},
        }

    def _type(self) -> str:
        message = Message()
        message["content-type"] = self.header("content-type")
        return message.get_content_type() if self.header("content-type") else ""

    def expires(self) -> float:
        """When it is stale, in seconds since 1970, by its headers; 0: it says nothing.

        Raises:
            BuiltinError: an age without a date, or nonsense.
        """
        directives = self._directives()
        age = directives.get("max-age")
        if age is None:
            return _date(self.header("expires")) or 0.0
        date = _date(self.header("date"))
        if date is None:
            raise BuiltinError("no date header")
        if not (age.isascii() and age.isdigit()):
            raise BuiltinError("max-age is no number")
        return date + min(int(age[:12]), 2**31 - 1)

    def storable(self) -> bool:
        """Whether its headers let it be kept."""
        return "no-store" not in self._directives()

    def _directives(self) -> dict[str, str]:
        found = {}
        for part in self.header("cache-control").split(","):
            name, _, value = part.strip(" ").partition("=")
            if name:
                found[name.strip(" ")] = value
        return found


_JSON: Final = re.compile(r"application/[^/]*\+json")


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError):
        return None


def read_request(fields: dict[Value, Value], permit: HttpPermit) -> Request:
    """Check a request's fields, and that it is permitted.

    Raises:
        BuiltinError: it is wrong, or goes to a host that is not allowed.
        RegoError: it asks for what is not supported here.
    """
    check_request(fields)
    lacking = sorted(_UNSUPPORTED & fields.keys())
    if lacking:
        raise RegoError("rego_builtin", f"http.send: {lacking[0]} is not supported")
    for name in _STRINGS:
        if name in fields and type(fields[name]) is not str:
            raise BuiltinError(f'"{name}" must be a string')
    flags = {name: _flag(fields, name) for name in _FLAGS}
    method = fields["method"].strip('"').upper()
    url = fields["url"].strip('"')
    check_target(method, url, permit)
    body = go_bytes(to_json(fields["body"])) if "body" in fields else b""
    if "raw_body" in fields:
        body = go_bytes(fields["raw_body"].strip('"'))
    return Request(
        method,
        url,
        _headers(fields.get("headers", {})),
        body,
        flags["enable_redirect"],
        min(_timeout(fields), permit.timeout),
        min(_count(fields, "max_retry_attempts"), MOST_RETRIES),
        fields.get("tls_ca_cert", "").replace("\\n", "\n"),
        fields.get("tls_server_name", ""),
        flags["force_json_decode"],
        flags["force_yaml_decode"],
        flags["cache"] or flags["force_cache"],
        _forced(fields) if flags["force_cache"] else 0,
    )


def check_target(method: str, url: str, permit: HttpPermit) -> None:
    """Refuse a target that is not allowed.

    Raises:
        BuiltinError: with OPA's words, if it is the host.
    """
    if any(char <= " " or char == "\x7f" for char in url):
        raise BuiltinError("net/url: invalid control character in URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BuiltinError(f"invalid URL: {error}") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise BuiltinError(f"unsupported protocol scheme {parts.scheme!r}")
    if not permit.allows(parts.scheme, host, port):
        raise BuiltinError(f"disallowed host: {host}")
    if method not in permit.methods:
        raise BuiltinError(f"disallowed method: {method[:20]}")


def _flag(fields: dict[Value, Value], name: str) -> bool:
    value = fields.get(name, False)
    if type(value) is not bool:
        raise BuiltinError(f'invalid value for "{name}" field')
    return value


def _count(fields: dict[Value, Value], name: str) -> int:
    value = fields.get(name, 0)
    whole = numbers.as_index(value) if is_number(value) else None
    if whole is None or whole < 0:
        raise BuiltinError(f'invalid value {term(value)} for field "{name}"')
    return whole


def _forced(fields: dict[Value, Value]) -> int:
    name = "force_cache_duration_seconds"
    if name not in fields:
        raise BuiltinError(f"'force_cache' set but '{name}' parameter is missing")
    return _count(fields, name)


def _timeout(fields: dict[Value, Value]) -> float:
    value = fields.get("timeout", "5s")
    if is_number(value):
        whole = numbers.as_index(value)
        if whole is None:
            raise BuiltinError(f"invalid timeout number value {term(value)}, must be int64")
        nanoseconds = whole
    elif type(value) is str:
        digits = value.lstrip("+-")
        nanoseconds = int(value) if digits.isascii() and digits.isdigit() else 0
        nanoseconds = nanoseconds or parse_duration_ns(value)
    else:
        raise BuiltinError(
            f"'timeout' must be one of {{string, number}} but got {type_name(value)}"
        )
    # Go's client waits without end for a timeout of nothing; here the permit bounds it
    return nanoseconds / 1e9 if nanoseconds > 0 else float("inf")


def _headers(value: Value) -> tuple[tuple[str, str], ...]:
    if type(value) is not dict:
        raise BuiltinError("invalid type for headers key")
    found: dict[str, tuple[str, str]] = {}
    for name, content in value.items():
        if type(name) is not str or type(content) is not str:
            raise BuiltinError("invalid type for headers value")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(content):
            raise BuiltinError("net/http: invalid header field")
        found[name.lower()] = (name, content)
    if "user-agent" not in found:
        found["user-agent"] = ("User-Agent", "Gatewright")
    # what frames the body is ours to say
    return tuple(
        pair for name, pair in found.items() if name not in ("content-length", "transfer-encoding")
    )


def error_value(code: str, message: str) -> dict[str, Any]:
    """What a policy gets with `raise_error: false`."""
    return {"status_code": 0, "error": {"code": code, "message": message}}
