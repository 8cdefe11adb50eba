"""W3C Trace Context: what `traceparent` and `tracestate` say, and what we say onwards. Pure.

https://www.w3.org/TR/trace-context/; what is not valid there is no context at all, and whoever
sent it begins no trace and continues none.
"""

import re
from typing import Final, NamedTuple

_PARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.A
)
_LONGEST_PARENT: Final = 256
"""Characters; later versions may be longer than the 55 of version 00."""
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_SAMPLED: Final = 1

_LONGEST_STATE: Final = 512
"""Characters: as many as the specification asks everybody to hand on, and no more."""
_MOST_MEMBERS: Final = 32
_MEMBER: Final = re.compile(
    r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]",
    re.A,
)


class Context(NamedTuple):
    """A span of somebody, as others name it."""

    trace: bytes
    """16 bytes, not all zero."""
    span: bytes
    """8 bytes, not all zero."""
    sampled: bool
    state: str = ""
    """`tracestate`, checked; empty: none."""


def parse(traceparent: str, tracestate: str = "") -> Context | None:
    """The context that the two headers carry.

    Args:
        traceparent: the header; several of them joined by `,` are none.
        tracestate: several of them joined by `,`. If it is not valid it counts as absent.

    Returns:
        None if `traceparent` is not valid: then `tracestate` does not count either.
    """
    if len(traceparent) > _LONGEST_PARENT:
        return None
    match = _PARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace, span, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if trace == _NO_TRACE or span == _NO_SPAN:
        return None
    return Context(
        bytes.fromhex(trace),
        bytes.fromhex(span),
        bool(int(flags, 16) & _SAMPLED),
        _state(tracestate) if tracestate else "",
    )


def traceparent(trace: bytes, span: bytes, sampled: bool) -> str:
    """The header for whom we ask."""
    return f"00-{trace.hex()}-{span.hex()}-{'01' if sampled else '00'}"


def _state(text: str) -> str:
    if len(text) > _LONGEST_STATE:
        return ""
    members = [each.strip(" \t") for each in text.split(",")]
    members = [each for each in members if each]
    if len(members) > _MOST_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return ""
    keys = [each.partition("=")[0] for each in members]
    return ",".join(members) if len(set(keys)) == len(keys) else ""
