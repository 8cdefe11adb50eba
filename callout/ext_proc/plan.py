"""What is to be done with one exchange: its filters, sizes, and the verdicts written beforehand.

No verdict has a default: what is not inspected passes because someone wrote so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from callout.ext_proc.filter import Block, HttpFilter
from callout.http.head import Peer, RequestHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One direction of an exchange."""

    most: int
    """Bytes of a body that filters are given whole."""
    over: Block | None
    """The answer to a larger one. None: its beginning is looked at, the rest passes, counted."""
    endless: Block | None
    """The answer to what has no end, so that nothing can wait for it: upgrades, CONNECT, and, when
    it is wanted whole, gRPC and event streams. None: it passes, counted. A client chooses what its
    request says of itself: who inspects bodies should let only those pass that are expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One exchange."""

    filters: tuple[HttpFilter, ...]
    """In the order in which they see the request; the response comes in the reverse order."""
    request: Side
    response: Side
    failed: Block | None
    """The answer to our own failures: a filter that cannot tell, no room, a gateway that keeps from
    us what the filters need. None: the rest of the exchange passes, counted."""
    seconds: float = 0.1
    """How long the filters may take for one message of the gateway's, in seconds. Envoy waits for
    200 ms unless told otherwise."""


Choose: TypeAlias = Callable[[RequestHead, Peer, Mapping[bytes, bytes]], Plan | Block | None]
"""The plan of a request; None: nobody looks at this exchange. The mapping is the stream's initial
metadata, which the gateway's configuration gives and no client can."""

Note: TypeAlias = Callable[[str, str], None]
"""Counts: the side (`request`, `response`) and a stable word of `WORDS`."""

WORDS: Final = (
    "blocked",
    "undecided",  # and the plan's `failed` was taken
    "over",  # larger than `most`
    "endless",
    "stale",  # the gateway does not send the body that is needed
    "no_room",
    "stalled",  # the rest of a body that is waited for does not come
    "tail",  # bytes that were kept back cannot be sent any more
)
