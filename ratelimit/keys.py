"""The names of counters. No two different counters share one.

Every part is preceded by its length, so that no separator inside a value can imitate another
split; the window's length is in the name, so that changing a limit's unit starts a new counter.
(envoyproxy/ratelimit joins with `_` and without the unit: `a` = `b_c` and `a_b` = `c` share.
`ErNames` does the same, for those whose counters are in one Redis with its own.)

A name for all windows ends in what is no digit; the start of the window follows it.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

HASHED_OF_DOMAIN = b"rl:d:h:"
"""No length of a domain: its name is not to be taken for one that is whole."""
_HASHED_OF_POLICY = b"rl:h:"
_OF_POLICIES = (b"rl:p:", _HASHED_OF_POLICY)
COUNTERS = (b"rl:d:", *_OF_POLICIES)
"""What their names begin with."""
LONGEST = 200
"""Bytes; what is longer is replaced by its hash, so that a client's long path is not a long key."""

_LONGEST_ER = 1024
"""The same for those names: longer, for each that is replaced counts apart from that service; but
memory may hold 200,000."""


def _part(text: str) -> bytes:
    # Text from a YAML escape may hold a lone surrogate, which plain UTF-8 refuses.
    data = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(data), data)


def _bounded(name: bytes, hashed: bytes) -> bytes:
    """The name, or that of its hash."""
    return (name if len(name) <= LONGEST else hashed + _hash(name)) + b"@"


def _hash(name: bytes) -> bytes:
    return blake2b(name, digest_size=20).hexdigest().encode()


def descriptor_key(domain: str, seconds: int, entries: Iterable[tuple[str, str]]) -> bytes:
    """The counter of a descriptor in an operator's domain, for windows of so many seconds."""
    text = of_domain(domain, seconds)
    for key, value in entries:
        text += f"{len(key)}:{key}{len(value)}:{value}"
    if text.isascii() and len(text) <= LONGEST:
        # As many bytes as characters: half the time of what follows.
        return text.encode() + b"@"
    parts = [b"rl:d:", _part(domain), b"%ds:" % seconds]
    for key, value in entries:
        parts += (_part(key), _part(value))
    return _bounded(b"".join(parts), HASHED_OF_DOMAIN)


@lru_cache(1024)
def of_domain(domain: str, seconds: int) -> str:
    """What the names of its counters begin with, if it is ASCII. Only of domains that there are."""
    return f"rl:d:{len(domain)}:{domain}{seconds}s:"


def policy_key(
    policy: str,
    limit: str,
    seconds: int,
    values: Sequence[tuple[str, str]],
    several: bool = False,
) -> bytes:
    """The counter of a policy's limit for what it counts by: `[("identity.sub", "ann")]`.

    With `several` the limit has other windows, that are counted in the same step: all but the
    window is a hash tag, so that in a Cluster they are in one slot, whatever else is in braces.
    """
    parts = [_part(policy), _part(limit)]
    if not several:
        parts += (b"%ds:" % seconds,)
    for kind, value in values:
        parts += (_part(kind), _part(value))
    name = b"".join(parts)
    if not several:
        return _bounded(b"rl:p:" + name, _HASHED_OF_POLICY)
    if len(name) > LONGEST:
        name = b"h:" + _hash(name)
    return b"rl:p:{%b}%ds:@" % (name, seconds)


def is_of_domain(key: bytes) -> bool:
    """Whether it is a counter of an operator's domain, and not of a policy."""
    return not key.startswith(_OF_POLICIES)


def window_key(name: bytes, start: int) -> bytes:
    """The counter's name in the window that starts then."""
    return b"%b%d" % (name, start)


def start_of(key: bytes) -> int:
    """When the window of a counter with this name (`window_key`) started."""
    return int(key[len(key.rstrip(b"0123456789")) :])


class ErNames(NamedTuple):
    """Names as envoyproxy/ratelimit's src/limiter/cache_key.go makes them."""

    prefix: bytes = b""
    """Of all of them: its CACHE_KEY_PREFIX."""

    def descriptor_key(self, domain: str, entries: Iterable[tuple[str, str]]) -> bytes:
        """The counter of a descriptor, whatever its window's length.

        A name longer than 1 KiB is replaced by its hash; there it has no bound.
        """
        text = "_".join([domain, *[f"{key}_{value}" for key, value in entries], ""])
        name = self.prefix + text.encode("utf-8", "surrogatepass")
        return name if len(name) <= _LONGEST_ER else b"%bh_%b_" % (self.prefix, _hash(name))


def is_counter(key: bytes, er: ErNames | None) -> bool:
    """Whether it may be the name of a counter, with `er` of one of those too.

    What else begins with `rl:`, heartbeats and receipts, is none.
    """
    if key.startswith(COUNTERS):
        return True
    name = key.rstrip(b"0123456789")
    return er is not None and name.startswith(er.prefix) and name != key and name.endswith(b"_")
