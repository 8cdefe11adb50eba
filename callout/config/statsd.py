"""The settings `telemetry.statsd`: where statistics of rate limit rules are sent."""

import re
from typing import Annotated, Final, Literal

import pydantic

from callout.config.validate import Block

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")
_TAG: Final = re.compile(r"[^\s:|#,=]+:[^\s:|#,=]+")


def _address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 1 << 16:
        raise ValueError("expected `host:port`")
    return text


def _tag(text: str) -> str:
    if not _TAG.fullmatch(text):
        raise ValueError("expected `name:value`, both without blanks, `:`, `|`, `#`, `,` and `=`")
    return text


class Statsd(Block):
    """A server that is told the statistics of rules, under envoyproxy/ratelimit's names."""

    address: Annotated[str, pydantic.AfterValidator(_address)]
    """Of the server, for UDP: `127.0.0.1:8125`."""
    style: Literal["statsd", "dogstatsd"] = "statsd"
    """How tags are written: at the end of names (`NAME.__tag=value`, as github.com/lyft/gostats
    does), or as dogstatsd takes them."""
    tags: tuple[Annotated[str, pydantic.AfterValidator(_tag)], ...] = ()
    """Of everything that is sent: `env:prod`."""
    every: Annotated[float, pydantic.Field(ge=0.1, le=3600)] = 10.0
    """Seconds between two flushes, as there."""
    near_limit_ratio: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.8
    """From this share of a limit on, hits count as `near_limit`, as there."""

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The address in its two parts."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def tag_values(self) -> dict[str, str]:
        """The tags, by name, in its order."""
        return {name: value for name, _, value in sorted(each.partition(":") for each in self.tags)}
