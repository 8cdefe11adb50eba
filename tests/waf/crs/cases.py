"""The regression tests of the OWASP CRS, read from their YAML as go-ftw reads and sends them."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import yaml


@dataclass(frozen=True)
class Sent:
    """A request as its bytes say it: nothing is known of it to be sound."""

    method: bytes
    target: bytes
    version: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    """Names as written."""
    body: bytes

    def get(self, name: bytes) -> bytes | None:
        """The first value of a field, by its name in lower case."""
        return next((value for key, value in self.fields if key.lower() == name), None)


@dataclass(frozen=True)
class Wanted:
    """What must be seen afterwards: all of it."""

    ids: tuple[int, ...]
    not_ids: tuple[int, ...]
    pattern: str | None
    not_pattern: str | None
    status: int | None
    error: bool


@dataclass(frozen=True)
class Stage:
    """One request of a test."""

    sent: Sent
    wanted: Wanted


@dataclass(frozen=True)
class Case:
    """One test."""

    id: str
    """`942100-1`."""
    stages: tuple[Stage, ...]


def load(path: Path) -> tuple[Case, ...]:
    """The tests of a file."""
    document = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    return tuple(
        Case(
            f"{document['rule_id']}-{test['test_id']}",
            tuple(
                Stage(_sent(stage["input"]), _wanted(stage["output"])) for stage in test["stages"]
            ),
        )
        for test in (document or {}).get("tests") or []
    )


def _wanted(output: dict[str, Any]) -> Wanted:
    log = output.get("log") or {}
    return Wanted(
        tuple(log.get("expect_ids") or ()),
        tuple(log.get("no_expect_ids") or ()),
        log.get("match_regex"),
        log.get("no_match_regex"),
        output.get("status"),
        bool(output.get("expect_error")),
    )


def _sent(given: dict[str, Any]) -> Sent:
    if "encoded_request" in given:
        return _raw(base64.b64decode(given["encoded_request"]))
    fields = [(_bytes(name), _bytes(value)) for name, value in (given.get("headers") or {}).items()]
    names = {name.lower() for name, _ in fields}
    method = _bytes(given.get("method", "GET"))
    body = _bytes(given.get("data") or "")
    if given.get("autocomplete_headers", True):
        if body and b"content-type" not in names:
            fields.append((b"Content-Type", b"application/x-www-form-urlencoded"))
        if b"connection" not in names:
            fields.append((b"Connection", b"close"))
    media = next((value for name, value in fields if name.lower() == b"content-type"), b"")
    if media.startswith(b"application/x-www-form-urlencoded"):
        body = _form(body) if given.get("autocomplete_headers", True) else body
    elif media.lower().startswith(b"multipart/"):
        body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    needs_length = body or method in (b"POST", b"PUT", b"PATCH", b"DELETE")
    if given.get("autocomplete_headers", True) and needs_length and b"content-length" not in names:
        fields.append((b"Content-Length", b"%d" % len(body)))
    target = _bytes(given.get("uri", "/"))
    version = _bytes(given.get("version", "HTTP/1.1"))
    return Sent(method, target, version, tuple(fields), body)


def _form(body: bytes) -> bytes:
    """A form is escaped when it has no escapes yet, wrong ones neither; `=` and `&` left alone."""
    text = body.decode("utf-8", "surrogateescape")
    if "%" in text or unquote_plus(text) != text:
        return body
    pairs = [pair.split("=", 1) for pair in text.split("&")]
    escaped = [
        "=".join(quote_plus(part, errors="surrogateescape") for part in pair) for pair in pairs
    ]
    return "&".join(escaped).encode()


def _raw(request: bytes) -> Sent:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, version = ([*first.split(b" "), b"", b""])[:3]
    fields = tuple(
        (name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)
    )
    sent = Sent(method, target, version, fields, body)
    if (sent.get(b"transfer-encoding") or b"") == b"chunked":
        return Sent(method, target, version, fields, _unchunked(body))
    length = sent.get(b"content-length")
    if length is not None and length.isdigit():
        return Sent(method, target, version, fields, body[: int(length)])
    return sent


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            break
        whole += rest[:length]
        body = rest[length + 2 :]
    return whole


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return ("" if value is None else str(value)).encode("utf-8", "surrogateescape")
