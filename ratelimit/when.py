"""Whom a limit is for: `when` and `unless`, by client address and identity.

Host, path and method are chosen by the policy's own `on`. What cannot be known of a request (no
address, an identity value too long to be told) counts against it: the limit applies.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from callout.config.identity import HASHED
from callout.config.source import Step

ADDRESS = "address"
IDENTITY = "identity."
MOST = 10_000
"""Entries of one list."""
LONGEST = 200
"""Bytes of one text; longer identity values are told as hashes (`callout.config.identity`)."""


class Matcher(Protocol):
    """A list of `when` or `unless`, ready to be asked."""

    def holds(self, value: str | None) -> bool | None:
        """Whether the value is one of the list; None: that cannot be known."""
        ...


class Networks:
    """Networks of addresses, found by one look-up for each length of prefix that occurs."""

    __slots__ = ("_by_length",)

    def __init__(self, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> None:
        lengths: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            mapped = (
                network.network_address.ipv4_mapped
                if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96
                else None
            )
            if mapped is not None:
                network = ipaddress.IPv4Network((mapped, network.prefixlen - 96))
            shift = network.max_prefixlen - network.prefixlen
            lengths.setdefault((network.version, shift), set()).add(
                int(network.network_address) >> shift
            )
        self._by_length = tuple((*key, frozenset(found)) for key, found in lengths.items())

    def holds(self, value: str | None) -> bool | None:
        """See `Matcher.holds`. An IPv4 address that is written as IPv6 is an IPv4 address."""
        try:
            address = ipaddress.ip_address(value or "")
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        number, version = int(address), address.version
        return any(
            of == version and number >> shift in networks for of, shift, networks in self._by_length
        )


class Texts:
    """Whole texts, and beginnings of texts."""

    __slots__ = ("_prefixes", "_whole")

    def __init__(self, written: Iterable[str]) -> None:
        texts = tuple(written)
        self._whole = frozenset(text for text in texts if not text.endswith("*"))
        self._prefixes = tuple(text[:-1] for text in texts if text.endswith("*"))

    def holds(self, value: str | None) -> bool | None:
        """See `Matcher.holds`. Who has no value, or an empty one, has none of the list."""
        if not value:
            return False
        if value in self._whole:
            return True
        if self._prefixes and value.startswith(HASHED):
            return None
        return value.startswith(self._prefixes)


class Mistake(NamedTuple):
    """What is wrong with what was written, and where: `("address", 2)`."""

    path: tuple[Step, ...]
    message: str


class Conditions:
    """All lists of one `when` or `unless`: a request is meant if each has its value."""

    __slots__ = ("_matchers",)

    def __init__(self, matchers: Sequence[tuple[str, Matcher]]) -> None:
        self._matchers = tuple(matchers)

    def hold(self, address: str | None, identity: Mapping[str, str]) -> bool | None:
        """Whether the request is meant; None: that cannot be known."""
        known: bool | None = True
        for field, matcher in self._matchers:
            held = matcher.holds(identity.get(field) if field else address)
            if held is False:
                return False
            if held is None:
                known = None
        return known


def read(written: Mapping[str, Sequence[str]]) -> Conditions | list[Mistake]:
    """From what the file says, or everything that is wrong with it."""
    mistakes: list[Mistake] = []
    matchers: list[tuple[str, Matcher]] = []
    if not written:
        mistakes.append(Mistake((), f"expected {ADDRESS} or {IDENTITY}FIELD, found nothing"))
    for kind, items in written.items():
        if not 1 <= len(items) <= MOST:
            message = f"expected 1 to {MOST} entries, found {len(items)}"
            mistakes.append(Mistake((kind,), message))
        elif kind == ADDRESS:
            networks = []
            for index, item in enumerate(items):
                try:
                    networks.append(ipaddress.ip_network(item))
                except ValueError:
                    message = f"expected a network or an address, found {item!r}"
                    mistakes.append(Mistake((kind, index), message))
            matchers.append(("", Networks(networks)))
        elif kind.startswith(IDENTITY) and kind != IDENTITY:
            for index, item in enumerate(items):
                if not item or "*" in item[:-1] or len(item.encode()) > LONGEST:
                    message = (
                        f"expected a text of 1 to {LONGEST} bytes with no `*` but at its end, "
                        f"found {item[:LONGEST]!r}"
                    )
                    mistakes.append(Mistake((kind, index), message))
            matchers.append((kind.removeprefix(IDENTITY), Texts(items)))
        else:
            message = f"expected {ADDRESS} or {IDENTITY}FIELD, found {kind!r}"
            mistakes.append(Mistake((kind,), message))
    return mistakes or Conditions(matchers)
