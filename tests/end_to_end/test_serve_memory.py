"""Counters in memory as they are served: two workers, no Redis, and one count."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.requests import rate_limit_request
from tests.end_to_end.callers import passed
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, kill, policy, write_bundle

CONNECTIONS = 40
"""So many that the kernel gives each of two workers some: all to one is 1 in 2^39."""


def bundle(folder: Path, rate: str = "100/year") -> Path:
    limits = f"limits: [{{name: each, by: [address], rate: {rate}}}]"
    return write_bundle(folder / "bundle", {"all.yaml": policy("all", limits)})


@pytest.fixture(params=["own", "grpcio"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    flags = ("--workers", "2", "--transport", request.param)
    with closing(Serve(tmp_path, bundle(tmp_path), *flags)) as running:
        yield running


def admitted(serve: Serve, address: str, each: int) -> int:
    """How many of so many requests over each of many connections, all at once, are let pass."""
    asked = rate_limit_request(
        "gatewright",
        {"host": "shop.example", "path": "/", "method": "GET", "remote_address": address},
    )
    return passed(serve, asked, CONNECTIONS, each)


def test_all_workers_together_let_as_many_pass_as_the_limit(serve: Serve) -> None:
    assert len(serve.workers()) == 2
    assert admitted(serve, "198.51.100.1", 8) == 100
    counted = {"face": "limit"}
    until(lambda: serve.metric("gatewright_decisions_total", **counted) == 8 * CONNECTIONS, 10)
    until(lambda: serve.metric("gatewright_limit_counters_forgotten_total") == 0, 10)


def test_counts_outlive_workers_reloads_and_restarts(serve: Serve, tmp_path: Path) -> None:
    assert admitted(serve, "198.51.100.2", 1) == CONNECTIONS
    before = serve.workers()
    for worker in before:
        kill(worker, signal.SIGKILL)
    until(lambda: len(serve.workers()) == 2 and not set(before) & set(serve.workers()), 60)
    until(lambda: None not in serve.config()["workers"].values(), 60)
    assert admitted(serve, "198.51.100.2", 1) == CONNECTIONS
    digest = serve.config()["digest"]
    bundle(tmp_path, "110/year")
    until(lambda: set(serve.config()["workers"].values()).isdisjoint({digest, None}), 60)
    assert admitted(serve, "198.51.100.2", 1) == 110 - 2 * CONNECTIONS
    serve.restart()
    assert admitted(serve, "198.51.100.2", 1) == 0
    assert admitted(serve, "198.51.100.3", 3) == 110


def test_connections_come_to_both_workers_and_both_have_the_same_memory(tmp_path: Path) -> None:
    with closing(Serve(tmp_path, bundle(tmp_path), "--workers", "2")) as serve:
        clients = [serve.client() for _ in range(CONNECTIONS)]
        assert {client.health() for client in clients} == {"SERVING"}
        workers = json.loads(serve.admin("/debug/connections")[1])["workers"]
        assert all(each["connections"] for each in workers.values())
        for worker in serve.workers():
            assert "memfd:gatewright-counters" in Path(f"/proc/{worker}/maps").read_text()
        for client in clients:
            client.close()


def test_one_worker_needs_no_memory_that_is_shared(tmp_path: Path) -> None:
    with closing(Serve(tmp_path, bundle(tmp_path), "--workers", "1")) as serve:
        (worker,) = serve.workers()
        assert "memfd:gatewright-counters" not in Path(f"/proc/{worker}/maps").read_text()
        assert admitted(serve, "198.51.100.4", 3) == 100
