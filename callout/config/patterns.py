"""The entries of a Policy's `on`: what they may say, and how specific each is."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

import pydantic
import re2

from callout.config.validate import Block, suggest
from callout.http.host import canonical_host
from callout.http.path import ALLOWABLE, CanonicalPath, PathRules, canonical

MAX_REGEX: Final = 2_000
"""Characters of one regular expression."""

_EVERY_PATH: Final = PathRules("refuse", frozenset(ALLOWABLE))
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.|\Z))+")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
_RESERVED: Final = re.compile(r"[!$&'()*+,;=:@]")


@dataclass(frozen=True, slots=True)
class HostPattern:
    """Which hosts an entry is about."""

    kind: Literal["any", "suffix", "exact"]
    text: str = ""
    """In canonical form; of a suffix without `*.`."""


@dataclass(frozen=True, slots=True)
class PathPattern:
    """Which canonical paths an entry is about."""

    kind: Literal["prefix", "match", "exact"]
    text: str = ""
    """Of a prefix without a slash at its end: the empty prefix is every path."""


ANY_HOST: Final = HostPattern("any")


def host_pattern(text: str) -> HostPattern:
    """Reads `*`, `*.suffix` or a host; a `ValueError` says what was expected."""
    if text == "*":
        return ANY_HOST
    host = canonical_host(text.removeprefix("*."))
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ValueError(f"expected an IPv6 address in brackets, found {text!r}") from None
        if host not in (text.lower(), f"[{text.lower()}]"):
            raise ValueError(f"expected a host without a port, found {text!r}")
    elif not text.isascii():
        raise ValueError(f"expected a host in ASCII (xn--...), found {text!r}")
    elif host != text.lower().removeprefix("*.").removesuffix(".") or ":" in host:
        raise ValueError(f"expected a host without a port, found {text!r}")
    elif not _NAME.fullmatch(host):
        raise ValueError(f"expected a host, `*.` and a domain, or `*`, found {text!r}")
    return HostPattern("suffix" if text.startswith("*.") else "exact", host)


def prefix_pattern(text: str) -> PathPattern:
    """Reads a path prefix; it ends where a segment ends, with or without a slash."""
    if text == "*":
        raise ValueError("expected a path prefix, found '*' (for OPTIONS *: {exact: \"*\"})")
    return PathPattern("prefix", _canonical(text).rstrip("/"))


def _canonical(text: str) -> str:
    result = canonical(text, "OPTIONS", _EVERY_PATH)
    if not isinstance(result, CanonicalPath):
        reason = result.reason.replace("_", " ")
        raise ValueError(f"expected a path in canonical form, found {text!r} ({reason})")
    if result.path != text:
        raise ValueError(f"expected a path in canonical form, {result.path!r}, found {text!r}")
    return text


def _regex(text: str) -> str:
    try:
        compile_regex(text)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        why = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"expected a regular expression (RE2), found a mistake: {why}") from None
    return text


def compile_regex(text: str) -> Any:
    """RE2: linear in the length of the path, whatever the expression."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return re2.compile(text, options)


def _may_begin_with_slash(regex: str) -> bool:
    """Whether some text that it matches begins as every canonical path does."""
    try:
        low, high = compile_regex(regex).possiblematchrange(8)
    except re2.error:
        return True  # RE2 cannot tell
    return bool(low[:1] <= b"/" <= high[:1])


def _method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"expected an HTTP method such as GET, found {text!r}")
    return text.upper()


class Exact(Block):
    """`{exact: /x}`."""

    exact: Annotated[str, pydantic.AfterValidator(_canonical)]


class Match(Block):
    """`{match: regex}`: the whole canonical path must match."""

    match: Annotated[str, pydantic.Field(max_length=MAX_REGEX), pydantic.AfterValidator(_regex)]


def _prefix(text: str) -> str:
    return prefix_pattern(text).text or "/"


def _host(text: str) -> str:
    host_pattern(text)
    return text


class On(Block):
    """One entry of `on`; what it does not say may be anything."""

    host: Annotated[str, pydantic.AfterValidator(_host)] = "*"
    path: Annotated[str, pydantic.AfterValidator(_prefix)] | Exact | Match = "/"
    method: Annotated[str, pydantic.AfterValidator(_method)] | None = None

    @pydantic.model_validator(mode="after")
    def _says_something(self) -> "On":
        if not self.model_fields_set:
            raise ValueError('expected host, path or method (for every request: {host: "*"})')
        return self


Warn: TypeAlias = tuple[tuple[str, ...], str, str]
"""A field of an entry, a message, a suggestion."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `on`, ready to be indexed."""

    host: HostPattern
    path: PathPattern
    method: str | None
    """In upper case; None: every method."""

    @classmethod
    def of(cls, on: On) -> "Entry":
        """From the validated entry."""
        match on.path:
            case Exact():
                path = PathPattern("exact", on.path.exact)
            case Match():
                path = PathPattern("match", on.path.match)
            case str():
                path = prefix_pattern(on.path)
        return cls(host_pattern(on.host), path, on.method)

    def doubts(self, rules: PathRules) -> list[Warn]:
        """What is allowed and yet not what was meant.

        Args:
            rules: everything that any policy of the bundle allows of paths.
        """
        found: list[Warn] = []
        if self.path.kind == "match":
            if not _may_begin_with_slash(self.path.text):
                message = "can never match: a path begins with a slash, and all of it must match"
                found.append((("path", "match"), message, ""))
        else:
            field = ("path", "exact") if self.path.kind == "exact" else ("path",)
            if self.path.text != "*" and _RESERVED.search(self.path.text):
                message = "matches this spelling only: a client may escape such characters (%40)"
                found.append((field, message, ""))
            if not isinstance(canonical(self.path.text or "/", "OPTIONS", rules), CanonicalPath):
                message = "can never match: no policy's `path.allow` lets such a path in"
                found.append((field, message, ""))
        if self.method is not None and self.method not in _METHODS:
            hint = suggest(self.method, _METHODS)
            if hint:
                found.append((("method",), "an unusual method", hint))
        return found
