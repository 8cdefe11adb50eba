"""SIGTERM: what is in flight ends well, and the process goes within its bound."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from callout.testing.grpc_client import Client
from callout.testing.opa import OpaServer
from callout.testing.plugin import StartOpa
from callout.testing.requests import check_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, alive, kill, policy, write_bundle

StartServe = Callable[..., Serve]
ASKING = "auth: {identity: [{anonymous: {}}], decide: {opa: shop/allow}}"
TRANSPORTS = pytest.mark.parametrize("transport", ["own", "grpcio"])
SOON = 10.0
"""Seconds: less than a drain may last here, for a machine that others keep busy."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartServe]:
    with ExitStack() as running:

        def serve(*flags: str, drain: float = 15) -> Serve:
            files = {
                "open.yaml": policy("open", OPEN),
                "asking.yaml": policy("asking", ASKING, '{host: "*", path: /asking}'),
                **EVERYBODY,
            }
            bundle = write_bundle(tmp_path / "bundle", files)
            environ = {"GATEWRIGHT_DRAIN": str(drain)}
            return running.enter_context(closing(Serve(tmp_path, bundle, *flags, environ=environ)))

        yield serve


@pytest.fixture
def opa(opa_server: StartOpa) -> OpaServer:
    return opa_server(EVERYBODY)


class Watch:
    """A health watch that remembers what it was told."""

    def __init__(self, client: Client) -> None:
        self.seen: list[str] = []
        stub = health_pb2_grpc.HealthStub(client.channel)
        self._stream = stub.Watch(health_pb2.HealthCheckRequest(), timeout=30)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        until(lambda: self.seen == ["SERVING"])

    def _read(self) -> None:
        try:
            for each in self._stream:
                self.seen.append(health_pb2.HealthCheckResponse.ServingStatus.Name(each.status))
        except grpc.RpcError:
            pass


def in_flight(serve: Serve, calls: int) -> None:
    """Waits until so many calls wait for their answer."""
    until(lambda: serve.metric("gatewright_in_flight") >= calls)


def refuses(address: str) -> bool:
    """Whether nobody can connect any more."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@TRANSPORTS
def test_calls_in_flight_end_well_health_says_so_before_and_nobody_else_comes_in(
    start: StartServe, opa: OpaServer, transport: str
) -> None:
    serve = start("--transport", transport, "--opa", opa.url)
    with ExitStack() as stack, ThreadPoolExecutor(20) as pool:
        clients = [stack.enter_context(serve.client()) for _ in range(4)]
        watch = Watch(stack.enter_context(serve.client()))
        opa.stop()
        request = check_request(path="/asking")
        calls = [pool.submit(clients[index % 4].check, request) for index in range(20)]
        in_flight(serve, 20)

        serve.signal(signal.SIGTERM)
        until(lambda: watch.seen == ["SERVING", "NOT_SERVING"])
        # Or a gateway would wait in a queue that nobody serves, where it could try elsewhere.
        until(lambda: refuses(serve.grpc), 2)
        assert not any(call.done() for call in calls)
        assert serve.process.poll() is None

        opa.cont()
        assert [call.result(10).status.code for call in calls] == [0] * 20
    assert serve.wait(SOON) == 0


def test_under_load_no_call_that_reached_it_fails(start: StartServe) -> None:
    serve = start()
    stopping = threading.Event()
    failures: list[str] = []
    done: list[int] = []

    def load(client: Client) -> None:
        while not stopping.is_set():
            try:
                done.append(client.check(check_request(), timeout=5).status.code)
            except grpc.RpcError as error:
                failures.append(str(error.details()))
                return

    with ExitStack() as stack:
        clients = [stack.enter_context(serve.client()) for _ in range(4)]
        threads = [threading.Thread(target=load, args=[each]) for each in clients * 2]
        for each in threads:
            each.start()
        until(lambda: len(done) > 200)
        serve.signal(signal.SIGTERM)
        assert serve.wait(SOON) == 0
        stopping.set()
        for each in threads:
            each.join(10)
    assert set(done) == {0}
    # A client that knows of no other address tries this one again, and nobody is there any more.
    assert all(each.startswith("failed to connect") for each in failures), failures


def test_a_call_that_does_not_end_is_cut_at_the_bound(start: StartServe, opa: OpaServer) -> None:
    serve = start("--opa", opa.url, drain=1)
    family = serve.workers()
    with serve.client() as client, ThreadPoolExecutor(1) as pool:
        opa.stop()
        # The service itself would give up only after seconds.
        call = pool.submit(client.check, check_request(path="/asking"))
        in_flight(serve, 1)
        started = time.monotonic()
        serve.signal(signal.SIGTERM)
        assert serve.wait(4) == 0
        assert time.monotonic() - started > 0.9
        answer = call.exception(5)
        assert isinstance(answer, grpc.RpcError) or call.result().status.code == 7
    assert not any(alive(pid) for pid in family)


def left_over(folder: Path) -> list[Path]:
    return list(folder.glob("gatewright-*"))


def test_a_second_sigterm_does_not_wait(start: StartServe, opa: OpaServer, tmp_path: Path) -> None:
    serve = start("--opa", opa.url)
    family = serve.workers()
    with serve.client() as client, ThreadPoolExecutor(1) as pool:
        opa.stop()
        call = pool.submit(client.check, check_request(path="/asking"))
        in_flight(serve, 1)
        serve.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert serve.process.poll() is None
        serve.signal(signal.SIGTERM)
        assert serve.wait(SOON) == 130
        until(lambda: not any(alive(pid) for pid in family))
        assert isinstance(call.exception(5), grpc.RpcError)
    assert not left_over(tmp_path)


def test_a_stop_of_the_whole_group_drains_too(start: StartServe, opa: OpaServer) -> None:
    """systemd sends SIGTERM to every process of a service at once."""
    serve = start("--opa", opa.url)
    with serve.client() as client, ThreadPoolExecutor(4) as pool:
        opa.stop()
        calls = [pool.submit(client.check, check_request(path="/asking")) for _ in range(4)]
        in_flight(serve, 4)
        for pid in (*serve.workers(), serve.process.pid):
            kill(pid, signal.SIGTERM)
        time.sleep(0.5)
        assert not any(call.done() for call in calls)
        opa.cont()
        assert [call.result(10).status.code for call in calls] == [0] * 4
    assert serve.wait(SOON) == 0


def test_a_worker_that_gets_sigterm_finishes_and_is_replaced(
    start: StartServe, opa: OpaServer
) -> None:
    serve = start("--opa", opa.url)
    (first,) = serve.workers()
    with serve.client() as client, ThreadPoolExecutor(1) as pool:
        opa.stop()
        call = pool.submit(client.check, check_request(path="/asking"))
        in_flight(serve, 1)
        kill(first, signal.SIGTERM)
        time.sleep(0.3)
        assert not call.done()
        opa.cont()
        assert call.result(10).status.code == 0
    until(lambda: serve.workers() not in ([], [first]))
    with serve.client() as client:
        assert client.check(check_request(), timeout=10).status.code in (0, 7)
    until(lambda: None not in serve.config()["workers"].values())


def test_a_compiler_that_does_not_end_does_not_keep_it_alive(tmp_path: Path) -> None:
    opa = tmp_path / "path" / "opa"
    opa.parent.mkdir()
    opa.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = version ]; then echo "Version: 1.22.0"; exit; fi\n'
        f"echo $$ > {tmp_path}/compiling; exec sleep 60\n"
    )
    opa.chmod(0o755)
    # No plan of it is in any cache.
    rego = {"rego/shop.rego": f"package shop\n\nallow := true # {time.time()}\n"}
    bundle = write_bundle(tmp_path / "bundle", {"open.yaml": policy("open", OPEN), **rego})
    environ = {"PATH": f"{opa.parent}:/usr/bin:/bin"}
    with closing(Serve(tmp_path, bundle, environ=environ, wait=False)) as serve:
        until((tmp_path / "compiling").exists)
        assert serve.admin("/readyz")[0] == 503
        serve.signal(signal.SIGTERM)
        try:
            assert serve.wait(SOON) == 0
        finally:
            kill(int((tmp_path / "compiling").read_text()), signal.SIGKILL)


def test_a_service_without_work_stops_at_once_and_leaves_nothing(
    start: StartServe, tmp_path: Path
) -> None:
    serve = start()
    assert left_over(tmp_path)
    with serve.client() as client:
        assert client.check(check_request()).status.code == 0
        started = time.monotonic()
        serve.signal(signal.SIGTERM)
        assert serve.wait(SOON) == 0
        assert time.monotonic() - started < SOON
    assert not left_over(tmp_path)
    assert "error" not in {line["level"] for line in map(_json, serve.log.splitlines())}


def _json(line: str) -> dict[str, str]:
    document: dict[str, str] = json.loads(line)
    return document
