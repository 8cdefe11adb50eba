"""What is read of a body, by which rules, and what is said when it is not."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from extauthz.bodies.grpc import Methods

MOST: Final = 64 << 10
"""Bytes of a body that is parsed unless `auth.body.max` says otherwise. Parsing holds up the event
loop: 64 KiB of usual JSON take 4 ms, of the worst (`[[[...`) 18."""

STATES: Final = (
    "none",
    "parsed",
    "truncated",
    "not_sent",
    "too_large",
    "media_type",
    "no_boundary",
    "no_descriptors",
    "unknown_method",
    "client_stream",
    "compressed",
    "not_bytes",
)
"""What `body_state` may be; docs/rego.md says what each means."""


@dataclass(frozen=True, slots=True)
class BodyRules:
    """A policy's `auth.body`."""

    parse: bool = True
    """Whether bodies are read at all."""
    most: int | None = MOST
    """Bytes; None: whatever fits in a message."""
    over: int | None = None
    """HTTP status of the denial of a body that is not all there; None: the policy sees that."""
    methods: Methods | None = None
    """gRPC methods whose requests can be read."""


class ParsedBody(NamedTuple):
    """What a policy sees of the body."""

    value: Any = None
    """JSON; a form as a map of lists; None for anything else, or when it is not all there."""
    truncated: bool = False
    """Not all of it is there."""
    state: str = "parsed"
    """One of `STATES`: why `value` is None, where it is not the body's own `null`."""
