"""The settings `answers`: what a rate limit's answer says beside its verdict."""

from typing import Literal

from callout.config.validate import Block


class Answers(Block):
    """What clients and Envoy are told of limits."""

    headers: Literal["off", "retry-after", "draft-03", "ietf"] = "retry-after"
    """Which headers the client gets. `retry-after`: that one, with a refusal: Envoy, which makes
    `X-RateLimit-*` by itself where its filter is told to, has no such header. `draft-03`:
    `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` too, with every answer; `ietf`:
    `RateLimit-Policy` and `RateLimit` instead, as the later drafts have it. A microsecond and a
    half a request, so they are not the default."""
    metadata: bool = True
    """Whether Envoy is told as dynamic metadata which limit refused, or would have in shadow."""
