"""Statistics as envoyproxy/ratelimit shows them to Prometheus. Pure.

Names and labels are those of its src/stats/prom/default_mapper.yaml. Written by hand:
prometheus-client ends the names of all counters in `_total`, which that service does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ratelimit.er.stats import (
    CALL,
    OTHER,
    PROMETHEUS,
    REQUESTS,
    STATISTICS,
    TIMES,
    prometheus_labels,
)
from ratelimit.er.sums import ErSums

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MOST: Final = 2000
"""Combinations of labels, each of which is a series of every statistic; the rest of a domain is
`other`. Prometheus pays for a series much more than we do for a number."""
METHOD: Final = {"grpc_method": "ShouldRateLimit"}
ERRORS: Final = "ratelimit_service_should_rate_limit_error"
LOADS: Final = "ratelimit_service_config_load_"
TOTAL: Final = "ratelimit_service_total_requests"
SECONDS: Final = "ratelimit_service_response_time_seconds"

_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def exposition(sums: ErSums, loads: Mapping[str, int], most: int = MOST) -> bytes:
    """The text format.

    Args:
        sums: what the workers have counted.
        loads: of files, by `success` and `error`.
        most: combinations of labels of rules.
    """
    return "".join(_lines(sums, loads, most)).encode("utf-8", "replace")


def _lines(sums: ErSums, loads: Mapping[str, int], most: int) -> Iterator[str]:
    rows = _by_labels(sums, most)
    for index, statistic in enumerate(STATISTICS):
        name = PROMETHEUS.get(statistic)
        if name is not None:
            yield f"# TYPE {name} counter\n"
            yield from (f"{name}{labels} {row[index]}\n" for labels, row in rows.items())
    yield f"# TYPE {ERRORS} counter\n"
    for kind in ("redis_error", "service_error"):
        yield f"{ERRORS}{_labels({'err_type': kind})} {sums.others.get(f'{CALL}{kind}', 0)}\n"
    for result in ("success", "error"):
        yield f"# TYPE {LOADS}{result} counter\n{LOADS}{result} {loads.get(result, 0)}\n"
    yield f"# TYPE {TOTAL} counter\n{TOTAL}{_labels(METHOD)} {sums.others.get(REQUESTS, 0)}\n"
    yield f"# TYPE {SECONDS} histogram\n"
    below = 0
    for bound, times in zip((*map(str, TIMES), "+Inf"), sums.times, strict=True):
        below += times
        yield f"{SECONDS}_bucket{_labels({**METHOD, 'le': bound.removesuffix('.0')})} {below}\n"
    yield f"{SECONDS}_sum{_labels(METHOD)} {sums.seconds}\n"
    yield f"{SECONDS}_count{_labels(METHOD)} {below}\n"


def _by_labels(sums: ErSums, most: int) -> dict[str, list[int]]:
    """Rules may have the same labels: entries after the second have none."""
    rows: dict[str, list[int]] = {}
    for rule, numbers in sums.rules.items():
        found = prometheus_labels(rule)
        if found is None:
            continue
        labels = _labels(found)
        if labels not in rows and len(rows) >= most:
            # Rules stay in the order in which they came: what is in it stays in it.
            labels = _labels({"domain": found["domain"], "key1": OTHER})
        _add(rows.setdefault(labels, [0] * len(STATISTICS)), numbers)
    return rows


def _add(row: list[int], numbers: Sequence[int]) -> None:
    for index, number in enumerate(numbers):
        row[index] += number


def _labels(labels: Mapping[str, str]) -> str:
    shown = (f'{name}="{value.translate(_ESCAPED)}"' for name, value in labels.items())
    return f"{{{','.join(shown)}}}"
