"""Counters and timings as statsd's datagrams. Pure.

https://github.com/statsd/statsd/blob/master/docs/metric_types.md, and for tags
https://docs.datadoghq.com/developers/dogstatsd/datagram_shell: `name:3|c|#tag:value`. A timing is
`name:0.3|ms|@0.01`: one of a hundred, which the server counts as a hundred.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, Literal, NamedTuple, TypeAlias

Style: TypeAlias = Literal["statsd", "dogstatsd"]

MOST_BYTES: Final = 1432
"""Of a datagram: what an Ethernet frame takes, so that none is sent in pieces of which one may be
lost."""


class Deltas:
    """What counters have grown by since they were asked last: statsd adds up what it is sent."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def since(self, counters: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """Those that have grown, by how much; of one that begins anew, all of it."""
        grown = []
        for name, value in counters:
            before = self._last.get(name, 0)
            if value != before:
                self._last[name] = value
                grown.append((name, value - before if value > before else value))
        return grown


class Timed(NamedTuple):
    """Times that are alike."""

    name: str
    times: int
    """How many."""
    seconds: float
    """Their sum."""


class TimedDeltas:
    """What has been timed since it was asked last."""

    def __init__(self) -> None:
        self._last: list[Timed] = []

    def since(self, timed: Iterable[Timed]) -> list[Timed]:
        """By how much each has grown; `timed` are always the same ones in the same order."""
        now = list(timed)
        last = self._last or [each._replace(times=0, seconds=0.0) for each in now]
        self._last = now
        return [
            Timed(each.name, each.times - before.times, each.seconds - before.seconds)
            for each, before in zip(now, last, strict=True)
            if each.times > before.times
        ]


def datagrams(
    counters: Iterable[tuple[str, int]],
    tags: Mapping[str, str],
    style: Style = "dogstatsd",
    most: int = MOST_BYTES,
    timed: Iterable[Timed] = (),
) -> Iterator[bytes]:
    """Datagrams with as many lines each as fit.

    Args:
        counters: names, which have no `:`, `|` or control character, and what they grew by.
        tags: of all of them.
        style: `statsd`: at the end of names, as github.com/lyft/gostats writes them.
        most: bytes of one datagram. A counter that is longer by itself is left out: a server cuts
            it off, and what is left of a name is another's.
        timed: told as their mean, so many times.
    """
    end, suffix = b"", ""
    if style == "statsd":
        suffix = "".join(f".__{name}={value}" for name, value in tags.items())
    elif tags:
        end = b"|#" + b",".join(f"{name}:{value}".encode() for name, value in tags.items())
    lines: list[bytes] = []
    size = 0
    for name, value in chain(_counted(counters), _timed(timed)):
        line = b"%b:%b%b" % ((name + suffix).encode("utf-8", "replace"), value, end)
        if len(line) > most:
            continue
        if lines and size + 1 + len(line) > most:
            yield b"\n".join(lines)
            lines, size = [], 0
        size += len(line) + (1 if lines else 0)
        lines.append(line)
    if lines:
        yield b"\n".join(lines)


def _counted(counters: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
    return ((name, b"%d|c" % grown) for name, grown in counters)


def _timed(timed: Iterable[Timed]) -> Iterator[tuple[str, bytes]]:
    for name, times, seconds in timed:
        rate = f"|@{1 / times:.9g}" if times > 1 else ""
        yield name, f"{1000 * seconds / times:.6g}|ms{rate}".encode()
