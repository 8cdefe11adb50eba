"""`/json` and `/healthcheck` of `gatewright serve --er-config`, over real HTTP."""

import json
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import START_WITHIN, Serve

OVER = 2
FILE = """domain: edge
descriptors:
  - key: tenant
    rate_limit: {unit: year, requests_per_unit: 2}
"""


def http(serve: Serve, path: str, body: object = None) -> tuple[int, str]:
    """Status and body; a body is posted as JSON."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://{serve.http_address}{path}", data, 30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def asked(tenant: str) -> dict[str, object]:
    entries = [{"key": "tenant", "value": tenant}]
    return {"domain": "edge", "descriptors": [{"entries": entries}]}


def folder(where: Path, text: str = FILE) -> Path:
    (where / "config").mkdir(parents=True)
    (where / "config" / "edge.yaml").write_text(text)
    return where


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Serve]:
    redis_server.flush()
    root = folder(tmp_path_factory.mktemp("er"))
    environ = {
        "RUNTIME_ROOT": str(root),
        "REDIS_URL": redis_server.unix_url.removeprefix("unix://").partition("?")[0],
        "LOG_FORMAT": "json",
    }
    with closing(Serve(root, None, "--er-config", "--workers", "2", environ=environ)) as running:
        yield running


def test_gRPC_and_http_count_together(serve: Serve) -> None:
    statuses = [http(serve, "/json", asked("a"))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]

    with serve.client() as client:
        request = rate_limit_request("edge", {"tenant": "a"})
        assert client.should_rate_limit(request, timeout=10).overall_code == OVER
    status, body = http(serve, "/json", asked("a"))
    assert status == 429
    assert json.loads(body)["overallCode"] == "OVER_LIMIT"


def test_what_is_no_request_is_400(serve: Serve) -> None:
    assert http(serve, "/json", {"domain": "", "descriptors": []}) == (400, "Bad Request\n")
    assert http(serve, "/json", {"no": 1}) == (400, "Bad Request\n")


def test_it_is_healthy_with_good_files(serve: Serve) -> None:
    assert http(serve, "/healthcheck") == (200, "OK")


def test_a_successor_answers_at_the_same_port(tmp_path: Path, redis_server: RedisServer) -> None:
    root = folder(tmp_path)
    redis = redis_server.unix_url.removeprefix("unix://").partition("?")[0]
    environ = {"RUNTIME_ROOT": str(root), "REDIS_URL": redis, "LOG_FORMAT": "json"}
    with closing(Serve(root, None, "--er-config", "--workers", "2", environ=environ)) as running:
        where, wrong = running.http_address, []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                status = http(running, "/healthcheck")
                if status != (200, "OK"):
                    wrong.append(status)
                time.sleep(0.05)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            running.restart()
            assert http(running, "/json", asked("successor"))[0] == 200
        finally:
            over.set()
            asking.join()
        assert running.said("listening")[-1]["http"] == where
        assert wrong == []


def test_without_good_files_it_is_not_healthy_and_every_request_fails(tmp_path: Path) -> None:
    root = folder(tmp_path, "domain: edge\nno: such key\n")
    environ = {"RUNTIME_ROOT": str(root), "LOG_FORMAT": "json"}
    with closing(Serve(root, None, "--er-config", environ=environ, wait=False)) as running:
        until(lambda: bool(running.said("bundle rejected; everything is denied")), START_WITHIN)
        until(lambda: http_answers(running), START_WITHIN)

        assert http(running, "/healthcheck") == (500, "")
        assert http(running, "/json", asked("a")) == (400, "Bad Request\n")


def http_answers(serve: Serve) -> bool:
    try:
        return bool(http(serve, "/healthcheck"))
    except OSError:
        return False


def test_off_closes_the_port(tmp_path: Path) -> None:
    root = folder(tmp_path)
    environ = {
        "RUNTIME_ROOT": str(root),
        "LOG_FORMAT": "json",
        "GATEWRIGHT_LISTEN__HTTP": "off",
    }
    with closing(Serve(root, None, "--er-config", environ=environ)) as running:
        assert running.http_address == ""
        running.signal(signal.SIGTERM)
        assert running.wait(60) == 0
