"""The canonical path: one function, so that no two faces read one request differently.

Every rule answers an attack that reached someone (extauthz.md chapters 5.17 and 6): a request
target is never parsed as a URL (`//admin/x` lost its `admin` in opa-envoy-plugin,
GHSA-9f29-v6mm-pw6w), it is normalised before it is matched (`/public/../admin` in oathkeeper,
GHSA-p224-6x5r-fjpm; Envoy's CVE-2021-29492), and what has no certain meaning is refused.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

MAX_PATH: Final = 65_536
"""Bytes before the `?`. Above Envoy's default limit for all headers together (60 KiB)."""
MAX_QUERY: Final = 65_536
"""Bytes after the `?`, for the same reason. Who lets Envoy take megabytes of headers must not have
a policy take megabytes apart, which holds up all other requests: 64 KiB of `&a=b` take 5 ms."""

ALLOWABLE: Final = {
    "encodedSlash": "encoded_slash",
    "encodedBackslash": "encoded_backslash",
}
"""What `path: {allow: [...]}` may name, with the reason that it takes away and the flag that it
gives instead. Only what has an escape that the matched form can keep."""

Reason: TypeAlias = Literal[
    "not_absolute",
    "too_long",
    "query_too_long",
    "bad_character",
    "fragment",
    "backslash",
    "bad_escape",
    "encoded_null",
    "encoded_slash",
    "encoded_backslash",
    "not_utf8",
    "dot_segments",
    "above_root",
]


@dataclass(frozen=True, slots=True)
class PathRules:
    """What a policy's `path` block says; the default is the strictest."""

    dot_segments: Literal["refuse", "resolve"] = "refuse"
    allow: frozenset[str] = frozenset()
    """Names of `ALLOWABLE`."""


STRICT: Final = PathRules()


@dataclass(slots=True)
class CanonicalPath:
    """The form that policies are matched by. Not frozen: that triples the cost of making one."""

    path: str
    query: str | None
    """As sent, after the first `?`; None without one."""
    flags: tuple[str, ...] = ()
    """What was changed or is unusual, sorted: `dot_segments` (resolved), `empty_segments`,
    `encoded_percent` (`%25`, kept), `escapes`, `parameters`, and the values of `ALLOWABLE`."""


@dataclass(slots=True)
class RefusedPath:
    """A path with no certain meaning."""

    reason: Reason
    """A stable word, for metrics and policies."""


def canonical(
    raw: str, method: str = "GET", rules: PathRules = STRICT
) -> CanonicalPath | RefusedPath:
    """Gives the canonical form of a raw `:path`, or the reason why it has none.

    Idempotent: the canonical form of a canonical form is itself. Linear in the length.

    Args:
        raw: as the client sent it.
        method: only OPTIONS may ask for `*`.
        rules: what the effective policy says about paths.
    """
    path, mark, rest = raw.partition("?")
    query = rest if mark else None
    if len(rest) > MAX_QUERY:
        return RefusedPath("query_too_long")
    # 0.5 us for most of the world's paths, where the way below takes 3 to 10.
    if _UNUSUAL(path) is None and path[:1] == "/" and len(path) <= MAX_PATH:
        return CanonicalPath(path, query)
    if path[:1] != "/":
        if raw == "*" and method == "OPTIONS":
            return CanonicalPath(raw, None)
        return RefusedPath("not_absolute")
    if len(path) > MAX_PATH:
        return RefusedPath("too_long")
    return _normalise(path, query, rules)


_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,=:@/]|//|/\.\.?(?:/|\Z)").search
"""Finds anything that is not already canonical, and what is merely rare."""

_FORBIDDEN: Final = re.compile(r"[^!-~]|[#\\]|%(?![0-9A-Fa-f]{2})|%(?:00|2[Ff]|5[Cc])")
_FORBIDDEN_REASONS: Final[dict[str, Reason]] = {
    "#": "fragment",
    "\\": "backslash",
    "%": "bad_escape",
    "%00": "encoded_null",
    "%2f": "encoded_slash",
    "%5c": "encoded_backslash",
}

_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPES_OVER_ASCII: Final = re.compile(r"(?:%[89A-Fa-f][0-9A-Fa-f])+")
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)
_CANONICAL_ESCAPES: Final = {
    f"%{high}{low}": chr(code) if code in _UNRESERVED else f"%{code:02X}"
    for high in "0123456789abcdefABCDEF"
    for low in "0123456789abcdefABCDEF"
    if (code := int(high + low, 16)) >= 0
}
"""RFC 3986, 6.2.2: escapes of unreserved characters are decoded, others written in upper case."""
_HIDDEN_SEPARATOR: Final = re.compile(r"%2F|%5C")


def _normalise(path: str, query: str | None, rules: PathRules) -> CanonicalPath | RefusedPath:
    flags: set[str] = set()
    for found in _FORBIDDEN.finditer(path):
        reason = _FORBIDDEN_REASONS.get(found[0].lower(), "bad_character")
        if not _allowed(reason, rules):
            return RefusedPath(reason)
        flags.add(reason)
    if "%" in path:
        if not _is_utf8(path):
            return RefusedPath("not_utf8")
        decoded = _ESCAPE.sub(lambda found: _CANONICAL_ESCAPES[found[0]], path)
        if decoded != path:
            flags.add("escapes")
        if "%25" in decoded:
            flags.add("encoded_percent")
        path = decoded
    segments = path.split("/")[1:]
    refused = _without_parameters(segments, flags) or _resolve(segments, flags, rules)
    if refused is not None:
        return refused
    kept = [segment for segment in segments[:-1] if segment]
    if len(kept) + 1 != len(segments):
        flags.add("empty_segments")
    kept.append(segments[-1])
    return CanonicalPath("/" + "/".join(kept), query, tuple(sorted(flags)))


def _allowed(reason: Reason, rules: PathRules) -> bool:
    return any(ALLOWABLE.get(name) == reason for name in rules.allow)


def _is_utf8(path: str) -> bool:
    """Whether all escapes together are UTF-8; Python's decoder refuses overlong forms too."""
    for found in _ESCAPES_OVER_ASCII.finditer(path):
        try:
            bytes.fromhex(found[0].replace("%", "")).decode("utf-8")
        except UnicodeDecodeError:
            return False
    return True


def _without_parameters(segments: list[str], flags: set[str]) -> RefusedPath | None:
    """Removes `;parameters` in place; `..;x` is a dot segment to some servers, a name to others."""
    for index, segment in enumerate(segments):
        if ";" in segment:
            flags.add("parameters")
            name = segments[index] = segment.partition(";")[0]
            if name in (".", ".."):
                return RefusedPath("dot_segments")
    return None


def _resolve(segments: list[str], flags: set[str], rules: PathRules) -> RefusedPath | None:
    """RFC 3986, 5.2.4, in place, if the policy wants it and there is one way to read it."""
    if any("%" in each and _hides_dots(each) for each in segments):
        return RefusedPath("dot_segments")
    if "." not in segments and ".." not in segments:
        return None
    resolved: list[str] = []
    named = 0  # segments of `resolved` that are not empty
    ambiguous = False
    for segment in segments:
        if segment == "..":
            if not named:
                return RefusedPath("above_root")
            # `/a//../b` is `/a/b` to whoever resolves first, `/b` to whoever merges first.
            ambiguous = ambiguous or not resolved[-1]
            named -= bool(resolved.pop())
        elif segment != ".":
            resolved.append(segment)
            named += bool(segment)
    if ambiguous or rules.dot_segments != "resolve":
        return RefusedPath("dot_segments")
    if segments[-1] in (".", ".."):
        resolved.append("")
    flags.add("dot_segments")
    segments[:] = resolved
    return None


def _hides_dots(segment: str) -> bool:
    """Whether a server that decodes an allowed `%2F` would see a dot segment here."""
    parts = _HIDDEN_SEPARATOR.split(segment)
    return len(parts) > 1 and ("." in parts or ".." in parts)
