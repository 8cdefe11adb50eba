"""Ports that nothing listens on."""

import random
import socket

_FIRST, _LAST = 10_240, 32_000
"""Below the range from which Linux takes the local ports of outgoing connections (32768 and up):
between our look and the server's bind, no client's connection can take the port."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that can be bound now.

    For programs that cannot be told to choose one themselves; others should bind port 0.
    """
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - only has to be unlikely to collide
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found in 1000 attempts")
