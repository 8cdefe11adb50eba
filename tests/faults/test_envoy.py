"""Envoy is killed, frozen and started again while requests come through another one."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.plugin import StartEnvoy
from callout.testing.upstream import EchoUpstream
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import (
    EVERYBODY,
    OPEN,
    Edge,
    Serve,
    gateway,
    patient,
    policy,
    write_bundle,
)
from tests.faults.conftest import Back
from tests.faults.load import UNHURRIED

BUNDLE = {
    "all.yaml": policy("all", OPEN)
    + policy("limited", "limits: [{name: all, by: [address], rate: 1000000/hour}]")
    + policy("shut", "auth: {decide: {rego: rego, entrypoint: shop/never}}", "{path: /shut}"),
    **EVERYBODY,
    "rego/never.rego": "package shop\n\nnever := false\n",
}


class Visitors:
    """Requests through a gateway, on kept connections, until they are stopped."""

    def __init__(self, edge: Edge) -> None:
        self._address = edge.envoy.url.removeprefix("http://")
        self._stop = threading.Event()
        self.seen: Counter[tuple[str, int]] = Counter()
        """By path and status; 0: the gateway itself was gone."""
        self._threads = [
            threading.Thread(target=self._run, args=(path,), daemon=True)
            for path in ("/a", "/b", "/shut")
        ]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(15)

    def _run(self, path: str) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        while not self._stop.is_set():
            try:
                connection.request("GET", path, headers={"host": "shop.example"})
                answer = connection.getresponse()
                answer.read()
                self.seen[path, answer.status] += 1
            except (OSError, http.client.HTTPException):
                connection.close()
                self.seen[path, 0] += 1
            time.sleep(0.005)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    with closing(Serve(tmp_path, bundle, environ=UNHURRIED)) as running:
        yield running


@pytest.fixture
def edge(serve: Serve, envoy: StartEnvoy, echo_upstream: EchoUpstream) -> Callable[[], Edge]:
    return lambda: Edge(envoy, patient(gateway(serve, echo_upstream.url)))


def others_noticed_nothing(visitors: Visitors) -> bool:
    return set(visitors.seen) == {("/a", 200), ("/b", 200), ("/shut", 403)}


def written(serve: Serve) -> None:
    """Waits, while requests come, until workers have written down what they hold now: twice."""
    for _ in range(2):
        before = serve.metric("gatewright_decisions_total")
        until(lambda before=before: serve.metric("gatewright_decisions_total") > before)  # type: ignore[misc]


def test_an_envoy_that_is_killed_leaves_nothing_and_its_successor_is_served_at_once(
    serve: Serve, edge: Callable[[], Edge], back: Back
) -> None:
    staying = Visitors(edge())
    until(lambda: len(staying.seen) == 3)
    written(serve)
    held = serve.metric("gatewright_transport_open_connections")
    for _ in range(3):
        dying = edge()
        visitors = Visitors(dying)
        until(lambda visitors=visitors: len(visitors.seen) == 3)  # type: ignore[misc]
        dying.envoy.close()
        visitors.stop()
        # The first request through the next one: no connection of the dead is in its way.
        fresh = edge()
        status, seconds = fresh.timed("/a")
        assert status == 200
        back("Envoy killed, its successor's first request", seconds, 2.0)
        assert fresh.status("/shut") == 403
        fresh.envoy.close()
        assert ("/shut", 200) not in visitors.seen
    until(lambda: serve.metric("gatewright_transport_open_connections") <= held)
    until(lambda: serve.metric("gatewright_in_flight") == 0)
    staying.stop()
    assert others_noticed_nothing(staying), staying.seen


def test_an_envoy_that_is_frozen_for_a_while_goes_on_where_it_was(
    serve: Serve, edge: Callable[[], Edge]
) -> None:
    staying, sleeper = Visitors(edge()), edge()
    sleeping = Visitors(sleeper)
    until(lambda: len(sleeping.seen) == 3)
    sleeper.envoy.freeze()
    time.sleep(3.0)
    sleeper.envoy.thaw()
    before = sum(sleeping.seen.values())
    until(lambda: sum(sleeping.seen.values()) > before + 30, 30)
    sleeping.stop()
    staying.stop()
    assert others_noticed_nothing(staying), staying.seen
    # Its own requests of that moment may have run into its own time limits: never open.
    assert ("/shut", 200) not in sleeping.seen
    assert sleeper.status("/a") == 200
