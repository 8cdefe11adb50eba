"""The client against a real Redis that is killed, frozen, restarted, locked and behind TLS."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from callout.redis.client import Client, ClientOptions
from callout.redis.connect import Dialer
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Pipeline, pack
from callout.testing.redis import RedisServer
from tests.callout.redis.asking import ask

PATIENT = ClientOptions(timeout=5.0, longest=5.0, connect_timeout=2.0)


@asynccontextmanager
async def started(url: str, options: ClientOptions = PATIENT) -> AsyncIterator[Client]:
    client = Client(url, options)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> float:
    """How long it took."""
    start = time.monotonic()
    while not await condition():
        assert time.monotonic() - start < seconds, "it did not happen in time"
        await asyncio.sleep(0.005)
    return time.monotonic() - start


async def test_replies_come_by_tcp_and_by_unix_socket(redis_server: RedisServer) -> None:
    redis_server.flush()
    async with started(redis_server.url) as tcp, started(redis_server.unix_url) as unix:
        assert tcp.state == unix.state == "closed"
        assert await ask(tcp, pack(b"INCRBY", b"n", b"5")) == [5]
        assert await ask(unix, pack(b"INCR", b"n"), pack(b"GET", b"n")) == [6, b"6"]


async def test_an_error_of_the_server_is_a_reply(redis_server: RedisServer) -> None:
    async with started(redis_server.url) as client:
        (reply,) = await ask(client, pack(b"NOSUCHCOMMAND"))
        assert isinstance(reply, ErrorReply)
        assert client.state == "closed"


async def test_a_thousand_requests_at_once_get_their_own_answers(redis_server: RedisServer) -> None:
    async with started(redis_server.url) as client:
        answers = await asyncio.gather(
            *[ask(client, pack(b"ECHO", b"%d" % n), pack(b"PING")) for n in range(1000)]
        )
    assert answers == [[b"%d" % n, b"PONG"] for n in range(1000)]


async def test_the_url_selects_the_database_and_gives_the_password(tmp_path: Path) -> None:
    with closing(RedisServer(tmp_path, password="s3cret")) as server:
        async with started(f"{server.url}/3") as client:
            assert await ask(client, pack(b"SET", b"here", b"1")) == [b"OK"]
            assert await ask(client, pack(b"DBSIZE")) == [1]
            assert await ask(client, pack(b"SELECT", b"0"), pack(b"DBSIZE")) == [b"OK", 0]


async def test_a_wrong_password_leaves_it_open_and_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with closing(RedisServer(tmp_path, password="s3cret")) as server:
        async with started(f"redis://:wr0ng@127.0.0.1:{server.port}") as client:
            assert client.state == "open"
            outcome = await ask(client, pack(b"PING"))
    assert outcome.reason == "disconnected"
    assert "AuthenticationError" in outcome.detail
    assert "wr0ng" not in caplog.text + outcome.detail


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://127.0.0.1?no_such=1", "127.0.0.1:1"])
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError):
        Client(url)


async def test_nobody_listens_so_start_returns_and_requests_are_refused_at_once(
    free_port: Callable[[], int],
) -> None:
    async with started(f"redis://127.0.0.1:{free_port()}") as client:
        outcome = client.send([pack(b"PING")], None, lambda outcome: outcome)
    assert isinstance(outcome, Unavailable)
    assert outcome.reason == "disconnected"


async def test_a_redis_that_comes_late_is_found(tmp_path: Path) -> None:
    with closing(RedisServer(tmp_path)) as server:
        server.kill()
        async with started(server.url) as client:
            assert client.state == "open"
            server.restart()
            await until(lambda: answers(client), 1.0)


async def answers(client: Client) -> bool:
    return await ask(client, pack(b"PING")) == [b"PONG"]


async def test_a_connection_that_is_lost_as_its_handshake_ends_is_made_anew(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    dials = 0
    dial = Dialer.dial

    async def lost_at_first(dialer: Dialer) -> asyncio.StreamWriter | Unavailable:
        nonlocal dials
        dials += 1
        writer = await dial(dialer)
        if dials == 1 and isinstance(writer, asyncio.StreamWriter):
            writer.transport.abort()
            await writer.wait_closed()
        return writer

    monkeypatch.setattr(Dialer, "dial", lost_at_first)
    async with started(redis_server.url) as client:

        async def connected() -> bool:
            return client.state == "closed"

        await until(connected, 5)
        assert await ask(client, pack(b"ECHO", b"a")) == [b"a"]
    assert dials == 2


async def test_a_killed_redis_opens_the_breaker_and_a_new_one_is_used_within_a_second(
    private_redis: RedisServer,
) -> None:
    async with started(private_redis.url) as client:
        assert await answers(client)
        private_redis.kill()
        await until(lambda: is_open(client), 1.0)
        assert not await answers(client)
        await asyncio.sleep(0.5)  # the waits between attempts grow to their longest
        private_redis.restart()
        await until(lambda: answers(client), 1.0)
        assert client.state == "closed"


async def is_open(client: Client) -> bool:
    return client.state == "open"


async def test_a_frozen_redis_costs_its_deadline_a_few_times_and_then_nothing(
    private_redis: RedisServer,
) -> None:
    async with started(private_redis.url, ClientOptions(connect_timeout=0.3)) as client:
        await until(lambda: answers(client), 5.0)
        private_redis.stop()
        try:
            for _ in range(5):
                began = time.monotonic()
                outcome = await ask(client, pack(b"INCR", b"n"))
                assert outcome == Unavailable("timeout")
                assert 0.015 < time.monotonic() - began < 0.5
            assert client.state == "open"
            at_once = client.send([pack(b"INCR", b"n")], None, lambda outcome: outcome)
            assert isinstance(at_once, Unavailable)
        finally:
            private_redis.cont()
        await until(lambda: answers(client), 1.0)
        # Executed once each, late, and never sent again.
        assert await ask(client, pack(b"GET", b"n")) == [b"5"]


async def test_many_at_once_that_wait_in_vain_all_end_at_their_deadline(
    private_redis: RedisServer,
) -> None:
    async with started(private_redis.url, ClientOptions(backlog=100)) as client:
        await until(lambda: answers(client), 5.0)
        private_redis.stop()
        try:
            deadline = time.monotonic() + 0.05
            outcomes = await asyncio.wait_for(
                asyncio.gather(
                    *[ask(client, pack(b"PING"), deadline=deadline) for _ in range(150)]
                ),
                1.0,
            )
        finally:
            private_redis.cont()
    assert outcomes[:100] == [Unavailable("timeout")] * 100
    assert outcomes[100:] == [Unavailable("backlog")] * 50


async def test_one_that_comes_as_another_expires_does_not_delay_those_between(
    private_redis: RedisServer,
) -> None:
    async with started(private_redis.url) as client:
        await until(lambda: answers(client), 5.0)
        private_redis.stop()
        try:
            loop, began = asyncio.get_running_loop(), time.monotonic()
            waiting: list[Any] = []

            def send(deadline: float) -> None:
                waiting.append(client.send([pack(b"PING")], began + deadline, lambda got: got))

            send(0.05)
            send(0.4)
            loop.call_later(0.06, send, 4.0)
            # Both timers are due at once: the third is sent when the first is known to have
            # waited too long, and has not been settled yet.
            time.sleep(0.1)  # noqa: ASYNC251
            assert await waiting[0] == Unavailable("timeout")
            assert await waiting[1] == Unavailable("timeout")
            assert not waiting[2].done()
        finally:
            private_redis.cont()
        assert await waiting[2] == [b"PONG"]


async def test_a_process_that_was_held_up_itself_does_not_blame_redis(
    private_redis: RedisServer,
) -> None:
    async def connection(client: Client) -> Any:
        return await ask(client, pack(b"CLIENT", b"ID"), deadline=time.monotonic() + 5)

    options = ClientOptions(timeout=0.1, longest=5.0, threshold=2)
    async with started(private_redis.url, options) as client:
        await until(lambda: answers(client), 5.0)
        before = await connection(client)
        waiting = [asyncio.ensure_future(ask(client, pack(b"PING"))) for _ in range(50)]
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251  # a pause of ours, before they were written
        await asyncio.gather(*waiting)
        assert client.state == "closed"
        assert await connection(client) == before


async def test_a_deadline_that_has_passed_sends_nothing(private_redis: RedisServer) -> None:
    async with started(private_redis.url) as client:
        outcome = await ask(client, pack(b"SET", b"k", b"v"), deadline=time.monotonic() - 1)
        assert outcome == Unavailable("deadline")
        assert await ask(client, pack(b"EXISTS", b"k")) == [0]


async def test_callers_without_patience_do_not_open_the_breaker_for_others(
    private_redis: RedisServer,
) -> None:
    async with started(private_redis.url) as client:
        private_redis.stop()
        try:
            for _ in range(20):
                outcome = await ask(client, pack(b"PING"), deadline=time.monotonic() + 0.001)
                assert outcome == Unavailable("timeout")
            assert client.state == "closed"
        finally:
            private_redis.cont()
        assert await answers(client)


async def test_a_server_that_turned_into_a_replica_is_left(private_redis: RedisServer) -> None:
    async with started(private_redis.url) as client:
        assert await ask(client, pack(b"REPLICAOF", b"127.0.0.1", b"1")) == [b"OK"]
        (reply,) = await ask(client, pack(b"INCR", b"n"))
        client.not_serving(reply)
        assert client.state != "closed" or not await answers(client)
        with private_redis.client() as other:
            other.replicaof("NO", "ONE")
        await until(lambda: answers(client), 1.0)
        assert await ask(client, pack(b"INCR", b"n")) == [1]


async def test_closing_settles_what_waits(private_redis: RedisServer) -> None:
    client = Client(private_redis.url, PATIENT)
    await client.start()
    private_redis.stop()
    try:
        waiting = asyncio.ensure_future(ask(client, pack(b"PING")))
        await asyncio.sleep(0.01)
        await client.close()
        assert (await waiting).reason == "disconnected"
        assert (await ask(client, pack(b"PING"))).reason == "closed"
    finally:
        private_redis.cont()


async def test_closing_as_the_probe_is_answered_closes(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(redis_server.url, PATIENT)
    closed: list[asyncio.Task[None]] = []
    received = Pipeline.data_received

    def closing(pipeline: Pipeline, data: bytes) -> None:
        received(pipeline, data)
        closed.append(asyncio.ensure_future(client.close()))

    monkeypatch.setattr(Pipeline, "data_received", closing)
    await client.start()
    done, _ = await asyncio.wait(closed, timeout=5)
    assert done
    assert client.state == "open"


async def test_tls_is_verified_and_batched_like_any_other(
    tmp_path: Path, certificate: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    arguments = ["--tls-port", str(port), "--tls-auth-clients", "no"]
    arguments += ["--tls-cert-file", str(certificate / "cert.pem")]
    arguments += ["--tls-key-file", str(certificate / "key.pem")]
    arguments += ["--tls-ca-cert-file", str(certificate / "cert.pem")]
    with closing(RedisServer(tmp_path, arguments)):
        trusted = f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate / 'cert.pem'}"
        async with started(trusted) as client:
            replies = await asyncio.gather(*[ask(client, pack(b"INCR", b"n")) for _ in range(50)])
            assert replies == [[n] for n in range(1, 51)]
        async with started(f"rediss://127.0.0.1:{port}") as client:
            outcome = await ask(client, pack(b"PING"))
            assert outcome.reason == "disconnected"
            assert "certificate" in outcome.detail.lower()
