"""What a server is, whichever transport it has, and the one way to start it."""

import socket
from collections.abc import Sequence
from typing import Protocol

from callout.grpc.call import Face
from callout.grpc.methods import Methods
from callout.grpc.reflection import reflection_faces
from callout.serve.address import Address, bind, remove_socket
from callout.serve.certificates import Certificates
from callout.serve.grpcio import GrpcioServer
from callout.serve.live import LiveConnection
from callout.serve.options import ServeOptions
from callout.serve.own import OwnServer


class Server(Protocol):
    """A server that runs."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens: `127.0.0.1:9000`, `unix:/run/gatewright.sock`; in the order given."""
        ...

    def renew(self, certificates: Certificates) -> None:
        """Use these for TLS connections that come from now on; OSError: they cannot be used."""
        ...

    async def live(self, most: int) -> tuple[list[LiveConnection], int] | None:
        """At most `most` open connections, and how many there are; None: it cannot say."""
        ...

    async def drain(self, seconds: float, succeeded: bool = False) -> None:
        """Say NOT_SERVING, send GOAWAY, let calls end for at most `seconds`, and close.

        If another process has succeeded this one at its address, health goes on to say SERVING.
        """
        ...

    async def close(self) -> None:
        """Stop at once."""
        ...


async def serve(
    faces: Sequence[Face],
    listen: Sequence[Address | socket.socket],
    options: ServeOptions,
) -> Server:
    """Answer `faces`, health checks and, if wanted, reflection.

    Args:
        faces: what to answer.
        listen: addresses to bind, or sockets that are bound already (owned by the server from
            now on). grpcio binds for itself: there a socket must not listen yet, and reserves
            its address by SO_REUSEPORT.
        options: how.

    Raises:
        ValueError: two faces have a method in common, or a method is not under its service.
        OSError: an address cannot be bound, or a TLS file cannot be read.
    """
    board = options.health
    served = [*faces, board.face()]
    if options.reflection:
        served += reflection_faces([each.service for each in served])
    methods = Methods(served)
    for face in faces:
        board.add(face)
    transport = GrpcioServer if options.transport == "grpcio" else OwnServer
    server = transport(methods, options)
    sockets: list[socket.socket] = []
    paths: list[str] = []
    try:
        for each in listen:
            if isinstance(each, socket.socket):
                sockets.append(each)
                continue
            # grpcio binds the same address again, next to this reservation.
            shared = options.reuse_port or options.transport == "grpcio"
            sockets.append(bind(each, reuse_port=shared))
            if each.path:
                paths.append(each.path)
        await server.start(sockets, paths)
    except BaseException:
        for opened in sockets:
            opened.close()
        for path in paths:
            remove_socket(path)
        raise
    return server
