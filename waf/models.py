"""The policy block `inspect`, as an operator writes it."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from callout.config.validate import Block
from callout.config.written import denial, size

MOST_BODY: Final = 16 << 20
"""Bytes of a body that a policy may have looked at: it is kept in memory until its end."""
MOST_RULES: Final = 32
"""Rule sets and rule files of one policy."""


def _size(text: str) -> str:
    found = size(text)
    if found is None or not 1 <= found <= MOST_BODY:
        raise ValueError(f"expected a size from 1B to 16MiB such as 128KiB, found {text!r}")
    return text


def _verdict(word: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text != word and denial(text) is None:
            raise ValueError(
                f"expected `{word}` or `deny(NNN)` with an HTTP status from 400 to 511, "
                f"found {text!r}"
            )
        return text

    return check


Size: TypeAlias = Annotated[str, AfterValidator(_size)]
Verdict: TypeAlias = Annotated[str, AfterValidator(_verdict("pass"))]
OnError: TypeAlias = Annotated[str, AfterValidator(_verdict("allow"))]
Threshold: TypeAlias = Annotated[int, Field(ge=1, le=10_000)]


class RequestRules(Block):
    """`inspect.request.waf`."""

    rules: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_RULES)]
    """`starter`, `crs`, or files of the bundle's folder `waf/`, with stars; in this order."""
    paranoia: Annotated[int, Field(ge=1, le=4)] | None = None
    """Which rules of a scoring rule set run. None: what the rule files say."""
    threshold: Threshold | None = None
    """The anomaly score from which on a request is refused. None: what the rule files say."""


class ResponseRules(Block):
    """`inspect.response.waf`: the rules are those of the request, which go on."""

    threshold: Threshold | None = None
    """The anomaly score from which on a response is refused. None: what the rule files say."""


class RequestSide(Block):
    """`inspect.request`."""

    waf: RequestRules
    max: Size = "128KiB"
    """Of a body that is looked at, as it is sent."""
    over: Verdict = "deny(413)"
    """What becomes of a larger one; `pass`: its beginning is looked at."""
    coding: Verdict = "deny(415)"
    """What becomes of one whose content coding cannot be undone; `pass`: it is taken as it is."""
    endless: Verdict = "deny(403)"
    """What becomes of one without an end: WebSocket, CONNECT, gRPC; `pass`: its head alone is
    looked at."""


class ResponseSide(Block):
    """`inspect.response`."""

    waf: ResponseRules
    max: Size = "512KiB"
    over: Verdict = "deny(502)"
    coding: Verdict = "deny(502)"
    endless: Verdict = "deny(502)"


class Inspect(Block):
    """The block."""

    mode: Literal["off", "shadow", "enforce"] | None = None
    """Wins over the policy's."""
    request: RequestSide
    response: ResponseSide | None = None
    """None: nobody looks at responses."""
    budget: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Milliseconds that the rules may take for a request and its response together."""
    on_error: OnError = Field("deny(503)", alias="onError")
    """What becomes of a request when we fail: out of time, no memory, a gateway that keeps the body
    from us."""
