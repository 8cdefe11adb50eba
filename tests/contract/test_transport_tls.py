"""TLS over both transports, with real clients: who gets in, by which TLS, before and after."""

import asyncio
import contextlib
import datetime
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import grpc
import pytest
from cryptography import x509

from callout.serve.address import parse
from callout.serve.certificates import Certificates
from callout.serve.own import OwnServer
from callout.serve.tls import ServerTls
from callout.testing import tools
from tests.attacks.key_changer import KeyChanger
from tests.contract.certificates import Authority, Pair
from tests.contract.conftest import LOOPBACK, Running, Start, unary

LOCAL = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
GATEWAY = "spiffe://mesh/ns/edge/sa/gateway"
URI = x509.UniformResourceIdentifier
OWN = pytest.mark.parametrize("transport", ["own"])
"""What grpcio has no way to do; its module says so."""
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "other")


def mutual(authority: Authority, *names: str) -> ServerTls:
    server = authority.issue("server", LOCAL)
    return ServerTls(server.cert, server.key, authority.cert, names)


def contents(tls: ServerTls, **changes: bytes) -> Certificates:
    found = {"cert": tls.cert.read_bytes(), "key": tls.key.read_bytes()}
    if tls.client_ca is not None:
        found["client_ca"] = tls.client_ca.read_bytes()
    return Certificates(**{**found, **changes})


def secure(running: Running, authority: Authority, pair: Pair | None = None) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(
        authority.cert.read_bytes(),
        pair.key_bytes if pair else None,
        pair.cert_bytes if pair else None,
    )
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(running.target, credentials, options=options)


async def admitted(running: Running, channel: grpc.aio.Channel) -> None:
    async with channel:
        assert await unary(channel, "Echo")(b"hello", timeout=10) == b"hello"


async def refused(running: Running, channel: grpc.aio.Channel) -> None:
    seen = len(running.behaviour.calls)
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, "Echo")(b"hello", timeout=10)
    assert caught.value.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNAUTHENTICATED,
    )
    assert len(running.behaviour.calls) == seen


def trusting(authority: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.cert))
    if pair is not None:
        context.load_cert_chain(pair.cert, pair.key)
    context.set_alpn_protocols(["h2"])
    return context


async def handshake(
    running: Running,
    context: ssl.SSLContext,
    session: ssl.SSLSession | None = None,
    target: str = "",
) -> ssl.SSLSocket | None:
    """A blocking client's connection, once the server has spoken; None: it was refused."""

    def connect() -> ssl.SSLSocket | None:
        address = parse(target or running.target)
        plain = socket.create_connection((address.host, address.port), timeout=10)
        try:
            wrapped = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
        except (OSError, ssl.SSLError):
            plain.close()
            return None
        try:
            wrapped.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            if wrapped.recv(9):
                return wrapped
        except (OSError, ssl.SSLError):
            pass
        wrapped.close()
        return None

    return await asyncio.to_thread(connect)


async def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        await asyncio.sleep(0.02)


# Versions and ciphers.


async def test_tls_is_served_to_everyone_when_no_client_authority_is_named(
    start: Start, authority: Authority
) -> None:
    server = authority.issue("server", LOCAL)
    running = await start(tls=ServerTls(server.cert, server.key))
    async with secure(running, authority) as channel:
        assert await unary(channel, "Echo")(b"hello", timeout=5) == b"hello"
        assert len(await unary(channel, "Echo")(bytes(1 << 20), timeout=5)) == 1 << 20


@pytest.mark.parametrize("version", VERSIONS)
async def test_tls_1_2_and_1_3_are_spoken_with_h2(
    start: Start, authority: Authority, version: str
) -> None:
    running = await start(tls=mutual(authority))
    client = trusting(authority, authority.issue("client"))
    client.minimum_version = client.maximum_version = VERSIONS[version]
    connected = await handshake(running, client)
    assert connected is not None
    with connected:
        assert connected.version() == f"TLSv{version}"
        assert connected.selected_alpn_protocol() == "h2"
        cipher = connected.cipher()
        assert cipher is not None
        assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


@pytest.mark.parametrize(
    "ciphers", ["AES128-GCM-SHA256", "ECDHE+AES128:!AESGCM:!AESCCM", "DHE-RSA-AES128-GCM-SHA256"]
)
async def test_ciphers_of_tls_1_2_without_secrecy_or_authentication_are_refused(
    start: Start, authority: Authority, ciphers: str
) -> None:
    running = await start(tls=mutual(authority))
    client = trusting(authority, authority.issue("client"))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await handshake(running, client) is not None
    client.set_ciphers(ciphers)
    assert await handshake(running, client) is None


async def test_tls_1_1_is_refused(start: Start, authority: Authority) -> None:
    running = await start(tls=mutual(authority))
    client = trusting(authority, authority.issue("client"))
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    assert await handshake(running, client) is None


async def test_a_client_without_h2_is_refused(start: Start, authority: Authority) -> None:
    running = await start(tls=mutual(authority))
    client = trusting(authority, authority.issue("client"))
    client.set_alpn_protocols(["http/1.1"])
    assert await handshake(running, client) is None
    silent = ssl.create_default_context(cafile=str(authority.cert))
    pair = authority.issue("client")
    silent.load_cert_chain(pair.cert, pair.key)
    assert await handshake(running, silent) is None
    if isinstance(running.server, OwnServer):
        await eventually(lambda: running.counters.closed == {"alpn": 2})


async def test_tls_1_2_is_refused_when_1_3_is_wanted(
    start: Start, authority: Authority, transport: str
) -> None:
    pair = authority.issue("server", LOCAL)
    tls = ServerTls(pair.cert, pair.key, min_version="1.3")
    if transport == "grpcio":
        with pytest.raises(ValueError, match="min_version"):
            await start(tls=tls)
        return
    running = await start(tls=tls)
    client = trusting(authority)
    assert await handshake(running, client) is not None
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await handshake(running, client) is None
    assert running.counters.closed["tls_version"] == 1


# Who gets in.


async def test_a_client_certificate_of_the_named_authority_is_required(
    start: Start, authority: Authority, other: Authority
) -> None:
    running = await start(tls=mutual(authority))
    stranger = other.issue("client", x509.DNSName("client"))
    ended = authority.issue("ended", ends=-datetime.timedelta(minutes=1))

    await refused(running, secure(running, authority))
    await refused(running, secure(running, authority, stranger))
    await refused(running, secure(running, authority, ended))
    await refused(running, running.channel())
    await admitted(running, secure(running, authority, authority.issue("client")))
    if isinstance(running.server, OwnServer):
        closed = running.counters.closed
        assert closed["tls_no_certificate"] >= 1
        assert closed["tls_certificate"] >= 2


async def test_a_client_without_a_certificate_comes_in_where_it_is_optional(
    start: Start, authority: Authority, other: Authority, transport: str
) -> None:
    pair = authority.issue("server", LOCAL)
    tls = ServerTls(pair.cert, pair.key, authority.cert, client="optional")
    if transport == "grpcio":
        with pytest.raises(ValueError, match="optional"):
            await start(tls=tls)
        return
    running = await start(tls=tls)
    await admitted(running, secure(running, authority))
    await admitted(running, secure(running, authority, authority.issue("client")))
    await refused(running, secure(running, authority, other.issue("client")))


@OWN
async def test_without_a_certificate_a_client_has_none_of_the_names(
    start: Start, authority: Authority
) -> None:
    pair = authority.issue("server", LOCAL)
    tls = ServerTls(pair.cert, pair.key, authority.cert, (GATEWAY,), "optional")
    running = await start(tls=tls)
    await refused(running, secure(running, authority))
    await admitted(running, secure(running, authority, authority.issue("client", URI(GATEWAY))))
    assert running.counters.closed["client_san"] >= 1


async def test_a_certificate_without_an_allowed_name_is_refused(
    start: Start, authority: Authority
) -> None:
    names = (GATEWAY, "gateway.example", "spiffe://mesh/ns/*/sa/sidecar")
    running = await start(tls=mutual(authority, *names))
    allowed = [
        authority.issue("a", x509.DNSName("other.example"), URI(GATEWAY)),
        authority.issue("b", x509.DNSName("gateway.example")),
        authority.issue("c", URI("spiffe://mesh/ns/shop/sa/sidecar")),
    ]
    others = [
        authority.issue("d", URI(GATEWAY + "2")),
        authority.issue("e", x509.DNSName("www.gateway.example")),
        authority.issue("gateway.example"),
        authority.issue("f", URI("gateway.example")),
        authority.issue("g", URI("spiffe://mesh/other"), URI(GATEWAY)),
        authority.issue("h", URI("spiffe://mesh/ns/a/b/sa/sidecar")),
        authority.issue("i", x509.DNSName("*.example")),
        authority.issue("j", URI(GATEWAY + "\0.evil.example")),
        authority.issue("k", x509.DNSName("gateway.example\0.evil.example")),
    ]

    for pair in others:
        await refused(running, secure(running, authority, pair))
    for pair in allowed:
        await admitted(running, secure(running, authority, pair))
    counted = running.counters.closed.get("client_san", 0) or running.counters.refused["client_san"]
    assert counted >= len(others)


# Changes of keys.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
SETTLED = bytes(3) + b"\x04\x01" + bytes(4)
PING = b"\0\0\x08\x06" + bytes(5) + b"key-ping"


@OWN
async def test_a_client_that_changes_keys_all_the_time_is_cut_off_and_holds_up_nobody(
    start: Start, authority: Authority
) -> None:
    """OpenSSL would go on for as long as there are more: others waited for 20 seconds."""
    server = authority.issue("server", LOCAL)
    running = await start(tls=ServerTls(server.cert, server.key))

    def attack() -> int:
        with contextlib.closing(KeyChanger(running.target)) as client:
            client.write(PREFACE + SETTLED)
            assert client.change_keys(20) == 20
            client.write(PING)
            client.wait_for(b"key-ping")
            return client.change_keys(1_000_000)

    attacking = asyncio.create_task(asyncio.to_thread(attack))
    longest = 0.0
    while not attacking.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - before)
    assert await attacking < 1_000_000
    await eventually(lambda: running.counters.closed == {"tls_key_updates": 1})
    assert longest < 2  # 0.03, where nobody else uses the processor


# The files.


async def test_a_broken_certificate_fails_the_start(start: Start, authority: Authority) -> None:
    server, another = authority.issue("server", LOCAL), authority.issue("other", LOCAL)

    with pytest.raises(OSError, match=r"tls\.key: .*other\.key: it does not fit the certificate"):
        await start(tls=ServerTls(server.cert, another.key))
    with pytest.raises(FileNotFoundError, match=r"tls\.cert: .*no\.crt"):
        await start(tls=ServerTls(authority.cert.parent / "no.crt", server.key))


async def test_new_certificates_are_shown_to_new_connections_and_old_ones_stay(
    start: Start, authority: Authority, other: Authority
) -> None:
    server = authority.issue("server", LOCAL)
    running = await start(tls=ServerTls(server.cert, server.key))
    replacement = other.issue("server", LOCAL)
    async with secure(running, authority) as before:
        assert await unary(before, "Echo")(b"hello", timeout=5) == b"hello"
        running.server.renew(Certificates(replacement.cert_bytes, replacement.key_bytes))
        await admitted(running, secure(running, other))
        await refused(running, secure(running, authority))
        assert await unary(before, "Echo")(b"hello", timeout=5) == b"hello"
    assert running.counters.closed.get("client_ca", 0) == 0


async def test_new_certificates_are_shown_at_every_address(
    start: Start, authority: Authority
) -> None:
    tls = mutual(authority)
    running = await start(LOOPBACK, LOOPBACK, tls=tls)
    client, other = trusting(authority, authority.issue("client")), authority.issue("other", LOCAL)
    for pair in (Pair(tls.cert, tls.key), other):
        if pair is other:
            running.server.renew(contents(tls, cert=pair.cert_bytes, key=pair.key_bytes))
        for target in running.server.addresses:
            connected = await handshake(running, client, target=target)
            assert connected is not None
            with connected:
                shown = connected.getpeercert(binary_form=True)
            assert shown == ssl.PEM_cert_to_DER_cert(pair.cert_bytes.decode())


async def test_what_cannot_be_used_leaves_the_former_in_use(
    start: Start, authority: Authority
) -> None:
    tls = mutual(authority)
    running = await start(tls=tls)
    for changes in ({"key": authority.issue("x").key_bytes}, {"cert": b""}, {"client_ca": b""}):
        with pytest.raises(OSError):  # of any kind
            running.server.renew(contents(tls, **changes))
    await admitted(running, secure(running, authority, authority.issue("client")))


async def test_no_handshake_fails_while_certificates_are_replaced(
    start: Start, authority: Authority
) -> None:
    tls = mutual(authority)
    running = await start(tls=tls)
    client = trusting(authority, authority.issue("client"))
    made = failed = 0
    stopping = False

    async def connect_all_the_time() -> None:
        nonlocal made, failed
        while not stopping:
            connected = await handshake(running, client)
            made += connected is not None
            failed += connected is None
            if connected is not None:
                connected.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(connect_all_the_time())
        for number in range(20):
            pair = authority.issue(f"server{number}", LOCAL)
            running.server.renew(contents(tls, cert=pair.cert_bytes, key=pair.key_bytes))
            await asyncio.sleep(0.05)
        stopping = True
    assert failed == 0
    assert made > 20


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_removed_authority_lets_nobody_in_not_even_by_a_session_of_before(
    start: Start, authority: Authority, other: Authority, version: str
) -> None:
    tls = mutual(authority)
    both = authority.cert_bytes + other.cert_bytes
    running = await start(tls=tls, certificates=contents(tls, client_ca=both))
    client = trusting(authority, other.issue("client"))
    client.minimum_version = client.maximum_version = VERSIONS[version]
    connected = await handshake(running, client)
    assert connected is not None
    with connected:
        session = connected.session
        assert session is not None

    resumed = await handshake(running, client, session)
    assert resumed is not None
    resumed.close()
    running.server.renew(contents(tls))

    assert await handshake(running, client, session) is None
    assert await handshake(running, client) is None
    await admitted(running, secure(running, authority, authority.issue("client")))


@OWN
async def test_who_came_by_a_removed_authority_is_asked_to_go_and_others_come_back(
    start: Start, authority: Authority, other: Authority
) -> None:
    tls = mutual(authority)
    both = authority.cert_bytes + other.cert_bytes
    running = await start(tls=tls, certificates=contents(tls, client_ca=both))
    async with (
        secure(running, authority, authority.issue("client")) as stays,
        secure(running, authority, other.issue("client")) as goes,
    ):
        for channel in (stays, goes):
            assert await unary(channel, "Echo")(b"hello", timeout=5) == b"hello"
        waiting = asyncio.ensure_future(unary(stays, "Wait")(b"late", timeout=10))
        await asyncio.wait_for(running.behaviour.started.wait(), 5)
        running.server.renew(contents(tls))
        await eventually(lambda: running.counters.open_connections == 1)

        assert await unary(stays, "Echo")(b"hello", timeout=5) == b"hello"
        with pytest.raises(grpc.aio.AioRpcError):
            await unary(goes, "Echo")(b"hello", timeout=5)
        running.behaviour.release.set()
        assert await waiting == b"late"
    assert running.counters.closed["client_ca"] == 2


@OWN
async def test_a_handshake_that_began_before_the_authority_was_removed_brings_no_stay(
    start: Start, authority: Authority, other: Authority
) -> None:
    tls = mutual(authority)
    both = authority.cert_bytes + other.cert_bytes
    running = await start(tls=tls, certificates=contents(tls, client_ca=both))
    async with half_way(running, trusting(authority, other.issue("client"))) as finish:
        running.server.renew(contents(tls))
        await finish()
        await eventually(lambda: running.counters.closed.get("client_ca") == 1)
        await eventually(lambda: running.counters.open_connections == 0)


@contextlib.asynccontextmanager
async def half_way(
    running: Running, context: ssl.SSLContext
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A client that has got the server's half of the handshake, and sends its own when told."""
    address = parse(running.target)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    writer.write(outgoing.read())
    while True:
        incoming.write(await reader.read(65536))
        try:
            session.do_handshake()
            break
        except ssl.SSLWantReadError:
            continue

    async def finish() -> None:
        writer.write(outgoing.read())
        await writer.drain()

    try:
        yield finish
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


# Hostile peers.

ATTACKS: dict[str, tuple[bytes, str]] = {
    "rubbish": (b"\xff" * 500, "not_tls"),
    "http/1": (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "not_tls"),
    "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not_tls"),
    "a record of rubbish": (b"\x16\x03\x01\x00\x10" + b"\xff" * 16, "tls_handshake"),
    "a record that is too long": (b"\x16\x03\x01\xff\xff" + b"\x01" * 600, "tls_handshake"),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_is_no_handshake_is_closed_and_counted(
    start: Start, authority: Authority, transport: Literal["own", "grpcio"], attack: str
) -> None:
    sent, word = ATTACKS[attack]
    running = await start(tls=mutual(authority))
    address = parse(running.target)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(sent)
    with contextlib.suppress(ConnectionError):
        while await asyncio.wait_for(reader.read(4096), 5):
            pass
    writer.close()
    if transport == "own":
        await eventually(lambda: running.counters.closed == {word: 1})
    await admitted(running, secure(running, authority, authority.issue("client")))


async def test_tls_towards_a_plain_port_is_closed(start: Start, authority: Authority) -> None:
    running = await start()
    assert await handshake(running, trusting(authority)) is None
    async with running.channel() as channel:
        assert await unary(channel, "Echo")(b"hello", timeout=5) == b"hello"


async def test_a_huge_client_chain_is_refused(start: Start, authority: Authority) -> None:
    running = await start(tls=mutual(authority))
    huge = authority.issue("huge", filler=200_000)
    assert await handshake(running, trusting(authority, huge)) is None
    if isinstance(running.server, OwnServer):
        await eventually(lambda: running.counters.closed == {"tls_too_large": 1})
    await admitted(running, secure(running, authority, authority.issue("client")))


async def test_a_renegotiation_is_refused(start: Start, authority: Authority) -> None:
    openssl = tools.require("openssl")
    tls = mutual(authority)
    running = await start(tls=tls)
    client = authority.issue("client")
    arguments = ["s_client", "-connect", running.target, "-tls1_2", "-alpn", "h2"]
    arguments += ["-cert", str(client.cert), "-key", str(client.key)]
    process = await asyncio.create_subprocess_exec(
        str(openssl),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    # Its report ends with this line, and then it reads commands.
    said = await asyncio.wait_for(process.stdout.readuntil(b"Extended master secret"), 10)
    assert b"Verify return code" in said
    process.stdin.write(b"R\n")
    said = await asyncio.wait_for(process.stdout.read(), 10)
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said or b"unexpected eof" in said
    assert await process.wait() != 0
    await admitted(running, secure(running, authority, client))


async def test_handshakes_that_never_finish_are_cut_off_and_keep_nobody_waiting(
    start: Start, authority: Authority
) -> None:
    running = await start(tls=mutual(authority), handshake=1.0)
    address = parse(running.target)
    stuck = [await asyncio.open_connection(address.host, address.port) for _ in range(50)]
    for _, writer in stuck[:25]:
        writer.write(b"\x16\x03\x01")
    await admitted(running, secure(running, authority, authority.issue("client")))

    async def ended(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass

    await asyncio.wait_for(asyncio.gather(*(ended(reader) for reader, _ in stuck)), 20)
    for _, writer in stuck:
        writer.close()


@OWN
async def test_failed_handshakes_are_logged_by_peer_and_reason_at_a_bounded_rate(
    start: Start,
    authority: Authority,
    other: Authority,
    capsys: pytest.CaptureFixture[str],
) -> None:
    running = await start(tls=mutual(authority))
    without = trusting(authority)
    stranger = trusting(authority, other.issue("stranger", x509.DNSName("stranger.example")))
    started = time.monotonic()
    for _ in range(20):
        assert await handshake(running, without) is None
        assert await handshake(running, stranger) is None
    seconds = time.monotonic() - started
    assert running.counters.closed == {"tls_no_certificate": 20, "tls_certificate": 20}
    said = capsys.readouterr().out
    lines = [each for each in said.splitlines() if "a TLS handshake failed" in each]
    for word in ("tls_no_certificate", "tls_certificate"):
        of_word = [each for each in lines if f"reason={word} " in each]
        assert 1 <= len(of_word) <= 2 + seconds
        assert all(re.search(r"peer=127\.0\.0\.1:[0-9]+ ", each) for each in of_word)
    assert "stranger" not in said
    assert "ca of" not in said
