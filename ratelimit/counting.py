"""How a policy's limit is counted: the words that an operator writes, and what they stand for."""

from functools import lru_cache
from typing import Final, Literal, TypeAlias

from ratelimit.algorithms.contract import LONGEST_WINDOW, Algorithm
from ratelimit.algorithms.exact_log import MOST_LOGGED, ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.limits import Limit

Kind: TypeAlias = Literal[
    "fixed-window", "sliding-window", "sub-buckets", "sliding-log", "token-bucket"
]

FIXED: Final = "fixed-window"
KINDS: Final[dict[str, Kind]] = {
    NamedWindow.kind: FIXED,
    SlidingWindow.kind: "sliding-window",
    SubBuckets.kind: "sub-buckets",
    ExactLog.kind: "sliding-log",
    TokenBucket.kind: "token-bucket",
}
"""By `Algorithm.kind`."""


@lru_cache(4096)
def algorithm(kind: Kind, limit: Limit, burst: int | None = None) -> Algorithm | str:
    """What counts this limit; a text says why nothing can, and what to do.

    The same object for the same limit: a reload makes limits anew, and so what counts them.

    Args:
        kind: as written.
        limit: how many in how long.
        burst: of a token bucket, how many at once; None: as many as come back in a window.
    """
    window = limit.unit.seconds * 1000
    if burst is not None and kind != "token-bucket":
        return "expected no `burst`, which only `algorithm: token-bucket` has"
    match kind:
        case "fixed-window":
            return NamedWindow(limit.requests, window)
        case "sliding-window":
            return SlidingWindow(limit.requests, window)
        case "sub-buckets":
            return SubBuckets(limit.requests, window)
        case "sliding-log":
            if limit.requests > MOST_LOGGED:
                return (
                    f"expected at most {MOST_LOGGED} requests with `algorithm: sliding-log`, which "
                    "remembers each of them; `sub-buckets` has the same bound for any number"
                )
            return ExactLog(limit.requests, window)
        case "token-bucket":
            return _bucket(limit.requests, window, burst)


def _bucket(refill: int, window: int, burst: int | None) -> Algorithm | str:
    capacity = refill if burst is None else burst
    if not refill and capacity:
        return "expected no `burst` with a rate of 0: nothing would ever come back"
    if refill and -(-capacity * window // refill) > LONGEST_WINDOW:
        return "expected a `burst` that comes back within 366 days"
    return TokenBucket(capacity, window, refill)
