"""`parsed_body` and `truncated_body` exactly as opa-envoy-plugin makes them.

Odd parts included: media types by substring and case, the text before the bytes, the last of two
equal names, `null` for whatever is not read. Bounds are ours: nesting, digits, parts.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from extauthz import exact_json
from extauthz.bodies.contract import BodyRules, ParsedBody
from extauthz.bodies.media_type import parameters
from extauthz.bodies.multipart import form_values
from extauthz.check import CheckInput, Unreadable
from extauthz.go_url import path_segments, query_values

_NOTHING: Final = ParsedBody()
_TRUNCATED: Final = ParsedBody(None, True)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,100}")
_KINDS: Final = (
    ("application/json", "json"),
    ("application/grpc", "grpc"),
    ("application/x-www-form-urlencoded", "form"),
    ("multipart/form-data", "multipart"),
)


def read_body(rules: BodyRules, check: CheckInput) -> ParsedBody:
    """Parse what Envoy buffered; `state` means nothing here.

    Raises:
        Unreadable: where the plugin answers with status 400, or beyond a bound.
    """
    attributes = check.attributes.as_sent()
    headers = attributes.headers
    if headers.get("x-envoy-auth-partial-body") == "true":
        return _TRUNCATED
    content_type = headers.get("content-type", "")
    kind = next((kind for name, kind in _KINDS if name in content_type), "")
    text, raw = attributes.bodies()
    body = raw if kind == "grpc" else text.encode() or raw
    if not kind or not body:
        return _NOTHING
    if rules.most is not None and len(body) > rules.most:
        return _TRUNCATED
    if kind != "grpc" and _announced(headers) > len(body):
        return _TRUNCATED
    try:
        match kind:
            case "json":
                return ParsedBody(exact_json.loads_as_go(body))
            case "form":
                return ParsedBody(query_values(exact_json.go_text(body)))
            case "multipart":
                return _multipart(content_type, body)
            case _:
                return _grpc(rules, check.path, body)
    except ValueError:
        raise Unreadable("body") from None


def _announced(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "-1")
    if not _INTEGER.fullmatch(length) or not -(1 << 63) <= int(length) < 1 << 63:
        raise Unreadable("content_length")
    return int(length)


def _multipart(content_type: str, body: bytes) -> ParsedBody:
    _, boundary = parameters(content_type, "boundary")
    return _NOTHING if boundary is None else ParsedBody(form_values(body, boundary, _part))


def _part(content_type: str, content: bytes) -> Any:
    if "application/json" in content_type:
        return exact_json.loads_as_go(content)
    return exact_json.go_text(content)


def _grpc(rules: BodyRules, path: str, body: bytes) -> ParsedBody:
    if rules.methods is None:
        return _NOTHING
    value, state = rules.methods.read(body, path_segments(path), is_alone=False)
    return ParsedBody(value, state == "truncated")
