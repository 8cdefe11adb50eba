"""Query strings and paths as Go's net/url reads them: opa-envoy-plugin's input is made by it.

Where Python is lenient Go is not, and a policy written against one reading must not meet the
other: a `;` or a bad escape in a query is an error, and so is a bad escape in a path.
"""

import re
from urllib.parse import unquote_to_bytes

from extauthz.check import Unreadable
from extauthz.exact_json import go_text

PARAMETERS_MOST = 10_000
"""Of one query; Go's own limit. A megabyte of `&a` must not become a million list entries."""

_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


def path_segments(path: str) -> list[str]:
    """`parsed_path`: everything before the first `?`, decoded as a whole, then split.

    All leading slashes are dropped, so `//x` is `["x"]`; an escaped slash splits as a plain one,
    and a trailing one leaves an empty segment.

    Bytes that are not UTF-8 become U+FFFD, as they do on Go's way into JSON: no canonical path
    has any, so only `compat: opa-envoy` sees that.

    Raises:
        Unreadable: a bad escape.
    """
    path = path.partition("?")[0]
    if "%" in path:
        if _BAD_ESCAPE.search(path):
            raise Unreadable("path_escape")
        path = go_text(unquote_to_bytes(path))
    return path.lstrip("/").split("/")


def check_query(query: str) -> None:
    """Refuse what `query_values` would refuse, without building anything.

    Raises:
        Unreadable: a `;`, a bad escape, or too many parameters.
    """
    if ";" in query or ("%" in query and _BAD_ESCAPE.search(query)):
        raise Unreadable("query")
    if query.count("&") >= PARAMETERS_MOST:
        raise Unreadable("query_too_long")


def query_values(query: str) -> dict[str, list[str]]:
    """`parsed_query`: each name with all its values, in order; `url.ParseQuery`.

    Bytes that are not UTF-8 become U+FFFD, as they do on Go's way into JSON.

    Raises:
        Unreadable: a `;`, a bad escape, or too many parameters.
    """
    check_query(query)
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            values.setdefault(_unescape(name), []).append(_unescape(value))
    return values


def _unescape(text: str) -> str:
    text = text.replace("+", " ")
    return go_text(unquote_to_bytes(text)) if "%" in text else text
