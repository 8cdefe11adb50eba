"""Who was let in just before a drain began believes to be connected, and is answered."""

import asyncio
import socket

from callout.grpc.call import Call, Face, Reply, Unary
from callout.serve.address import Address
from callout.serve.options import ServeOptions
from callout.serve.own import OwnServer
from callout.serve.server import serve
from tests.load import payloads
from tests.reliability.soak.connections import answer, request

CLIENTS = 6


async def test_connections_that_were_taken_and_have_not_begun_are_served_in_a_drain() -> None:
    decided = 0

    def check(_message: bytes, _call: Call) -> Reply:
        nonlocal decided
        decided += 1
        return b"decided"

    face = Face("authz", payloads.CHECK.split("/")[1], (Unary(payloads.CHECK, check),))
    server = await serve([face], [Address("127.0.0.1", 0)], ServeOptions())
    assert isinstance(server, OwnServer)
    host, _, port = server.addresses[0].rpartition(":")
    clients = [socket.create_connection((host, int(port))) for _ in range(CLIENTS)]
    # In one go, as on a busy machine: the loop has taken them, and is told to drain.
    server._listeners[0]._ready()
    draining = asyncio.create_task(server.drain(10.0))
    await asyncio.sleep(0.05)

    for client in clients:
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(request())
        await asyncio.wait_for(answer(reader), 5)
        writer.close()

    await asyncio.wait_for(draining, 10)
    assert decided == CLIENTS
