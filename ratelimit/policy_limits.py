"""The policy block `limits`: what an operator writes, and what a request counts by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, Field

from callout.config.validate import Block
from ratelimit.counting import Kind
from ratelimit.limits import MOST_REQUESTS, InvalidRate, Limit, rate
from ratelimit.overrides.table import Overrides
from ratelimit.plan import OnError
from ratelimit.when import Conditions

Mode: TypeAlias = Literal["off", "shadow", "enforce"]

IDENTITY = "identity."
_PLAIN = ("address", "host", "method", "path")


def _counted_by(text: str) -> str:
    if text in _PLAIN or (text.startswith(IDENTITY) and len(text) > len(IDENTITY)):
        return text
    raise ValueError(f"expected one of {', '.join(_PLAIN)} or identity.FIELD, found {text!r}")


def _is_rate(text: str) -> str:
    read = rate(text)
    if isinstance(read, InvalidRate):
        raise ValueError(f"expected {read.expected}, found {text!r}")
    return text


Rate: TypeAlias = Annotated[str, AfterValidator(_is_rate)]

MOST_RATES = 8
"""Of one limit: each is a counter that every request adds to."""


def _are_rates(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(texts) <= MOST_RATES:
        raise ValueError(f"expected 1 to {MOST_RATES} rates, found {len(texts)}")
    lengths: dict[int, str] = {}
    for text in texts:
        read = rate(text)
        if isinstance(read, Limit):
            # Two of a length would be one counter, which each request adds to twice.
            if other := lengths.get(read.unit.seconds):
                raise ValueError(f"expected windows that differ, found {other!r} and {text!r}")
            lengths[read.unit.seconds] = text
    return texts


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("expected a name, found an empty text")
    return text


Rates: TypeAlias = Rate | Annotated[tuple[Rate, ...], AfterValidator(_are_rates)]
"""`100/min`, or several windows: `[10/s, 500/h]`."""


class LimitItem(Block):
    """One entry of `limits`, as written (or merged from several policies by its name)."""

    name: Annotated[str, AfterValidator(_not_empty)]
    """Names the limit in merges, counters, answers and metrics."""
    by: tuple[Annotated[str, AfterValidator(_counted_by)], ...] = ()
    """What each has a counter of its own; empty: one counter for all."""
    rate: Rates | None = None
    """`100/min`, or several: `[10/s, 500/h]`; required unless the limit is off."""
    algorithm: Kind = "fixed-window"
    """How hits are counted against the rate."""
    burst: Annotated[int, Field(ge=0, le=MOST_REQUESTS)] | None = None
    """Of `token-bucket`: how many at once; None: as many as the rate says."""
    counting: Literal["together", "each"] = "together"
    """`together`: only requests that pass are counted. `each`: also those that another limit
    refuses."""
    strict: bool = False
    """A request of 0 hits, which only asks, passes while 1 would. False: also when exactly all is
    used, as with envoyproxy/ratelimit."""
    overrides: str | None = None
    """A file of the bundle with the rates of single values of the first of `by`."""
    onError: Literal["allow", "share", "deny(503)"] = "deny(503)"  # noqa: N815 (word in the file)
    """What becomes of the request when the counters cannot be asked."""
    when: dict[str, tuple[str, ...]] | None = None
    """Whom the limit is for: all of `address: [10.0.0.0/8]`, `identity.plan: [free, "trial-*"]`;
    None: everybody."""
    unless: dict[str, tuple[str, ...]] | None = None
    """Whom it is not for, said the same way."""
    mode: Mode | None = None
    """None: the policy's."""
    off: bool = False
    """True: not this limit, although a less specific policy brings it."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicyLimit:
    """One limit of an effective policy."""

    policy: str
    """The policy that wrote its rate: those that only inherit it share its counters."""
    by: tuple[str, ...]
    limit: Limit
    on_error: OnError
    mode: Mode | None
    when: Conditions | None = None
    unless: Conditions | None = None
    overrides: Overrides | None = None
    """Values whose rates are others, all windows of the limit together."""
    first: bool = True
    """Of the windows of one limit, the one that an override is counted in place of."""
    windows: int = 1
    """How many the limit has."""
    kind: Kind = "fixed-window"
    burst: int | None = None
    each: bool = False
    """Counts a request although another limit refuses it."""
    strict: bool = False
    """Who only asks passes while one more would."""

    def applies(self, facts: "Facts") -> bool:
        """Whether this request is one that the limit is for; true where that cannot be known."""
        return (
            self.when is None or self.when.hold(facts.address, facts.identity) is not False
        ) and (self.unless is None or self.unless.hold(facts.address, facts.identity) is not True)


@dataclass(frozen=True, slots=True, eq=False)
class PolicyLimits:
    """The limits of an effective policy that are not off."""

    limits: tuple[PolicyLimit, ...]
    by_path: bool
    """Some limit has a counter for each path."""


class Facts(NamedTuple):
    """What a limit may count a request by."""

    host: str
    path: str
    """Canonical."""
    method: str
    address: str | None = None
    identity: Mapping[str, str] = {}


def values(by: Sequence[str], facts: Facts) -> list[tuple[str, str]] | None:
    """What the request is counted by: `[("identity.sub", "ann")]`, in the order of `by`.

    A request without the identity is counted by its client address: one bucket for all who are
    anonymous would let any of them use it up. None: the gateway did not send what is needed.
    """
    found = []
    for kind in by:
        value: str | None
        if kind.startswith(IDENTITY):
            value = facts.identity.get(kind[len(IDENTITY) :])
            if not value:
                kind, value = "address", facts.address
        elif kind == "address":
            value = facts.address
        elif kind == "host":
            value = facts.host
        elif kind == "method":
            value = facts.method
        else:
            value = facts.path
        if value is None:
            return None
        found.append((kind, value))
    return found
