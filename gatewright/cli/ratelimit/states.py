"""What the value of an algorithm's counter in Redis says, for people."""

from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.sub_buckets import SubBuckets
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.counting import KINDS


def kind_of(name: bytes) -> str | None:
    """The kind of algorithm that a counter of this name has; None: it is a plain number."""
    kind, slash, _ = name.rpartition(b"@")[2].partition(b"/")
    text = kind.decode(errors="replace")
    return text if slash and text in KINDS else None


def said(kind: str, value: object) -> str:
    """As of its last change: `token-bucket, 17 left`."""
    numbers: list[int] = []
    if isinstance(value, bytes):
        parts = value.split()
        if all(part.removeprefix(b"-").isdigit() for part in parts):
            numbers = [int(part) for part in parts]
    word = KINDS[kind]
    match kind, numbers:
        case SlidingWindow.kind, [_, hits, last]:
            return f"{word}, {hits} in its window and {last} in the one before"
        case TokenBucket.kind, [_, tokens, _]:
            return f"{word}, {tokens} left"
        case SubBuckets.kind, [_, *hits]:
            return f"{word}, {sum(hits)} in its parts"
        case ExactLog.kind, _:
            return f"{word}, a list"
    return f"{word}, of another writer"
