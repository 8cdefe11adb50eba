"""The client against a real management server over TLS with client certificates."""

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from ratelimit.xds.backoff import Backoff
from ratelimit.xds.client import XdsClient
from ratelimit.xds.config_proto import TYPE_URL, RateLimitConfig
from ratelimit.xds.files import Resource
from ratelimit.xds.options import XdsOptions, XdsTls
from tests.contract.certificates import Authority
from tests.ratelimit.xds.ads_server import AdsServer

HOST = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
NAME = x509.DNSName("ads.example")
SOON = Backoff(first=0.05, longest=0.2)


def resource(domain: str, value: str = "") -> Resource:
    config = RateLimitConfig(name=domain, domain=domain, descriptors=[{"key": "k", "value": value}])
    return Resource(TYPE_URL, config.SerializeToString())


class World:
    """A server with its authorities, and who may come."""

    def __init__(self, folder: Path, name: x509.GeneralName = HOST) -> None:
        self.servers, self.clients = Authority(folder / "servers"), Authority(folder / "clients")
        pair = self.servers.issue("ads", name)
        credentials = grpc.ssl_server_credentials(
            [(pair.key_bytes, pair.cert_bytes)], self.clients.cert_bytes, require_client_auth=True
        )
        self.ads = AdsServer(credentials).start()
        ours = self.clients.issue("gatewright")
        self.tls = XdsTls(self.servers.cert, ours.cert, ours.key)
        self.options = XdsOptions(self.ads.address, "node-1", self.tls, 1 << 20, SOON, hold=0.2)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.ads.stop()


class Uses:
    """Takes everything but what has `bad` in it."""

    def __init__(self) -> None:
        self.used: list[list[Resource]] = []
        self.refused = 0

    async def __call__(self, resources: Sequence[Resource]) -> str | None:
        if any(b"bad" in each.value for each in resources):
            self.refused += 1
            return "one is bad"
        self.used.append(list(resources))
        return None


@contextlib.asynccontextmanager
async def following(options: XdsOptions, uses: Uses) -> AsyncIterator[XdsClient]:
    client = XdsClient(options, uses)
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what it waits for is told by threads
            await asyncio.sleep(0.02)


async def test_the_first_configuration_and_each_update_are_used_and_acknowledged(
    world: World,
) -> None:
    ads, uses = world.ads, Uses()
    ads.put(resource("one"), resource("two"))
    async with following(world.options, uses) as client:
        await until(ads.acked)
        assert uses.used == [[resource("one"), resource("two")]]
        ads.put(resource("one", "new"))
        await until(ads.acked)
        assert uses.used[-1] == [resource("one", "new")]
        ads.put()
        await until(ads.acked)
        assert uses.used[-1] == []
        assert (client.counts.accepted, client.counts.refused) == (3, 0)
        assert client.counts.connected
        assert client.counts.last_accepted > 0
    assert {each.node for each in ads.heard} == {"node-1"}
    first, *answers = ads.heard
    assert (first.version, first.nonce) == ("", "")
    assert [(each.version, each.nonce) for each in answers] == [("1", "1"), ("2", "2"), ("3", "3")]


async def test_a_bad_update_is_refused_with_the_reason_and_the_version_before(
    world: World,
) -> None:
    ads, uses = world.ads, Uses()
    ads.put(resource("one"))
    async with following(world.options, uses) as client:
        await until(ads.acked)
        ads.put(resource("one", "bad"))
        await until(ads.nacks)
        nack = next(each for each in ads.heard if each.error)
        assert (nack.version, nack.error) == ("1", "one is bad")
        ads.put(resource("one", "good"))
        await until(ads.acked)
        assert client.counts.refused == uses.refused
    assert uses.used == [[resource("one")], [resource("one", "good")]]


async def test_what_is_sent_again_though_refused_does_not_fill_the_wire(world: World) -> None:
    ads, uses = world.ads, Uses()
    ads.put(resource("one", "bad"))
    started = time.monotonic()
    async with following(replace(world.options, hold=0.5), uses):
        await until(lambda: len(ads.nacks()) >= 3)
    # The first at once, then one each half second; at the wire's speed it would be milliseconds.
    assert time.monotonic() - started >= 1.0
    assert len(ads.nacks()) <= 1 + (time.monotonic() - started) / 0.5


async def test_a_restarted_server_that_counts_from_one_again_is_heard(world: World) -> None:
    ads, uses = world.ads, Uses()
    ads.put(resource("one"))
    async with following(world.options, uses) as client:
        await until(ads.acked)
        ads.stop()
        await until(lambda: client.counts.streams_ended >= 2)
        assert not client.counts.connected
        ads.put(resource("one", "other"))
        ads.restart()
        await until(lambda: len(uses.used) == 2)
        await until(ads.acked)
    assert uses.used[-1] == [resource("one", "other")]


async def test_a_stream_error_is_followed_by_a_new_stream(world: World) -> None:
    ads, uses = world.ads, Uses()
    ads.put(resource("one"))
    async with following(world.options, uses) as client:
        await until(ads.acked)
        ads.break_streams()
        await until(lambda: ads.streams == 2)
        await until(lambda: len(uses.used) == 2)
        await until(lambda: client.counts.connected)
    assert uses.used[0] == uses.used[1]


async def test_a_response_of_another_type_is_counted_and_not_answered(world: World) -> None:
    ads, uses = world.ads, Uses()
    ads.type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    ads.put(resource("one"))
    async with following(world.options, uses) as client:
        await until(lambda: client.counts.foreign == 1)
        assert [each.nonce for each in ads.heard] == [""]
    assert uses.used == []


async def test_a_response_beyond_the_bound_ends_the_stream_and_uses_nothing(
    world: World,
) -> None:
    ads, uses = world.ads, Uses()
    ads.put(resource("one", "x" * (2 << 20)))
    async with following(world.options, uses) as client:
        await until(lambda: client.counts.streams_ended >= 2)
        ads.put(resource("one"))
        await until(ads.acked)
    assert uses.used == [[resource("one")]]


async def test_a_server_of_another_authority_is_not_asked(world: World, tmp_path: Path) -> None:
    world.ads.put(resource("one"))
    tls = replace(world.tls, ca=Authority(tmp_path / "others").cert)
    await _never_heard(world, replace(world.options, tls=tls))


async def test_without_a_certificate_of_ours_nothing_is_heard(world: World) -> None:
    world.ads.put(resource("one"))
    await _never_heard(world, replace(world.options, tls=replace(world.tls, cert=None, key=None)))


async def test_a_certificate_of_another_authority_is_not_let_in(
    world: World, tmp_path: Path
) -> None:
    world.ads.put(resource("one"))
    pair = Authority(tmp_path / "others").issue("gatewright")
    tls = replace(world.tls, cert=pair.cert, key=pair.key)
    await _never_heard(world, replace(world.options, tls=tls))


async def _never_heard(world: World, options: XdsOptions) -> None:
    uses = Uses()
    async with following(options, uses) as client:
        await until(lambda: client.counts.streams_ended >= 2)
        assert not client.counts.connected
    assert uses.used == []
    assert world.ads.heard == []


async def test_files_that_come_later_are_read_for_the_next_attempt(world: World) -> None:
    world.ads.put(resource("one"))
    cert = world.tls.cert
    assert cert is not None
    kept = cert.read_bytes()
    cert.unlink()
    uses = Uses()
    async with following(world.options, uses) as client:
        await until(lambda: client.counts.streams_ended >= 1)
        cert.write_bytes(kept)
        await until(world.ads.acked)


async def test_the_name_that_is_written_is_the_one_that_counts(tmp_path: Path) -> None:
    world = World(tmp_path, NAME)
    try:
        world.ads.put(resource("one"))
        await _never_heard(world, world.options)
        tls = replace(world.tls, server_name="ads.example")
        async with following(replace(world.options, tls=tls), Uses()):
            await until(world.ads.acked)
    finally:
        world.ads.stop()


async def test_a_failure_of_ours_is_followed_by_another_attempt(world: World) -> None:
    world.ads.put(resource("one"))

    class FailsOnce(Uses):
        failed = False

        async def __call__(self, resources: Sequence[Resource]) -> str | None:
            if not self.failed:
                self.failed = True
                raise MemoryError
            return await super().__call__(resources)

    async with following(world.options, FailsOnce()):
        await until(world.ads.acked)
