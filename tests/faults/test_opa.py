"""The OPA server is killed or frozen, slow or wrong, while requests come."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.opa import OpaServer
from callout.testing.plugin import StartOpa
from callout.testing.requests import check_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle
from tests.faults.conftest import Back
from tests.faults.load import PATIENCE, UNHURRIED, Load, check, slowest

REGO = """package shop

import rego.v1

default allow := false

allow if input.attributes.request.http.method == "GET"
"""
IN_PROCESS, ASKED, SOFT = "in.example", "asked.example", "soft.example"
ASK = "auth: {identity: [{anonymous: {}}], decide: {opa: shop/allow}, onError: %s}"
BUNDLE = {
    "all.yaml": policy("in", OPEN, f'{{host: "{IN_PROCESS}"}}')
    + policy("asked", ASK % "deny(503)", f'{{host: "{ASKED}"}}')
    + policy("soft", ASK % "allow", f'{{host: "{SOFT}"}}'),
    **EVERYBODY,
}
QUESTIONS = (
    check("in process", check_request(host=IN_PROCESS), True),
    check("asked", check_request(host=ASKED), True),
    check("refused", check_request("POST", host=ASKED), False),
    check("soft", check_request(host=SOFT), True),
)
AT_ONCE: float = 0.25
"""Seconds: what nothing delays takes a millisecond, what waits for a neighbour a second."""


@pytest.fixture
def opa(opa_server: StartOpa) -> OpaServer:
    return opa_server({"shop.rego": REGO})


SHARE: float = 0.02
"""Of the questions, what may be denied around the moment when one of two servers dies: those that
both were asked and that had no time left. Seen: none."""
MOMENT: float = 0.5
"""Seconds that a question waits at most, where one server is silent: a tenth until the other one is
asked beside it, and both answers."""


@pytest.fixture
def other(opa_server: StartOpa) -> OpaServer:
    return opa_server({"shop.rego": REGO})


@pytest.fixture
def serve_two(tmp_path: Path, opa: OpaServer, other: OpaServer) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    flags = ("--opa", f"{opa.url},{other.url}")
    with closing(Serve(tmp_path, bundle, *flags, environ=UNHURRIED)) as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path, opa: OpaServer) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    with closing(Serve(tmp_path, bundle, "--opa", opa.url, environ=UNHURRIED)) as running:
        yield running


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_the_opa_server_goes_and_comes_back(
    serve: Serve, opa: OpaServer, how: str, back: Back
) -> None:
    with Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        gone = time.monotonic()
        opa.close() if how == "killed" else opa.stop()
        time.sleep(3.0)
        returned = time.monotonic()
        opa.restart() if how == "killed" else opa.cont()
        back(f"OPA {how} for 3 s", load.until_right(5.0), 5.0)
    away = [each for each in load.outcomes(gone) if each.at < returned - PATIENCE / 2]
    # Decided in process: as ever, and not later because others wait.
    assert all(each.right for each in load.outcomes(name="in process"))
    assert slowest(load.outcomes(gone, "in process")) < load.allowing(AT_ONCE)
    # Nobody passes whom OPA did not let pass, but where the operator wrote so.
    assert all(each.passed is not True for each in away if each.name == "refused")
    assert {each.passed for each in away if each.name == "asked"} >= {False}
    assert {each.passed for each in away if each.name == "soft"} - {None} == {True}
    assert not load.wrong_passes()


def test_the_opa_server_dies_again_and_again(serve: Serve, opa: OpaServer, back: Back) -> None:
    with Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        for _ in range(4):
            opa.close()
            time.sleep(0.3)
            opa.restart()
            back("OPA killed for 0.3 s", load.until_right(5.0), 5.0)
    assert not load.wrong_passes()
    assert all(each.right for each in load.outcomes(name="in process"))
    assert serve.metric("gatewright_worker_restarts_total") == 0


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_one_of_two_opa_servers_goes_and_comes_back(
    serve_two: Serve, opa: OpaServer, other: OpaServer, how: str, back: Back
) -> None:
    serve = serve_two
    with Load(serve.grpc, QUESTIONS) as load:
        load.until_right(10.0)
        gone = time.monotonic()
        opa.close() if how == "killed" else opa.stop()
        back(f"one of two OPA servers {how}", load.until_right(5.0), 2.0)
        until(lambda: serve.metric("gatewright_opa_breaker", server=_name(opa)) > 0)
        returned = time.monotonic()
        opa.restart() if how == "killed" else opa.cont()
        until(lambda: serve.metric("gatewright_opa_breaker", server=_name(opa)) == 0)
        asked = serve.metric("gatewright_opa_questions_total", server=_name(opa))
        until(lambda: serve.metric("gatewright_opa_questions_total", server=_name(opa)) > asked)
        load.until_right(5.0)
    away = [each for each in load.outcomes(gone) if each.at < returned]
    assert not load.wrong_passes()
    assert sum(not each.right for each in away) <= SHARE * len(away), load.words(gone)
    assert slowest(away) < load.allowing(MOMENT)
    assert all(each.right for each in load.outcomes(name="in process"))
    # The breaker ends the waiting: the last of them are answered as ever.
    assert slowest(away[len(away) // 2 :]) < load.allowing(AT_ONCE)
    assert serve.metric("gatewright_opa_breaker", server=_name(other)) == 0
    assert serve.metric("gatewright_worker_restarts_total") == 0


def _name(server: OpaServer) -> str:
    return server.url.removeprefix("http://")
