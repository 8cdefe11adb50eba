"""The sockets that a service listens on, and which worker gets which."""

import os
import socket
from collections.abc import Sequence
from typing import Literal

from callout.serve.address import Address, bind

Spread = Literal["kernel", "addresses"]


def places(
    address: Address,
    workers: int,
    *,
    reuse_port: bool,
    spread: Spread = "kernel",
    inherited: Sequence[socket.socket] = (),
) -> list[list[socket.socket]]:
    """One list of sockets for each worker.

    With `kernel` and SO_REUSEPORT the kernel spreads connections over one socket a worker; a Unix
    socket has no such thing, and all workers accept from the same one. With `addresses` each
    worker has its own: ports that follow each other, or paths with a number at the end.

    Args:
        address: as it is set.
        workers: how many.
        reuse_port: whether the port is shared with others of ours.
        spread: see above.
        inherited: sockets of a service that was set up for the same address and spread. Each of
            them goes to some worker: connections may wait in its queue.

    Raises:
        OSError: Somebody else has the address, or there is none such.
    """
    if spread == "addresses":
        own = list(inherited[:workers])
        own += [
            bind(_own_address(address, index), reuse_port=reuse_port)
            for index in range(len(own), workers)
        ]
        return [[own[index], *inherited[index + workers :: workers]] for index in range(workers)]
    shares = reuse_port and not address.path
    if not inherited:
        inherited = _first(address, shares)
    if not shares or not inherited[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        if len(inherited) < workers:
            return [[inherited[index % len(inherited)]] for index in range(workers)]
        return [list(inherited[index::workers]) for index in range(workers)]
    host, port = inherited[0].getsockname()[:2]
    more = [
        bind(Address(host=host, port=port), reuse_port=True)
        for _ in range(workers - len(inherited))
    ]
    every = [*inherited, *more]
    return [every[index::workers] for index in range(workers)]


def _first(address: Address, shares: bool) -> list[socket.socket]:
    if not shares:
        return [bind(address)]
    # First alone: the kernel would let us share the port of a service that was forgotten here,
    # and half of all connections would be decided by its bundle.
    with bind(address) as alone:
        host, port = alone.getsockname()[:2]
    return [bind(Address(host=host, port=port), reuse_port=True)]


def _own_address(address: Address, index: int) -> Address:
    if address.path:
        return Address(path=f"{address.path}.{index}")
    return Address(host=address.host, port=address.port + index if address.port else 0)


def inherit(descriptor: int) -> socket.socket:
    """The socket behind a descriptor that another process gave us; not for children of ours."""
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def free_address(preferred: Sequence[Address]) -> socket.socket:
    """Binds the first address that nobody else has.

    Raises:
        OSError: All are taken.
    """
    for address in preferred[:-1]:
        try:
            return bind(address)
        except OSError:
            continue
    return bind(preferred[-1])
