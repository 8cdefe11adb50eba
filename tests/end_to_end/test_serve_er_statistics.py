"""Statistics of `gatewright serve --er-config` as Prometheus scrapes them, over real HTTP."""

import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, kill
from tests.end_to_end.test_serve_er_http import folder

HITS = "ratelimit_service_rate_limit_total_hits"
TENANT = '{domain="edge",key1="tenant"}'
TOTAL = 'ratelimit_service_total_requests{grpc_method="ShouldRateLimit"}'
LOADED = "ratelimit_service_config_load_success"


@pytest.fixture
def serve(tmp_path: Path, redis_server: RedisServer) -> Iterator[Serve]:
    redis_server.flush()
    root = folder(tmp_path)
    environ = {
        "RUNTIME_ROOT": str(root),
        "REDIS_URL": redis_server.unix_url.removeprefix("unix://").partition("?")[0],
        "LOG_FORMAT": "json",
        "USE_PROMETHEUS": "true",
        "PROMETHEUS_ADDR": "127.0.0.1:0",
        "PROMETHEUS_PATH": "/rl/metrics",
    }
    with closing(Serve(root, None, "--er-config", "--workers", "2", environ=environ)) as running:
        yield running


def scraped(serve: Serve) -> dict[str, float]:
    """Every series as it is written, and its value."""
    with urllib.request.urlopen(f"http://{serve.prometheus}/rl/metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = answer.read().decode().splitlines()
    pairs = (each.rpartition(" ") for each in lines if not each.startswith("#"))
    return {series: float(value) for series, _, value in pairs}


def ask(serve: Serve, domain: str, times: int) -> None:
    for _ in range(times):
        # A new connection each time, so that both workers have some.
        with serve.client() as client:
            client.should_rate_limit(rate_limit_request(domain, {"tenant": "a"}), timeout=10)


def test_workers_count_together_also_when_one_is_replaced(serve: Serve) -> None:
    ask(serve, "edge", 10)
    ask(serve, "nowhere", 2)
    until(lambda: scraped(serve).get(TOTAL) == 12, 30)
    found = scraped(serve)
    assert found[f"{HITS}{TENANT}"] == 10
    assert found[f"ratelimit_service_rate_limit_over_limit{TENANT}"] == 8
    assert found['ratelimit_service_should_rate_limit_error{err_type="redis_error"}'] == 0
    assert found[LOADED] == 1
    assert not any("nowhere" in series for series in found)

    # One at a time is asked to leave: what it has counted is told, and stays in the sum.
    ask(serve, "edge", 6)
    kill(serve.workers()[0], signal.SIGTERM)
    until(lambda: scraped(serve).get(TOTAL) == 18, 30)
    assert scraped(serve)[f"{HITS}{TENANT}"] == 16


def test_a_successor_is_scraped_at_the_same_port_and_begins_anew(serve: Serve) -> None:
    ask(serve, "edge", 3)
    until(lambda: scraped(serve).get(TOTAL) == 3, 30)
    serve.restart()

    assert serve.said("listening")[-1]["prometheus"] == serve.prometheus
    ask(serve, "edge", 2)
    until(lambda: scraped(serve).get(TOTAL) == 2, 30)


def test_there_is_one_page_and_it_takes_nothing(serve: Serve) -> None:
    for path, data, status in (("/metrics", None, 404), ("/rl/metrics", b"x", 405)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{serve.prometheus}{path}", data, 30)
        assert refused.value.code == status


def test_every_line_is_of_the_text_format(serve: Serve) -> None:
    ask(serve, "edge", 1)
    until(lambda: scraped(serve).get(TOTAL) == 1, 30)
    label = r'[a-z_0-9]+="(?:[^"\\\n]|\\.)*"'
    for series, _ in scraped(serve).items():
        assert re.fullmatch(rf"[a-z_]+(\{{{label}(,{label})*\}})?", series), series


def test_the_debug_port_has_the_pages_that_it_has_there(serve: Serve) -> None:
    ask(serve, "edge", 3)
    until(lambda: "total_hits: 3\n" in serve.admin("/stats")[1], 30)
    status, stats = serve.admin("/stats")
    assert status == 200
    assert "ratelimit.service.rate_limit.edge.tenant.over_limit: 1\n" in stats
    assert "ratelimit.service.config_load_success: 1\n" in stats
    assert stats.splitlines() == sorted(stats.splitlines())

    rule = "edge.tenant: unit=YEAR requests_per_unit=2, shadow_mode: false\n"
    assert serve.admin("/rlconfig") == (200, rule)

    status, listed = serve.admin("/")
    assert status == 200
    paths = [line.partition(": ")[0] for line in listed.splitlines()]
    assert {"/rlconfig", "/stats"} < set(paths)
    for path in paths:
        assert serve.admin(path if path != "/debug/profile" else f"{path}?seconds=1")[0] == 200
    assert serve.admin("/debug/pprof/")[0] == 404


def test_the_pages_are_of_what_is_in_use(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "config" / "edge.yaml"
    file.write_text(file.read_text().replace("2}", "9}"))
    until(lambda: "requests_per_unit=9" in serve.admin("/rlconfig")[1], 30)
    file.write_text("domain: edge\nno: such\n")
    until(lambda: "config_load_error: 1\n" in serve.admin("/stats")[1], 30)

    assert "requests_per_unit=9" in serve.admin("/rlconfig")[1]
