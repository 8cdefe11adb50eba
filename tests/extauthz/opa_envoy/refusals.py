"""Which requests opa-envoy-plugin refuses before it asks Rego: a second reading of its parser."""

import json
import re
from typing import Any


def is_refused(http: Any) -> bool:
    """Whether the plugin answers 400 with `request_parse_error`."""
    path, _, query = http.path.partition("?")
    return _has_bad_escape(path) or _is_bad_query(query) or _is_bad_body(http)


def _has_bad_escape(text: str) -> bool:
    return re.search(r"%(?![0-9A-Fa-f]{2})", text) is not None


def _is_bad_query(query: str) -> bool:
    """Go's `url.ParseQuery`."""
    return any(";" in pair or _has_bad_escape(pair) for pair in query.split("&"))


def _is_bad_body(http: Any) -> bool:
    headers = http.headers  # the plugin does not look at `header_map`
    kind = headers.get("content-type", "")
    body = http.body.encode() or http.raw_body
    is_json = "application/json" in kind
    is_form = "application/x-www-form-urlencoded" in kind
    is_multipart = "multipart/form-data" in kind and not (is_json or is_form)
    if headers.get("x-envoy-auth-partial-body") == "true":
        return False
    if not body or not (is_json or is_form or is_multipart):
        return False
    length = headers.get("content-length")
    if length is not None:
        if not re.fullmatch(r"[+-]?[0-9]+", length):
            return True
        if int(length) > len(body):
            return False
    text = body.decode("utf-8", "replace")
    if is_json:
        try:
            json.loads(text, parse_constant=_no_constant)
        except ValueError:
            return True
        return False
    return is_form and _is_bad_query(text)


def _no_constant(name: str) -> None:
    raise ValueError(name)
