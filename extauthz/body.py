"""`parsed_body` and `truncated_body` of opa-envoy-plugin's input.

Its media types are found by substring, here in any case and with `+json`, which the original
leaves unparsed: a `null` body is what a policy that forbids something in the body lets through.
A name twice in one JSON object is refused rather than the last one taken, for the same reason.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from extauthz import exact_json
from extauthz.check import Unreadable
from extauthz.go_url import query_values


class ParsedBody(NamedTuple):
    """What a policy sees of the body."""

    value: Any = None
    """JSON; a form as a map of lists; None for anything else, or when it is not all there."""
    truncated: bool = False
    """Envoy sent only its beginning."""


def parse_body(headers: Mapping[str, str], body: bytes) -> ParsedBody:
    """Parse what Envoy buffered.

    Args:
        headers: of the request; `x-envoy-auth-partial-body` is Envoy's own word (it overwrites a
            client's), `content-length` is only looked at without it.
        body: possibly cut off; empty when none was sent.

    Raises:
        Unreadable: a body that is not what its media type says, or a bad `content-length`.
    """
    kind = headers.get("content-type", "").lower()
    is_json = "application/json" in kind or "+json" in kind
    if not is_json and "application/x-www-form-urlencoded" not in kind:
        return ParsedBody(None, headers.get("x-envoy-auth-partial-body") == "true")
    if headers.get("x-envoy-auth-partial-body") == "true":
        return ParsedBody(None, True)
    if not body:
        return ParsedBody()
    length = headers.get("content-length")
    if length is not None:
        if not (length.isascii() and length.isdigit() and len(length) < 19):
            raise Unreadable("content_length")
        if int(length) > len(body):
            return ParsedBody(None, True)
    try:
        if is_json:
            return ParsedBody(exact_json.loads(body))
        return ParsedBody(query_values(body.decode("utf-8", "replace")))
    except ValueError:
        raise Unreadable("body") from None
