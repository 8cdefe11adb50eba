"""A peer behind a network that stalls, drips or breaks, while requests come."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from callout.testing.plugin import StartOpa
from callout.testing.redis import RedisServer
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, write_bundle
from tests.faults import test_opa, test_redis
from tests.faults.conftest import Back
from tests.faults.load import UNHURRIED, Load, slowest
from tests.faults.proxy import Network

AT_ONCE: float = 0.25
"""Seconds: what nothing delays takes a millisecond, what waits for a neighbour a second."""


@pytest.fixture
def started(tmp_path: Path, private_redis: RedisServer) -> Iterator[tuple[Serve, Network]]:
    """A service whose Redis is behind a network."""
    with ExitStack() as running:
        network = running.enter_context(Network(private_redis.address))
        bundle = write_bundle(tmp_path / "bundle", test_redis.BUNDLE)
        flags = ("--redis", f"redis://{network.address}")
        serve = running.enter_context(closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)))
        yield serve, network


@pytest.mark.parametrize("how", ["stalls", "drips", "is cut"])
def test_the_network_to_redis(started: tuple[Serve, Network], how: str, back: Back) -> None:
    serve, network = started
    with Load(serve.grpc, test_redis.QUESTIONS) as load:
        load.until_right(10.0)
        begun = time.monotonic()
        for _ in range(3):
            network.spoil(how, 0.05)
            time.sleep(0.7)
        network.flow()
        back(f"the network to Redis {how}", load.until_right(5.0), 2.0)
    assert not load.wrong_passes()
    assert all(each.right for each in load.outcomes(name="open"))
    assert slowest(load.outcomes(begun, "open")) < load.allowing(AT_ONCE)
    assert max(each.seconds for each in load.outcomes()) < load.allowing(test_redis.ANSWERED)
    assert serve.metric("gatewright_worker_restarts_total") == 0


@pytest.mark.parametrize("how", ["stalls", "drips", "is cut"])
def test_the_network_to_the_opa_server(
    tmp_path: Path, opa_server: StartOpa, how: str, back: Back
) -> None:
    opa = opa_server({"shop.rego": test_opa.REGO})
    bundle = write_bundle(tmp_path / "bundle", test_opa.BUNDLE)
    with ExitStack() as running:
        network = running.enter_context(Network(opa.url.removeprefix("http://")))
        flags = ("--opa", f"http://{network.address}")
        serve = running.enter_context(closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)))
        with Load(serve.grpc, test_opa.QUESTIONS) as load:
            load.until_right(10.0)
            begun = time.monotonic()
            for _ in range(3):
                network.spoil(how, 0.05)
                time.sleep(0.7)
            network.flow()
            back(f"the network to OPA {how}", load.until_right(5.0), 5.0)
        assert not load.wrong_passes()
        assert all(each.right for each in load.outcomes(name="in process"))
        assert slowest(load.outcomes(begun, "in process")) < load.allowing(AT_ONCE)
        assert serve.metric("gatewright_worker_restarts_total") == 0


@pytest.mark.parametrize("how", ["stalls", "drips", "is cut"])
def test_the_network_to_a_caller_delays_no_other(
    tmp_path: Path, private_redis: RedisServer, how: str, back: Back
) -> None:
    bundle = write_bundle(tmp_path / "bundle", test_redis.BUNDLE)
    flags = ("--redis", private_redis.url, "--workers", "1")
    with ExitStack() as running:
        serve = running.enter_context(closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)))
        network = running.enter_context(Network(serve.grpc))
        near = running.enter_context(Load(serve.grpc, test_redis.QUESTIONS, rate=100))
        far = running.enter_context(Load(network.address, test_redis.QUESTIONS, rate=100))
        near.until_right(10.0)
        far.until_right(10.0)
        begun = time.monotonic()
        for _ in range(3):
            network.spoil(how, 0.02)
            time.sleep(1.0)
        network.flow()
        ended = time.monotonic()
        if how == "drips":
            # What drips has been written already, a byte at a time; begin again.
            network.cut()
        back(f"the network to a caller {how}", far.until_right(20.0), 20.0)
    assert all(each.right for each in near.outcomes(begun)), near.words(begun)
    assert slowest([each for each in near.outcomes(begun) if each.at < ended]) < near.allowing(
        AT_ONCE
    )
    assert not near.wrong_passes()
    assert not far.wrong_passes()


def test_calls_of_a_caller_that_is_gone_are_let_go(
    tmp_path: Path, private_redis: RedisServer
) -> None:
    bundle = write_bundle(tmp_path / "bundle", test_redis.BUNDLE)
    flags = ("--redis", private_redis.url, "--workers", "1")
    with ExitStack() as running:
        serve = running.enter_context(closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)))
        network = running.enter_context(Network(serve.grpc))
        with Load(network.address, test_redis.QUESTIONS, connections=8) as load:
            load.until_right(10.0)
            private_redis.stop()
            time.sleep(0.2)
            network.cut()
            time.sleep(0.2)
            private_redis.cont()
            load.until_right(5.0)
        until(lambda: serve.metric("gatewright_transport_open_connections") == 0, 10)
        until(lambda: serve.metric("gatewright_in_flight") == 0)
