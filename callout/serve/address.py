"""Where to listen: `host:port` or `unix:/path`."""

import contextlib
import os
import socket
import stat
from dataclasses import dataclass

BACKLOG = 1024
"""Connections that may wait to be accepted; a restart of all gateways at once fits in."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address, or the path of a Unix socket."""

    host: str = ""
    """Name or number; empty for a Unix socket."""
    port: int = 0
    """0: any free one."""
    path: str = ""
    """Of a Unix socket; empty for TCP."""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> Address:
    """Read `host:port`, `[ipv6]:port` or `unix:/path`.

    Raises:
        ValueError: it is none of them; the message says what was expected.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"expected unix:/path with an absolute path, found {text!r}")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"expected an IPv6 address in brackets, [::1]:9000, found {text!r}")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"expected host:port or unix:/path, found {text!r}")
    return Address(host=host, port=int(port))


def bind(address: Address, *, reuse_port: bool = False) -> socket.socket:
    """Make a socket that is bound but does not listen yet.

    Args:
        address: where; a Unix socket that a dead process left behind is replaced.
        reuse_port: let several sockets share the TCP port; the kernel spreads connections.

    Raises:
        OSError: the address is in use, not ours, or does not resolve.
    """
    if address.path:
        _remove_stale(address.path)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            unix.bind(address.path)
        except OSError:
            unix.close()
            raise
        return unix
    family, kind, proto, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    tcp = socket.socket(family, kind, proto)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        tcp.bind(where)
    except OSError:
        tcp.close()
        raise
    return tcp


def address_of(bound: socket.socket) -> Address:
    """The address that a socket is bound to."""
    name = bound.getsockname()
    if bound.family == socket.AF_UNIX:
        return Address(path=os.fsdecode(name))
    return Address(host=name[0], port=name[1])


def peer_text(name: object) -> str:
    """A peer's address as text: `127.0.0.1:40312`, `[::1]:40312`; `unix:` has no name."""
    if isinstance(name, tuple) and len(name) >= 2:
        return str(Address(host=str(name[0]), port=int(name[1])))
    return "unix:"


def remove_socket(path: str) -> None:
    """Remove a Unix socket's file, if it is still there and still a socket."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)


def _remove_stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a server whose queue is full would let us wait
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            remove_socket(path)
        except OSError:
            pass  # nothing there, or nothing of ours: `bind` will say
