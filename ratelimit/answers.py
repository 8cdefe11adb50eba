"""What an answer says beside its verdict: headers for the client, words for Envoy's access log.

Fields of a serialized RateLimitResponse, to be put behind what `envoy.encode` gives: protobuf
reads fields in any order. Envoy itself makes `X-RateLimit-*` of the statuses where its filter says
`enable_x_ratelimit_headers`; no header here has one of these names, so none comes twice.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from envoy.service.ratelimit.v3 import rls_pb2

from ratelimit.decide import Answer, Verdict
from ratelimit.envoy import varint
from ratelimit.limits import Limit
from ratelimit.plan import Group, Plan
from ratelimit.rule_metadata import of_rules

Headers: TypeAlias = Literal["off", "retry-after", "draft-03", "ietf"]

RETRY_AFTER = "Retry-After"
"""Seconds, RFC 9110, 10.2.3."""


class Names(NamedTuple):
    """Of the three headers that draft-ietf-httpapi-ratelimit-headers-03 has."""

    limit: str = "RateLimit-Limit"
    remaining: str = "RateLimit-Remaining"
    reset: str = "RateLimit-Reset"


NAMES = Names()
_RESPONSE = b"\x1a"
"""`response_headers_to_add`, number 3."""
_REQUEST = b"\x22"
"""`request_headers_to_add`, number 4."""


def label(limit: Limit) -> str:
    """What a limit is called where it has no name: `5/second`."""
    return limit.name or f"{limit.requests}/{limit.unit.name}"


class Extras:
    """What is added to answers. Without a header for those that pass, these cost nothing."""

    __slots__ = ("_metadata", "_of", "_upstream", "always", "retry_after", "rule_metadata")

    def __init__(
        self,
        headers: Headers = "off",
        metadata: bool = False,
        names: Names = NAMES,
        upstream: Names | None = None,
        rule_metadata: bool = False,
    ) -> None:
        """Add these.

        Args:
            headers: `retry-after` for those that are refused; `draft-03` and `ietf` also tell of
                the limit, to everybody.
            metadata: whether Envoy is told which rule refused, or would have, and why.
            names: those of `draft-03`.
            upstream: names of the headers that the upstream gets, with the same numbers as those
                of `draft-03`; None: none.
            rule_metadata: whether Envoy is told of the request, and of the rules that let it pass,
                what `rule_metadata.py` says.
        """
        self._metadata = metadata
        self._of = _headers(headers, names)
        self._upstream = _three(upstream, _REQUEST) if upstream is not None else None
        self.rule_metadata = rule_metadata
        self.retry_after = headers != "off"
        self.always = self._of is not None or upstream is not None or rule_metadata
        """Whether an answer has extras although no limit is over; else there need be no call."""

    def of(self, plan: Plan, answer: Answer) -> bytes:
        """The fields.

        Measured: 0.9 us for a refusal. For a request that passes nothing by default, as it is not
        asked (see `always`); 1.0 us with `draft-03`, 1.5 us with `ietf`, and 1 us more where what
        remains was not told before.
        """
        made = b""
        upstream = self._upstream
        if self._of is not None or upstream is not None or (self.retry_after and answer.over):
            shown = deciding(plan, answer)
            if shown is not None and shown.limit is not None:
                if self._of is not None:
                    made = self._of(shown.limit, shown.remaining, shown.reset)
                if shown.over and self.retry_after:
                    made += _header(RETRY_AFTER, shown.reset)
                if upstream is not None and not answer.over:
                    made += upstream(shown.limit, shown.remaining, shown.reset)
        if self._metadata and answer.limit is not None:
            made += _told(plan.policy, answer.limit, answer.shadow)
        if self.rule_metadata:
            made += plan.asked + of_rules(plan, answer)
        return made


def deciding(plan: Plan, answer: Answer) -> Verdict | None:
    """The verdict that clients are told of: the refusal that lasts longest, else the tightest.

    A limit in shadow is nobody's business but the operator's. None: there is nothing to tell.
    """
    chosen: Verdict | None = None
    for group, verdict in zip(plan.groups, answer.verdicts, strict=True):
        limit = verdict.limit
        if limit is None or verdict.over is not answer.over:
            continue
        if _in_shadow(group, limit):
            continue
        if (
            chosen is None
            or (verdict.over and verdict.reset > chosen.reset)
            or (not verdict.over and verdict.remaining < chosen.remaining)
        ):
            chosen = verdict
    return chosen


def _in_shadow(group: Group, limit: Limit) -> bool:
    for counted in group.counted:  # `any` of a generator takes three times as long
        if counted.limit is limit:
            return counted.shadow
    return False


_Make: TypeAlias = Callable[[Limit, int, int], bytes]


def _headers(headers: Headers, names: Names) -> _Make | None:
    if headers == "draft-03":
        return _three(names, _RESPONSE)
    return _ietf if headers == "ietf" else None


def _three(names: Names, field: bytes) -> _Make:
    return lambda limit, remaining, reset: (
        _header(names.limit, limit.requests, field)
        + _header(names.remaining, remaining, field)
        + _header(names.reset, reset, field)
    )


@lru_cache(65_536)
def _header(name: str, value: int, field: bytes = _RESPONSE) -> bytes:
    return _field(name, str(value), field)


def _ietf(limit: Limit, remaining: int, reset: int) -> bytes:
    """`RateLimit-Policy` and `RateLimit`, draft-ietf-httpapi-ratelimit-headers-10 and -11."""
    policy, name = _ietf_policy(limit)
    return policy + _field("RateLimit", f"{name};r={remaining};t={reset}")


@lru_cache(4096)
def _ietf_policy(limit: Limit) -> tuple[bytes, str]:
    name = _quoted(label(limit))
    seconds = limit.unit.seconds
    window = f";w={seconds}" if seconds else ""  # no number says how long a month is
    return _field("RateLimit-Policy", f"{name};q={limit.requests}{window}"), name


def _quoted(text: str) -> str:
    """A string of RFC 9651, 3.3.3, which has no place for other than printable ASCII."""
    plain = "".join(each if " " <= each <= "~" else "?" for each in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _field(name: str, value: str, field: bytes = _RESPONSE) -> bytes:
    """A HeaderValue with `key` 1 and `value` 2."""
    key, data = name.encode(), value.encode()
    size, length = varint(len(key)), varint(len(data))
    whole = 2 + len(size) + len(key) + len(length) + len(data)
    return b"%b%b\x0a%b%b\x12%b%b" % (field, varint(whole), size, key, length, data)


@lru_cache(4096)
def _told(policy: str, limit: Limit, shadow: bool) -> bytes:
    """Envoy keeps it as dynamic metadata of its filter: `envoy.filters.http.ratelimit`."""
    response = rls_pb2.RateLimitResponse()
    response.dynamic_metadata.update(
        {
            "policy": policy,
            "limit": label(limit),
            "reason": "over_limit",
            "shadow": shadow,
        }
    )
    made: bytes = response.SerializeToString(deterministic=True)
    return made


NOTHING = Extras()
