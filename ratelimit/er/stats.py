"""What envoyproxy/ratelimit counts of each rule, as it counts it. Pure.

`ratelimit.service.rate_limit.DOMAIN.KEY.total_hits` and its siblings: src/limiter/base_limiter.go
there. Numbers are of hits, not of requests: a request may have many.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from callout.observe.statsd.datagrams import Timed
from ratelimit.plan import Counted, Plan

STATISTICS: Final = (
    "total_hits",
    "over_limit",
    "near_limit",
    "over_limit_with_local_cache",
    "within_limit",
    "shadow_mode",
    "total_negative_hits",
)
"""Of each rule, in the order of a row."""
PREFIX: Final = "ratelimit.service.rate_limit."
GLOBAL_SHADOW: Final = "ratelimit.service.global_shadow_mode"
CALL: Final = "ratelimit.service.call.should_rate_limit."
MOST_RULES: Final = 10_000
"""Names that are counted apart: `detailed_metric` makes one of each value that a client sends."""
LONGEST: Final = 1000
"""Characters of a name that is counted apart: values of clients may be as long as their headers,
ten thousand of them would be much of the memory of every worker, and of no use: statsd takes none
that is longer."""
OTHER: Final = "other"
"""After the domain, the name of all rules that have no place, or no place any more."""
NEAR_LIMIT_RATIO: Final = 0.8

UNKNOWN_DOMAIN: Final = f"{PREFIX}{OTHER}.domain_not_found"
"""Whoever asks chooses the domain, so there is one number, where that service has one of each."""
REQUESTS: Final = "ratelimit_server.ShouldRateLimit.total_requests"
RESPONSE_TIME: Final = "ratelimit_server.ShouldRateLimit.response_time"
CONFIG_LOAD: Final = "ratelimit.service.config_load_"
"""`success` and `error`."""
TIMES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, upper bounds of buckets: prometheus.DefBuckets of github.com/prometheus/client_golang,
which that service has."""

_REPLACED: Final = str.maketrans(dict.fromkeys((*":|", *map(chr, range(32)), "\x7f"), "_"))
"""Of a name: what envoyproxy/ratelimit replaces (`:` and `|` end it in statsd), and control
characters: a client's line break would be another statistic."""


class Statistic(NamedTuple):
    """One number of one rule."""

    rule: str
    """`domain.key_value.key`."""
    name: str
    """One of `STATISTICS`."""
    value: int
    """Since the beginning."""


class ErStats:
    """Counts by rule; bounded, however many values clients send.

    Measured, a request that meets one rule: 0.65 us for the rule and 0.15 for the request.
    """

    def __init__(
        self, near_limit_ratio: float = NEAR_LIMIT_RATIO, most_rules: int = MOST_RULES
    ) -> None:
        """Counts.

        Args:
            near_limit_ratio: NEAR_LIMIT_RATIO: from this share of a limit on, hits are near it.
            most_rules: names that are counted apart.
        """
        self._ratio = _float32(near_limit_ratio)
        self._most = most_rules
        self.rows: dict[str, list[int]] = {}
        """By rule, one number for each of `STATISTICS`; only read them. None is ever taken out."""
        self.times = [0] * (len(TIMES) + 1)
        """Requests by how long they took: one number for each of `TIMES`, and one for the longer
        ones."""
        self.took = [0.0] * len(self.times)
        """The sum of what those of each took."""
        self.unknown_domains = 0
        """Requests of domains that are nowhere."""
        self.global_shadow = 0
        """Requests that pass only because all limits are in shadow (SHADOW_MODE)."""
        self.redis_errors = 0
        """Requests whose counters could not be asked."""
        self.service_errors = 0
        """Requests that could not be answered for another reason."""

    def count(self, plan: Plan, counts: Sequence[int], known: bool = False) -> None:
        """Counts one request.

        Args:
            plan: what was counted by.
            counts: the counters after its own hits, one for each of `plan.counted`.
            known: they were known to be over, and the store was not asked.
        """
        if not counts and plan.reason == "unknown_domain":
            self.unknown_domains += 1
        rows = self.rows
        for counted, after in zip(plan.counted, counts, strict=True):
            rule = counted.statistic
            if rule:
                self._count(rows.get(rule) or self._row(rule, plan.policy), counted, after, known)

    def answered(self, seconds: float) -> None:
        """Counts how long one request took, whatever became of it."""
        index = bisect_left(TIMES, seconds)
        self.times[index] += 1
        self.took[index] += seconds

    def unavailable(self, plan: Plan) -> None:
        """Counts one request whose counters could not be asked."""
        self.redis_errors += 1
        for counted in plan.counted:
            if counted.statistic:
                row, hits = self._row(counted.statistic, plan.policy), counted.addend
                row[0 if hits > 0 else 6] += abs(hits)

    def _count(self, row: list[int], counted: Counted, after: int, known: bool) -> None:
        hits, most = counted.addend, counted.limit.requests
        if hits < 0:
            row[6] -= hits
            return
        row[0] += hits
        if known:
            row[1] += hits
            row[3] += hits
            if counted.shadow:
                row[5] += hits
            return
        near = _near(most, self._ratio)
        if after <= near:
            row[4] += hits
            return
        before = max(after - hits, 0)
        if after > most:
            over = hits if before >= most else after - most
            row[1] += over
            if before < most:
                row[2] += most - max(near, before)
            if counted.shadow:
                row[5] += over
        else:
            row[4] += hits
            row[2] += hits if before >= near else after - near

    def _row(self, rule: str, domain: str) -> list[int]:
        row = self.rows.get(rule)
        if row is None:
            # As many more names as there are domains, which are the operator's.
            room = len(self.rows) < self._most and len(rule) <= LONGEST
            name = rule if room else f"{domain}.{OTHER}"
            row = self.rows.setdefault(name, [0] * len(STATISTICS))
        return row

    def statistics(self) -> Iterator[Statistic]:
        """Every number that is not 0."""
        # Of this moment: whoever takes them in several turns must not meet new ones.
        for rule, row in list(self.rows.items()):
            for name, value in zip(STATISTICS, row, strict=True):
                if value:
                    yield Statistic(rule, name, value)

    def counters(self) -> Iterator[tuple[str, int]]:
        """Everything, by the names that statsd is told."""
        for each in self.statistics():
            yield statsd_name(each), each.value
        yield from self.others()

    def timed(self) -> Iterator[Timed]:
        """How long requests took: the same names in the same order."""
        for times, took in zip(self.times, self.took, strict=True):
            yield Timed(RESPONSE_TIME, times, took)

    def others(self) -> Iterator[tuple[str, int]]:
        """Those that are of no rule."""
        yield REQUESTS, sum(self.times)
        yield UNKNOWN_DOMAIN, self.unknown_domains
        yield GLOBAL_SHADOW, self.global_shadow
        yield f"{CALL}redis_error", self.redis_errors
        yield f"{CALL}service_error", self.service_errors


def statsd_name(statistic: Statistic) -> str:
    """`ratelimit.service.rate_limit.domain.key_value.over_limit`."""
    return f"{PREFIX}{statistic.rule.translate(_REPLACED)}.{statistic.name}"


def prometheus_labels(rule: str) -> Mapping[str, str] | None:
    """As envoyproxy/ratelimit's mapping has them (src/stats/prom/default_mapper.yaml).

    Entries after the second have no label: such rules are one series. None: it has no series.
    """
    domain, *keys = rule.translate(_REPLACED).split(".")
    return dict(zip(("domain", "key1", "key2"), (domain, *keys), strict=False)) if keys else None


PROMETHEUS: Final = {
    name: f"ratelimit_service_rate_limit_{name}"
    for name in STATISTICS
    if name not in ("over_limit_with_local_cache", "total_negative_hits")
}
"""By statistic, the series that envoyproxy/ratelimit shows; its mapping leaves the others out."""


@lru_cache(4096)
def _near(most: int, ratio: float) -> int:
    """The last hit that is not near the limit. The product is rounded to a float32, as there."""
    return int(_float32(_float32(most) * ratio))


def _float32(number: float) -> float:
    rounded: float = struct.unpack("f", struct.pack("f", number))[0]
    return rounded
