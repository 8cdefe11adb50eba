"""Finds the entry of a value: as it is written, or by the narrowest network or longest beginning.

A look-up costs one question to a dictionary for the value itself and one for each length of
prefix that the file has, whatever the number of entries: 0.5 us for a text and 2.2 us for an
address among 100,000 of two lengths, and only for a value whose plan is not remembered. An entry
takes 200 bytes; 100,000 are read in 0.9 s of processor time.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from callout.config.identity import HASHED
from ratelimit.limits import Limit

LONGEST: Final = 200
"""Bytes of a text in the file; longer identity values are told as hashes."""


class Entry(NamedTuple):
    """What the file says of a value."""

    rate: int
    """Which of the file's rates, by the order in which they occur."""
    line: int
    """From 1."""


class Table(Protocol):
    """Values, ready to be asked for. Filled while the file is read."""

    def put(self, text: str, entry: Entry) -> "Entry | str":
        """Add what is written; an entry that means the same, or what was expected instead."""
        ...

    def find(self, value: str) -> Entry | None:
        """What is written of this value."""
        ...


class Texts:
    """Whole texts, and beginnings of texts: `trial-*`."""

    __slots__ = ("_beginnings", "_whole")

    def __init__(self) -> None:
        self._whole: dict[str, Entry] = {}
        self._beginnings: dict[int, dict[str, Entry]] = {}
        """By length, the longest first once `find` is asked."""

    def put(self, text: str, entry: Entry) -> Entry | str:
        """See `Table.put`."""
        beginning = text[:-1] if text.endswith("*") else None
        if not text or beginning == "" or "*" in text[:-1] or len(text.encode()) > LONGEST:
            return f"expected a text of 1 to {LONGEST} bytes with no `*` but at its end"
        if beginning is None:
            return self._whole.setdefault(text, entry)
        length = len(beginning)
        if length not in self._beginnings:
            self._beginnings[length] = {}
            self._beginnings = dict(sorted(self._beginnings.items(), reverse=True))
        return self._beginnings[length].setdefault(beginning, entry)

    def find(self, value: str) -> Entry | None:
        """The value itself, then its longest beginning; of a hash only what is written whole."""
        entry = self._whole.get(value)
        if entry is not None or not self._beginnings or value.startswith(HASHED):
            return entry
        for length, beginnings in self._beginnings.items():
            entry = beginnings.get(value[:length])
            if entry is not None:
                return entry
        return None


class Networks:
    """Networks and addresses. An IPv4 address that is written as IPv6 is an IPv4 address."""

    __slots__ = ("_by_length",)

    def __init__(self) -> None:
        self._by_length: dict[tuple[int, int], dict[int, Entry]] = {}
        """By version and bits that are left, the fewest first once `find` is asked."""

    def put(self, text: str, entry: Entry) -> Entry | str:
        """See `Table.put`."""
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            return "expected a network or an address"
        if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
            mapped = network.network_address.ipv4_mapped
            if mapped is not None:
                network = ipaddress.IPv4Network((mapped, network.prefixlen - 96))
        shift = network.max_prefixlen - network.prefixlen
        key = (network.version, shift)
        if key not in self._by_length:
            self._by_length[key] = {}
            self._by_length = dict(sorted(self._by_length.items()))
        return self._by_length[key].setdefault(int(network.network_address) >> shift, entry)

    def find(self, value: str) -> Entry | None:
        """The narrowest that the address is in."""
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        number, version = int(address), address.version
        for (of, shift), networks in self._by_length.items():
            if of == version:
                entry = networks.get(number >> shift)
                if entry is not None:
                    return entry
        return None


class Rate(NamedTuple):
    """What counts for a value instead of the limit's own `rate` and `burst`."""

    limits: Sequence[Limit]
    """One for each window; none: unlimited."""
    burst: int | None
    """Of a token bucket: how many at once; None: as many as come back in the window."""
    place: str
    """Where it is written first: `limits/customers.yaml:17`."""


class Overridden(NamedTuple):
    """What counts for one value."""

    rate: Rate
    place: str
    """Where that is written."""


class Overrides(NamedTuple):
    """The file of one limit."""

    by: str
    """What its values are: `address` or `identity.FIELD`."""
    file: str
    table: Table
    rates: Sequence[Rate]
    """By `Entry.rate`."""

    def of(self, by: str, value: str) -> Overridden | None:
        """What is written of this value, if it is of this kind.

        Who is counted by address for want of an identity has none of its values.
        """
        entry = self.table.find(value) if by == self.by else None
        if entry is None:
            return None
        return Overridden(self.rates[entry.rate], f"{self.file}:{entry.line}")
