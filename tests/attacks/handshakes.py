"""An attacker of TLS, a process of its own: `python -m tests.attacks.handshakes ADDRESS`.

It does as `attacker` does, in all these ways at once.
"""

import asyncio
import contextlib
import ssl
import sys
from functools import partial
from typing import Final

from tests.attacks.attacker import run
from tests.attacks.key_changer import KeyChanger

RUBBISH: Final = 20
SILENT: Final = 40
FINISHING: Final = 8
CHANGING: Final = 3
"""Connections of each kind; those that change keys are threads, of which asyncio has no more."""
IN_A_ROW: Final = 25
"""Handshakes that are finished without a moment in between."""
CHANGES: Final = 10_000
"""Of keys; the server allows thirty."""


def careless() -> ssl.SSLContext:
    """Of a client that trusts whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def hello() -> bytes:
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        careless().wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


async def _say(host: str, port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(sent)
        while await reader.read(1 << 16):
            pass
    finally:
        writer.transport.abort()


async def _finish(host: str, port: int, context: ssl.SSLContext) -> None:
    for _ in range(IN_A_ROW):
        _, writer = await asyncio.open_connection(host, port, ssl=context)
        writer.transport.abort()


async def _change_keys(address: str) -> None:
    def change() -> None:
        with contextlib.closing(KeyChanger(address)) as client:
            client.change_keys(CHANGES)

    await asyncio.to_thread(change)


def main(address: str) -> None:
    """One attacker."""
    host, _, digits = address.rpartition(":")
    port = int(digits)
    run(
        [partial(_say, host, port, b"\xff" * 500)] * RUBBISH
        + [partial(_say, host, port, hello())] * SILENT
        + [partial(_finish, host, port, careless())] * FINISHING
        + [partial(_change_keys, address)] * CHANGING
    )


if __name__ == "__main__":
    main(sys.argv[1])
