"""The sockets that a service listens on, and which worker gets which."""

import socket
from collections.abc import Sequence

from callout.serve.address import Address, bind


def places(address: Address, workers: int, *, reuse_port: bool) -> list[list[socket.socket]]:
    """One list of sockets for each worker.

    With SO_REUSEPORT the kernel spreads connections over one socket a worker; a Unix socket has
    no such thing, and all workers accept from the same one.

    Raises:
        OSError: Somebody else has the address, or there is none such.
    """
    if address.path or not reuse_port:
        shared = bind(address)
        return [[shared] for _ in range(workers)]
    # First alone: the kernel would let us share the port of a service that was forgotten here,
    # and half of all connections would be decided by its bundle.
    with bind(address) as alone:
        host, port = alone.getsockname()[:2]
    first = bind(Address(host=host, port=port), reuse_port=True)
    others = [bind(Address(host=host, port=port), reuse_port=True) for _ in range(workers - 1)]
    return [[each] for each in (first, *others)]


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
