"""The other transport, which leaves hostile peers to gRPC's own rules.

Of our limits it takes those that docs/operations.md names, `connections.max` among them. It neither
counts nor logs the connections that it ends, so nothing is said of reasons here, nor of latencies.

It has no bound of resets either, but one of calls that wait for Python, for all connections
together: about a thousand (grpc/grpc#34782). What comes beyond is cancelled, whoever asks. Measured
during a rapid reset: 22 of 33 and 29 of 35 calls of others were; 1.2 s after it none. So that it
stays up, answers rightly what it answers, and goes on afterwards, is all that can be held to here.
"""

import contextlib
from collections.abc import Iterator
from contextlib import closing

import grpc
import pytest

from callout.testing.requests import check_request
from tests.attacks.attacks import ATTACKS
from tests.attacks.neighbours import BUNDLE, ENVIRON, PATIENCE, Noticed, notice
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, write_bundle

NUMBERS = {each.name: number for number, each in enumerate(ATTACKS)}
NO_ANSWER = {"cancelled", "unavailable", "deadline_exceeded"}
AFTERWARDS = 20.0
"""Seconds until others must be answered again: what waits is worked off first."""


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    folder = tmp_path_factory.mktemp("attacked")
    bundle = write_bundle(folder / "bundle", BUNDLE)
    flags = ("--workers", "1", "--transport", "grpcio")
    with closing(Serve(folder, bundle, *flags, environ=ENVIRON)) as running:
        yield running


def attacked(serve: Serve, name: str) -> Noticed:
    """By the attack of this name; the worker lives on, and then answers everybody."""
    workers = serve.workers()
    noticed = notice(serve, "attacker", str(NUMBERS[name]), rounds=1)
    with serve.client() as client:

        def answers() -> bool:
            with contextlib.suppress(grpc.RpcError):
                return bool(client.check(check_request(), PATIENCE).HasField("ok_response"))
            return False

        until(answers, AFTERWARDS)
    assert serve.workers() == workers
    return noticed


def test_a_flood_of_connections_fails_no_request_of_others(serve: Serve) -> None:
    noticed = attacked(serve, "too many connections")
    assert noticed.asked > 20
    assert not noticed.failed, noticed


def test_after_a_rapid_reset_others_are_answered_and_meanwhile_never_wrongly(serve: Serve) -> None:
    noticed = attacked(serve, "rapid reset (CVE-2023-44487)")
    assert noticed.asked > 0
    assert set(noticed.failed) <= NO_ANSWER, noticed
