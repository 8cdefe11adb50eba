"""`parsed_body`, `truncated_body` and `body_state` of our own input.

opa-envoy-plugin's, but more is read, and what is not says why: a `null` body is what a policy that
forbids something in the body lets through (opa#3566). So media types count in any case, `+json` is
JSON, and what two readers could read differently is refused, a name twice in one object for one.
"""

from collections.abc import Mapping
from typing import Any

from extauthz import exact_json
from extauthz.bodies.contract import BodyRules, ParsedBody
from extauthz.bodies.media_type import parameters
from extauthz.bodies.multipart import form_values
from extauthz.check import CheckInput, Unreadable
from extauthz.go_url import path_segments, query_values

_NOT_FRAMED = ("application/grpc+json", "application/grpc-web-text")
"""gRPC, but messages are not protobuf, or the whole is base64."""


def read_body(rules: BodyRules, check: CheckInput) -> ParsedBody:
    """Parse what Envoy buffered.

    `x-envoy-auth-partial-body` is Envoy's own word (it overwrites a client's).

    Raises:
        Unreadable: a body that is not what its media type says, a bad `content-length`, or where
            the rules say so a body that is not all there.
    """
    headers = check.headers
    kind = _kind(headers.get("content-type", "").lower())
    text, body = check.attributes.bodies()
    whole = body or text.encode()
    missing = _missing(headers, whole, rules.most)
    if missing:
        found = ParsedBody(None, True, missing)
    elif not whole:
        return ParsedBody(None, False, "none")
    else:
        try:
            found = _read(rules, kind, check, whole, body)
        except ValueError:
            raise Unreadable("body") from None
    if found.truncated and kind and rules.over is not None:
        raise Unreadable("body_incomplete", rules.over)
    return found


def _read(
    rules: BodyRules, kind: str, check: CheckInput, body: bytes, raw_body: bytes
) -> ParsedBody:
    match kind:
        case "json":
            return ParsedBody(exact_json.loads(body))
        case "form":
            return ParsedBody(query_values(exact_json.go_text(body)))
        case "multipart":
            return _multipart(check.headers["content-type"], body)
        case "grpc":
            return _grpc(rules, check.path, raw_body)
        case _:
            return ParsedBody(None, False, "media_type")


def _kind(media_type: str) -> str:
    """What reads a body of this media type, in lower case; empty: nothing does.

    By substring, as the plugin: whatever it reads is read here too.
    """
    if "application/json" in media_type:
        return "json"
    if "application/grpc" in media_type:
        return "" if any(each in media_type for each in _NOT_FRAMED) else "grpc"
    if "+json" in media_type:
        return "json"
    if "application/x-www-form-urlencoded" in media_type:
        return "form"
    return "multipart" if "multipart/form-data" in media_type else ""


def _missing(headers: Mapping[str, str], body: bytes, most: int | None) -> str:
    """Why not all of the body is there; empty: it is."""
    if headers.get("x-envoy-auth-partial-body") == "true":
        return "truncated"
    length = headers.get("content-length")
    if length is not None:
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise Unreadable("content_length")
        if int(length) > len(body):
            return "truncated" if body else "not_sent"
    return "too_large" if most is not None and len(body) > most else ""


def _multipart(content_type: str, body: bytes) -> ParsedBody:
    _, boundary = parameters(content_type, "boundary")
    if boundary is None:
        return ParsedBody(None, False, "no_boundary")
    return ParsedBody(form_values(body, boundary, _part))


def _part(content_type: str, content: bytes) -> Any:
    is_json = _kind(content_type.lower()) == "json"
    return exact_json.loads(content) if is_json else exact_json.go_text(content)


def _grpc(rules: BodyRules, path: str, body: bytes) -> ParsedBody:
    if rules.methods is None:
        return ParsedBody(None, False, "no_descriptors")
    if not body:
        # Envoy without `pack_as_bytes` writes `!` for what is not UTF-8
        return ParsedBody(None, False, "not_bytes")
    value, state = rules.methods.read(body, path_segments(path), is_alone=True)
    return ParsedBody(value, state == "truncated", state)
