"""Counters as statsd's datagrams. Pure.

https://github.com/statsd/statsd/blob/master/docs/metric_types.md, and for tags
https://docs.datadoghq.com/developers/dogstatsd/datagram_shell: `name:3|c|#tag:value`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

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


def datagrams(
    counters: Iterable[tuple[str, int]],
    tags: Mapping[str, str],
    style: Style = "dogstatsd",
    most: int = MOST_BYTES,
) -> Iterator[bytes]:
    """Datagrams with as many counters each as fit.

    Args:
        counters: names, which have no `:`, `|` or control character, and what they grew by.
        tags: of all of them.
        style: `statsd`: at the end of names, as github.com/lyft/gostats writes them.
        most: bytes of one datagram. A counter that is longer by itself is left out: a server cuts
            it off, and what is left of a name is another's.
    """
    end, suffix = b"|c", ""
    if style == "statsd":
        suffix = "".join(f".__{name}={value}" for name, value in tags.items())
    elif tags:
        end += b"|#" + b",".join(f"{name}:{value}".encode() for name, value in tags.items())
    lines: list[bytes] = []
    size = 0
    for name, grown in counters:
        line = b"%b:%d%b" % ((name + suffix).encode("utf-8", "replace"), grown, end)
        if len(line) > most:
            continue
        if lines and size + 1 + len(line) > most:
            yield b"\n".join(lines)
            lines, size = [], 0
        size += len(line) + (1 if lines else 0)
        lines.append(line)
    if lines:
        yield b"\n".join(lines)
