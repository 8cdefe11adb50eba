"""`/debug/` of a running service: what is shown, of whom, and who may see it."""

import http.client
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from callout.testing.redis import RedisServer
from callout.testing.requests import check_request, rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import CHECK, EVERYBODY, OPEN, Serve, kill, policy, run, write_bundle
from tests.faults.load import Load, slowest
from tests.faults.load import check as question

EDGE = """domain: edge
descriptors:
  - {key: client, rate_limit: {unit: year, requests_per_unit: 1000000}}
"""
BUNDLE = {"all.yaml": policy("all", OPEN), **EVERYBODY, "ratelimit/edge.yaml": EDGE}
QUESTIONS = (question("open", check_request(path="/a"), True),)
AT_ONCE = 0.25
"""Seconds, on a machine that is busy with other tests: what nothing delays takes a millisecond."""


@pytest.fixture
def serve(tmp_path: Path, private_redis: RedisServer) -> Iterator[Serve]:
    """Two workers: with Redis there may be more than one."""
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    flags = ["--redis", private_redis.url, "--workers", "2", "--decisions", "all"]
    with closing(Serve(tmp_path, bundle, *flags)) as running:
        yield running


def page(serve: Serve, path: str) -> Any:
    status, text = serve.admin(f"/debug/{path}")
    assert status == 200, text
    return json.loads(text)


def live(serve: Serve) -> list[dict[str, Any]]:
    found = page(serve, "connections")["workers"]
    return [each for worker in found.values() for each in worker["connections"]]


def test_connections_are_shown_while_they_are_open(serve: Serve) -> None:
    assert live(serve) == []
    host, _, port = serve.grpc.rpartition(":")
    with ExitStack() as open_:
        for _ in range(3):
            client = open_.enter_context(serve.client())
            for _ in range(5):
                client.check(check_request(headers={"cookie": "planted"}))
        # A message that is promised and does not come.
        half = open_.enter_context(socket.create_connection((host, int(port))))
        block = b"\x83\x86\x41\x01a\x04" + bytes([len(CHECK)]) + CHECK.encode()
        block += b"\x40\x0ccontent-type\x10application/grpc\x40\x02te\x08trailers"
        half.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
            + len(block).to_bytes(3, "big")
            + b"\x01\x04\0\0\0\x01"
            + block
        )
        until(lambda: sum(len(each["streams"]) for each in live(serve)) == 1)
        found = live(serve)
    assert sorted(each["calls"] for each in found) == [1, 5, 5, 5]
    (waiting,) = [each for each in found if each["streams"]]
    assert waiting["streams"] == {"opening": 1}
    assert waiting["oldest"] > 0
    assert waiting["peer"].startswith("127.0.0.1:")
    assert "planted" not in json.dumps(found)
    until(lambda: live(serve) == [])


def test_the_slowest_decisions_are_found_in_the_decision_log_by_their_id(serve: Serve) -> None:
    with serve.client() as client:
        for number in range(300):
            client.check(check_request(path=f"/secret/{number}"))
    slow = page(serve, "decisions/slowest")["decisions"]
    assert len(slow) >= 20
    assert slow == sorted(slow, key=lambda each: -float(each["seconds"]))
    assert "secret" not in json.dumps(slow)

    def written() -> dict[str, dict[str, Any]]:
        lines = [json.loads(each) for each in serve.log.splitlines() if '"kind":"decision"' in each]
        return {each["id"]: each for each in lines}

    until(lambda: len(written()) == 300)
    for each in slow:
        line = written()[each["id"]]
        names = ("policy", "reason", "verdict", "digest", "worker")
        assert [line[name] for name in names] == [each[name] for name in names]
        assert line["seconds"] == each["seconds"]
        assert line["what"].startswith("GET shop.example/secret/")


def test_a_profile_shows_where_time_goes_and_costs_requests_little(serve: Serve) -> None:
    with Load(serve.grpc, QUESTIONS, rate=500.0) as load:
        load.until_right(10.0)
        began = time.monotonic()
        status, text = serve.admin("/debug/profile?seconds=3")
        took = time.monotonic() - began
        assert status == 200
        assert 3 <= took < 6
        assert slowest(load.outcomes(began)) < AT_ONCE
    assert load.wrong_passes() == []
    stacks = [each.rpartition(" ") for each in text.splitlines()]
    assert all(int(spent) >= 0 for _, _, spent in stacks)
    # The kernel may have given both connections to one worker; the other has nothing to do.
    assert {stack.partition(";")[0] for stack, _, _ in stacks} <= {"worker 0", "worker 1"}
    # A few hundred requests are a few looks: in which function is another test's matter.
    assert any(";gatewright.run.worker.main;" in stack for stack, _, _ in stacks)


def test_there_is_one_profile_at_a_time_and_it_is_bounded(serve: Serve) -> None:
    host, _, port = serve.admin_address.rpartition(":")
    first = http.client.HTTPConnection(host, int(port), timeout=10)
    first.request("GET", "/debug/profile?seconds=2")
    until(lambda: serve.admin("/debug/profile?seconds=1")[0] == 409, 1.5)
    assert first.getresponse().status == 200
    first.close()
    for text in ("0", "61", "-1", "x", "1e1", "99999999999999999999", "", "%00"):
        assert serve.admin(f"/debug/profile?seconds={text}")[0] == 400, text


def test_a_frozen_worker_is_named_and_the_others_are_shown(serve: Serve) -> None:
    frozen = serve.workers()[0]
    kill(frozen, signal.SIGSTOP)
    try:
        began = time.monotonic()
        workers = page(serve, "connections")["workers"]
        assert time.monotonic() - began < 4
        assert sorted("error" in each for each in workers.values()) == [False, True]
        assert serve.admin("/healthz")[0] == 200
    finally:
        kill(frozen, signal.SIGCONT)
    until(lambda: all("error" not in e for e in page(serve, "connections")["workers"].values()))


def test_what_a_worker_will_do_later_is_named(serve: Serve) -> None:
    def named() -> bool:
        workers = page(serve, "connections")["workers"].values()
        assert all(each["tasks"] >= 1 for each in workers)
        return all("LoopMonitor._look" in each["timers"] for each in workers)

    until(named)  # it is set anew each moment; what was there before the bundle is not seen


def test_the_transport_of_grpcio_says_that_it_does_not_say(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    with closing(Serve(tmp_path, bundle, "--transport", "grpcio")) as serve:
        assert page(serve, "connections") == {
            "workers": {"0": {"error": "this transport does not say"}}
        }
        assert serve.admin("/debug/profile?seconds=1")[0] == 200


def get(serve: Serve, path: str, **headers: str) -> int:
    request = urllib.request.Request(f"http://{serve.admin_address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_without_a_token_it_is_for_this_machine(serve: Serve) -> None:
    path = "/debug/connections"
    assert get(serve, path) == 200
    assert get(serve, path, **{"X-Forwarded-For": "192.0.2.1"}) == 200
    assert get(serve, path, Host="evil.example") == 403
    assert get(serve, path, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert get(serve, "/debug/none", Host="evil.example") == 403
    assert get(serve, "/debug/none") == 404
    assert get(serve, "/metrics", Host="evil.example") == 200


def test_from_elsewhere_only_with_the_token(tmp_path: Path) -> None:
    own = _own_address()
    if own is None:
        pytest.skip("this machine has no address but loopback")
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    with closing(Serve(tmp_path, bundle, "--admin", f"{own}:0")) as serve:
        assert get(serve, "/metrics") == 200
        assert get(serve, "/debug/connections") == 403
        assert get(serve, "/debug/connections", **{"X-Forwarded-For": "127.0.0.1"}) == 403
        assert get(serve, "/debug/connections", Host="localhost") == 403
    file = tmp_path / "token"
    file.write_text("a-token-of-enough-length")
    environ = {"GATEWRIGHT_ADMIN__TOKEN_FILE": str(file)}
    with closing(Serve(tmp_path, bundle, "--admin", f"{own}:0", environ=environ)) as serve:
        shown = {"Authorization": "Bearer a-token-of-enough-length"}
        assert get(serve, "/debug/connections") == 401
        assert get(serve, "/debug/connections", **shown) == 200
        file.write_text("another-token-of-enough-length")
        assert get(serve, "/debug/connections", **shown) == 401
        assert get(serve, "/readyz") == 200


def _own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: this asks the kernel which address it would send from.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


@pytest.mark.parametrize(("mode", "warned"), [(0o640, False), (0o644, True)])
def test_a_token_that_everybody_may_read_is_warned_of(
    mode: int, warned: bool, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    file = tmp_path / "token"
    file.write_text("a-token-of-enough-length")
    file.chmod(mode)
    environ = {"GATEWRIGHT_ADMIN__TOKEN_FILE": str(file)}
    with closing(Serve(tmp_path, bundle, environ=environ, wait=False)) as serve:
        assert serve.admin_address
        problems = [each["problem"] for each in serve.said("settings")]
    message = f"admin.token_file: {file}: everybody may read it"
    assert problems == ([message] if warned else [])


def test_a_unix_socket_is_this_machine(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    path = tmp_path / "a.sock"
    with closing(Serve(tmp_path, bundle, "--admin", f"unix:{path}", wait=False)) as serve:
        assert serve.admin_address == f"unix:{path}"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.settimeout(10)
            connection.sendall(
                b"GET /debug/connections HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_hostile_clients_of_the_admin_port_hurt_neither_decisions_nor_supervision(
    serve: Serve,
) -> None:
    host, _, port = serve.admin_address.rpartition(":")
    with ExitStack() as open_, Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        began = time.monotonic()
        for number in range(300):
            each = socket.create_connection((host, int(port)), timeout=10)
            open_.callback(each.close)
            # Halves of requests, and requests whose answers nobody reads.
            each.sendall(b"GET /metrics HTTP/1.1\r\n" + b"Host: x\r\n\r\n" * (number % 2))
        (worker, _) = serve.workers()
        kill(worker, signal.SIGKILL)
        until(lambda: len(serve.workers()) == 2 and worker not in serve.workers())
        assert serve.admin("/healthz")[0] == 200
        load.until_right(10.0)
        open_files = len(os.listdir(f"/proc/{serve.process.pid}/fd"))
        assert open_files < 150, "of 300 connections, 64 may stay"
        # A killed worker's own requests fail; the others are answered as ever.
        answered = [each for each in load.outcomes(began) if each.passed]
        assert slowest(answered) < load.allowing(2 * AT_ONCE)
    assert load.wrong_passes() == []


def test_what_a_worker_that_goes_was_asked_is_not_waited_for_from_the_next(serve: Serve) -> None:
    leaving = serve.workers()[0]
    host, _, port = serve.admin_address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=20)) as first:
        first.request("GET", "/debug/profile?seconds=6")
        until(lambda: serve.admin("/debug/profile?seconds=1")[0] == 409, 5)
        time.sleep(0.5)  # the question is with the worker by then, and nothing tells of it
        os.kill(leaving, signal.SIGTERM)
        assert first.getresponse().status == 200
    until(lambda: leaving not in serve.workers() and len(serve.workers()) == 2)
    until(lambda: None not in serve.config()["workers"].values())
    status, text = serve.admin("/debug/profile?seconds=1")
    assert status == 200
    assert "no answer in time" not in text


def test_the_hottest_counters_of_all_workers_are_told(serve: Serve) -> None:
    busy = rate_limit_request("edge", {"client": "busy"})
    with ExitStack() as open_:
        for _ in range(8):  # so that both workers are asked
            client = open_.enter_context(serve.client())
            for _ in range(60):
                client.should_rate_limit(busy)
    found = page(serve, "limits/hottest?most=1")
    (hot,) = found["counters"]
    assert hot["counter"].startswith("rl:d:4:edge")
    assert "client4:busy@" in hot["counter"]
    assert hot["share"] == 1.0
    # One of sixteen is looked at, and the first of each worker.
    assert 100 <= hot["requests"] == found["requests"] <= 2000
    assert found["no_answer"] == []
    assert serve.admin("/debug/limits/hottest?most=101")[0] == 400
    told = run("ratelimit", "keys", "--hot", "5", "--admin", serve.admin_address)
    assert told.returncode == 0, told.stderr
    first, line = told.stdout.splitlines()
    assert first.startswith("about ")
    assert line.endswith(f"100.0%  {hot['counter']}")
    nothing = run("ratelimit", "keys", "--hot", "--admin", "127.0.0.1:1")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "does not answer" in nothing.stderr
