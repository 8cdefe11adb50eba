"""The settings `answers`: what a rate limit's answer says beside its verdict."""

import re
from typing import Annotated, Literal

import pydantic

from callout.config.validate import Block

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""A field name, RFC 9110, 5.1."""


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected the name of a header")
    return text


Name = Annotated[str, pydantic.AfterValidator(_name)]


class Names(Block):
    """How the headers of `draft-03` are called: as in envoyproxy/ratelimit, each may be another."""

    limit: Name = "RateLimit-Limit"
    """That with the limit."""
    remaining: Name = "RateLimit-Remaining"
    """That with what is left of it."""
    reset: Name = "RateLimit-Reset"
    """That with the seconds until its window ends."""


class Answers(Block):
    """What clients and Envoy are told of limits."""

    headers: Literal["off", "retry-after", "draft-03", "ietf"] = "retry-after"
    """Which headers the client gets. `retry-after`: that one, with a refusal: Envoy, which makes
    `X-RateLimit-*` by itself where its filter is told to, has no such header. `draft-03`:
    `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` too, with every answer; `ietf`:
    `RateLimit-Policy` and `RateLimit` instead, as the later drafts have it. A microsecond and a
    half a request, so they are not the default."""
    names: Names = Names()
    metadata: bool = True
    """Whether Envoy is told as dynamic metadata which limit refused, or would have in shadow."""
    rule_metadata: bool = False
    """Whether Envoy is also told, of the operator's domains, the request's domain and descriptors,
    and `metadata` of the rules that let it pass. Two microseconds a request, so it is not the
    default."""
    upstream: bool = False
    """Whether the upstream gets the headers of `draft-03` with each request that passes."""
    upstream_names: Names = Names()
    """How they are called: names of their own tell them from those that a client made up."""
