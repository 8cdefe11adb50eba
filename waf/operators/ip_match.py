"""@ipMatch, @ipMatchFromFile (@ipMatchF) and @ipMatchFromDataset."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Final

from waf.operators.contract import Captures, OperatorProblem, Surroundings, Test
from waf.operators.files import lines, named, names

_MAPPED: Final = bytes(10) + b"\xff\xff"
_LONGEST: Final = 45
"""Characters of an address, at most."""


def ip_match(argument: bytes, around: Surroundings) -> Test:  # noqa: ARG001
    """Match addresses that are among the argument's or in its networks.

    Argument: addresses and networks, separated by commas. What stands behind the prefix of a
    network is overlooked.
    Returns: the value. 0.5 us, and 0.1 us for each length of prefix.
    Example: `@ipMatch 10.0.0.0/8,::1`.
    Differences: an IPv4 address written within IPv6 (`::ffff:10.0.0.1`) is the IPv4 address, as in
    Coraza. ModSecurity reads a value up to a NUL. An argument that is no address is an
    error, as in ModSecurity; Coraza overlooks it.
    """
    return _any_of(argument.split(b","))


def ip_match_from_file(argument: bytes, around: Surroundings) -> Test:
    """Match as @ipMatch does, with an address or network in each line of a file.

    Argument: names of files, relative to that of the rule; lines that begin with `#` are comments.
    Returns: as @ipMatch.
    Example: `@ipMatchFromFile partners.txt`.
    Differences: ModSecurity fetches `https://` names; here files only.
    """
    return _any_of(line for name in names(argument) for line in lines(around.read(name)))


def ip_match_from_dataset(argument: bytes, around: Surroundings) -> Test:
    """Match as @ipMatch does, with an address or network in each line of a SecDataset.

    Argument: the name of the dataset.
    Returns: as @ipMatch.
    Example: `@ipMatchFromDataset partners`.
    Differences: of Coraza; ModSecurity has none.
    """
    return _any_of(lines(around.dataset(named(argument))))


def _any_of(entries: Iterable[bytes]) -> Test:
    networks: dict[tuple[int, int], set[int]] = {}
    for entry in entries:
        network = _network(entry)
        size = network.max_prefixlen
        place = (size, size - network.prefixlen)
        networks.setdefault(place, set()).add(int(network.network_address) >> place[1])
    if not networks:
        raise OperatorProblem("expected at least one address or network")
    four = [(shift, known) for (size, shift), known in networks.items() if size == 32]
    six = [(shift, known) for (size, shift), known in networks.items() if size == 128]

    def test(value: bytes) -> Captures | None:
        packed = _packed(value)
        if packed is None:
            return None
        address = int.from_bytes(packed)
        for shift, known in four if len(packed) == 4 else six:
            if address >> shift in known:
                return (value,)
        return None

    return test


def _network(entry: bytes) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    text = entry.decode("utf-8", "surrogateescape").strip()
    address, slash, prefix = text.partition("/")
    packed = _packed(address.encode("utf-8", "surrogateescape"))
    plain = not slash or (prefix.isascii() and prefix.isdigit() and len(prefix) <= 3)
    if packed is None or not plain:
        raise OperatorProblem(
            f"expected an address or a network such as 10.0.0.0/8, found {text!r}"
        )
    bits = len(packed) * 8
    length = int(prefix) if slash else bits
    if len(packed) == 4 and ":" in address and slash:
        length -= 96  # of IPv4 written within IPv6
    if not 0 <= length <= bits:
        raise OperatorProblem(f"expected a prefix of at most {bits} bits, found {text!r}")
    return ipaddress.ip_network((packed, length), strict=False)


def _packed(value: bytes) -> bytes | None:
    if len(value) > _LONGEST:
        return None
    try:
        text = value.decode("ascii")
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed
