"""The settings `limits`: how this process counts, whatever the rules say."""

from typing import Annotated, Literal, TypeAlias

import pydantic

from callout.config.validate import Block
from callout.serve.address import parse as parse_address

OnError: TypeAlias = Literal["error", "allow", "deny", "share"]


def _has_files(domain: str) -> str:
    if domain == "gatewright":
        raise ValueError("expected a domain of your own, found that of the policies: use `onError`")
    return domain


_NEEDED = ("host", "path", "method", "remote_address", "id", "policy", "step")
"""Entries by which limits of policies are found and counted."""


def _is_no_part(key: str) -> str:
    if key in _NEEDED:
        raise ValueError(f"expected a key that limits need not, found one of {', '.join(_NEEDED)}")
    return key


def _address(text: str) -> str:
    parse_address(text)
    return text


class Prometheus(Block):
    """A port where Prometheus finds statistics of rules under envoyproxy/ratelimit's names."""

    address: Annotated[str, pydantic.AfterValidator(_address)]
    """Where it listens: `host:port` or `unix:/path`; without authentication."""
    path: Annotated[str, pydantic.Field(pattern=r"^/[A-Za-z0-9/_.-]{0,200}$")] = "/metrics"
    """Of the one page that is there."""
    near_limit_ratio: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.8
    """From this share of a limit on, hits count as `near_limit`; the same as for statsd."""


class Retries(Block):
    """Requests that the gateway sends again because no answer came."""

    by: Annotated[
        str, pydantic.Field(min_length=1, max_length=100), pydantic.AfterValidator(_is_no_part)
    ] = "request_id"
    """The key of the descriptor entry with the request's id; it is no part of what is counted by.
    Clients must not choose ids: who sends one id again and again passes four times the limit."""
    within: Annotated[int, pydantic.Field(ge=1, le=300)] = 10
    """Seconds for which a request is known again. Redis keeps 150 bytes for each counter of each
    request for so long."""


class Limits(Block):
    """What holds for all limits."""

    shadow: bool = False
    """Whether no limit refuses: all are counted and told as over, and every request passes. To
    try rules on real traffic; envoyproxy/ratelimit's SHADOW_MODE."""
    quota: bool = False
    """Whether every rule of the operator's domains is in `quota_mode`: a request is refused when
    all its limits are over. envoyproxy/ratelimit's QUOTA_MODE."""
    needs_domain: bool = False
    """Whether health is NOT_SERVING, and `/readyz` says so, while there is no domain of the
    operator's, as when a management server takes all of them back. envoyproxy/ratelimit's
    HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED."""
    needs_redis: bool = False
    """Whether a worker's health is NOT_SERVING while it has no connection to Redis. Mind that Envoy
    then has nobody to ask at all, where `onError` would have decided. envoyproxy/ratelimit's
    REDIS_HEALTH_CHECK_ACTIVE_CONNECTION."""
    redis_wait: Annotated[float, pydantic.Field(ge=0.001, le=1)] = 1.0
    """Seconds that a request waits for Redis at most, whatever its deadline leaves; one that has
    none waits 20 ms, or so long if that is less. envoyproxy/ratelimit's REQUEST_TIMEOUT."""
    on_error: dict[Annotated[str, pydantic.AfterValidator(_has_files)], OnError] = pydantic.Field(
        default={}
    )
    """What becomes of requests while the counters cannot be asked, by the name of the operator's
    domain; `*` for those that are not named. `error`: Envoy gets an error, and its
    `failure_mode_deny` decides, as with envoyproxy/ratelimit. `allow`: they pass. `deny`: they are
    answered as over the limit. `share`: they pass as long as this worker's part of each limit
    allows. Limits of policies have `onError` instead."""
    retries: Retries | None = None
    """Whether a request that comes again is counted once. None: each time, and nothing is spent on
    it."""
    compat: Literal["er"] | None = None
    """`er`: rules are found, counters named, kept and told as envoyproxy/ratelimit does it, so that
    both can count in one Redis. None: names that no two counters share, kept as long as their
    windows, and nothing told of limits in shadow."""
    key_prefix: Annotated[str, pydantic.Field(max_length=100)] | None = None
    """Of the names of counters, with `compat: er`: its CACHE_KEY_PREFIX, and the same for all that
    count together."""
    expiry_jitter: Annotated[int, pydantic.Field(ge=0, le=31_536_000)] = 300
    """Seconds that counters are kept longer than their windows at most, at random, with `compat:
    er`: its EXPIRATION_JITTER_MAX_SECONDS, and its default. It spreads their ends."""
    merge_domains: bool = False
    """Whether a domain may be in several files, whose rules are put together: its
    MERGE_DOMAIN_CONFIG."""
    calendar_month: bool = False
    """Whether a month of the operator's domains is that of the calendar, in UTC, and not 30 days
    counted from the epoch: envoyproxy/ratelimit's USE_CALENDAR_MONTH_RATE_LIMIT. Those of policies
    stay 30 days, for their algorithms need windows of one length."""
    stop_when_over: bool = False
    """Whether a request of an operator's domain that is refused is counted only by the limits that
    refuse it, and not by its others: envoyproxy/ratelimit's
    STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT. Requests of several limits then go to the counters
    twice."""
    deny_cache: bool = True
    """Whether a counter in Redis that is over its limit is not asked for again for a tenth of a
    second. Then refused requests are not all counted; without it each of them asks Redis."""

    memory: Annotated[int, pydantic.Field(ge=16 << 20, le=1 << 40)] = 128 << 20
    """Bytes that counters in memory may take, of all workers together; half of it is for fixed
    windows, half for what needs more numbers. A million counters of fixed windows that several
    workers share, a quarter of that for one worker alone. When there is no room, those go that were
    used least recently, and what they held back passes."""

    prometheus: Prometheus | None = None
    """None: Prometheus finds no statistics of rules, and no request pays for them."""

    @pydantic.model_validator(mode="after")
    def _prefix_is_of_a_format(self) -> "Limits":
        if self.key_prefix and self.compat is None:
            raise ValueError("expected compat: er beside key_prefix")
        return self

    @pydantic.model_validator(mode="after")
    def _one_step_or_two(self) -> "Limits":
        if self.stop_when_over and self.retries is not None:
            raise ValueError(
                "expected no retries beside stop_when_over: what is counted in two steps cannot be "
                "noted in one"
            )
        return self
