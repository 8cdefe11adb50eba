"""CIDR blocks, as Go's `net` reads and compares them (v1/topdown/cidr.go)."""

import ipaddress
from typing import Final, NamedTuple

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.representation import (
    RegoSet,
    Value,
    decode,
    encode,
    make_set,
    members,
    ordered,
)

_MAPPED = b"\0" * 10 + b"\xff\xff"
"""What IPv4 addresses in IPv6 form begin with."""


class Block(NamedTuple):
    """A network: its first address (4 or 16 bytes), the length of its prefix and of its mask."""

    first: bytes
    prefix: int
    bits: int


def _address(text: str) -> bytes | None:
    """An address, in 16 bytes if it was written as IPv6."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text).packed
    except ValueError:
        return None


def _short(address: bytes) -> bytes:
    """Go's `To4`: an IPv4 address in IPv6 form is that IPv4 address."""
    return address[12:] if len(address) == 16 and address.startswith(_MAPPED) else address


def _mask(address: bytes, prefix: int) -> bytes:
    bits = len(address) * 8
    kept = int.from_bytes(address, "big") >> (bits - prefix) << (bits - prefix)
    return kept.to_bytes(len(address), "big")


def _parse(text: str) -> Block | None:
    """Go's `ParseCIDR`."""
    written, slash, length = text.partition("/")
    address = _address(written)
    if address is None or not slash or not (length.isascii() and length.isdigit()):
        return None
    prefix = int(length) if len(length) < 9 else 1000
    bits = len(address) * 8
    return Block(_mask(address, prefix), prefix, bits) if prefix <= bits else None


def _block(value: Value, position: int) -> Block:
    text = operands.string(value, position)
    block = _parse(text)
    if block is None:
        raise BuiltinError(f"invalid CIDR address: {text}")
    return block


def _contains(block: Block, address: bytes) -> bool:
    """Go's `IPNet.Contains`."""
    network, prefix = _short(block.first), block.prefix
    if block.bits == 128 and len(network) == 4:
        prefix = max(prefix - 96, 0)
    short = _short(address)
    return len(short) == len(network) and _mask(short, prefix) == _mask(network, prefix)


def _last(block: Block) -> bytes:
    host = block.bits - block.prefix
    number = int.from_bytes(block.first, "big") | ((1 << host) - 1)
    return number.to_bytes(len(block.first), "big")


def cidr_contains(cidr: Value, other: Value) -> bool:
    """`net.cidr_contains(cidr, cidr_or_ip)`."""
    block = _block(cidr, 1)
    text = operands.string(other, 1)
    address = _address(text)
    if address is not None:
        return _contains(block, address)
    inner = _parse(text)
    if inner is None:
        raise BuiltinError(f"not a valid textual representation of an IP address or CIDR: {text}")
    if all(b.bits == 128 and len(_short(b.first)) == 16 for b in (block, inner)):
        return block.prefix <= inner.prefix and _mask(inner.first, block.prefix) == block.first
    return _contains(block, inner.first) and _contains(block, _last(inner))


def cidr_intersects(a: Value, b: Value) -> bool:
    """`net.cidr_intersects(a, b)`."""
    first, second = _block(a, 1), _block(b, 1)
    return _contains(first, second.first) or _contains(second, first.first)


def cidr_is_valid(cidr: Value) -> bool:
    """`net.cidr_is_valid(cidr)`."""
    return type(cidr) is str and _parse(cidr) is not None


MOST_EXPANDED: Final = 1 << 16
"""Addresses. OPA goes on until the query's deadline; this takes 50 ms, and 8 MB."""
MOST_MERGED: Final = 10_000
"""Networks that a request may have us sort and merge."""


def cidr_expand(cidr: Value) -> RegoSet:
    """`net.cidr_expand(cidr)`: all its addresses."""
    block = _block(cidr, 1)
    size = 1 << (block.bits - block.prefix)
    if size > MOST_EXPANDED:
        raise RegoError("rego_builtin", "net.cidr_expand: more addresses than are expanded")
    first = int.from_bytes(block.first, "big")
    return make_set(
        _text((first + index).to_bytes(block.bits // 8, "big")) for index in range(size)
    )


def _text(address: bytes) -> str:
    """Go's `IP.String`."""
    return str(ipaddress.ip_address(_short(address)))


def cidr_merge(cidrs: Value) -> RegoSet:
    """`net.cidr_merge(cidrs)`: the fewest networks that hold the same addresses."""
    if type(cidrs) is not list and type(cidrs) is not RegoSet:
        raise BuiltinError("operand must be an array")
    items = members(cidrs)
    if len(items) > MOST_MERGED:
        raise RegoError("rego_builtin", "net.cidr_merge: more networks than are merged")
    ranges = sorted(map(_range, items), key=lambda each: (each.last, each.first))
    merged: list[_Range] = []
    for each in reversed(ranges):  # the next one down reaches it, or there is a gap
        if merged and _before(merged[-1].first) <= each.last:
            last = merged.pop()
            each = _Range(min(each.first, last.first), last.last, None)
        merged.append(each)
    return make_set(text for each in merged for text in each.networks())


class _Range(NamedTuple):
    """Addresses, as numbers of 128 bits: IPv4 in IPv6 form."""

    first: int
    last: int
    written: str | None
    """The one network that it is, as Go shows it; None: several were merged."""

    def networks(self) -> list[str]:
        if self.written is not None:
            return [self.written]
        ends = [_short(number.to_bytes(16, "big")) for number in (self.first, self.last)]
        if len(ends[0]) != len(ends[1]):
            ends = [number.to_bytes(16, "big") for number in (self.first, self.last)]
        first, last = map(ipaddress.ip_address, ends)
        return [str(each) for each in ipaddress.summarize_address_range(first, last)]


_FIRST_IPV4: Final = int.from_bytes(_MAPPED, "big") << 32


def _before(first: int) -> int:
    """Nothing is before the first address of IPv4 or of IPv6."""
    return first if first in (0, _FIRST_IPV4) else first - 1


def _range(item: Value) -> _Range:
    """Of a network or of a lone IPv4 address, which is one of its class (A, B or C), as in Go."""
    if type(item) is not str:
        raise BuiltinError("element must be string")
    address = _address(item)
    if address is None:
        block = _block(item, 1)
        shown = _text(block.first)
    else:
        short = _short(address)
        if len(short) != 4:
            raise BuiltinError("IPv6 invalid: needs prefix length")
        prefix = 8 if short[0] < 128 else 16 if short[0] < 192 else 24
        block = Block(_mask(short, prefix), prefix, 32)
        shown = _text(short)
    first, last = (
        int.from_bytes(_MAPPED + end if len(end) == 4 else end, "big")
        for end in (block.first, _last(block))
    )
    return _Range(first, last, f"{shown}/{block.prefix}")


def cidr_contains_matches(cidrs: Value, others: Value) -> RegoSet:
    """`net.cidr_contains_matches(cidrs, others)`: pairs of where they stand."""
    found = []
    for cidr, index in _entries(cidrs, 1):
        found += [
            [index, other_index]
            for other, other_index in _entries(others, 2)
            if cidr_contains(cidr, other)
        ]
    return make_set(found)


def _entries(value: Value, position: int) -> list[tuple[Value, Value]]:
    if type(value) is str:
        return [(value, value)]
    if type(value) is list:
        pairs = [(item, index) for index, item in enumerate(value)]
    elif type(value) is RegoSet:
        pairs = [(item, item) for item in members(value)]
    elif type(value) is dict:
        pairs = [(value[encode(key)], key) for key in ordered(map(decode, value))]
    else:
        return []
    return [(_first(item, position), index) for item, index in pairs]


def _first(item: Value, position: int) -> Value:
    if type(item) is list and item:
        return item[0]
    if type(item) is not str:
        raise BuiltinError(f"operand {position}: element must be string or non-empty array")
    return item
