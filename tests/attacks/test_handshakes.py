import ipaddress
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import grpc
import pytest
from cryptography import x509

from tests.attacks.neighbours import BUNDLE, ENVIRON, notice
from tests.attacks.test_attacks import TRIES
from tests.contract.certificates import Authority
from tests.end_to_end.serve import Serve, write_bundle

LOCAL: Final = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
ENDS: Final = {
    "not_tls": "a TLS handshake failed",
    "handshake_timeout": "a connection is ended",
    "tls_key_updates": "a TLS handshake failed",
}
"""Why the attackers' connections are ended, and the event of the log line."""
HELD: Final = 0.03
"""Seconds of the worker's time that a request may wait for, at the 99th percentile. Not the bound
of the other attacks: a client that changes its keys is cut off after about 100 changes of 40 us,
these are three, and on a busy machine all of that is several times as long."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def serve(tmp_path: Path, authority: Authority) -> Iterator[Serve]:
    pair = authority.issue("server", LOCAL)
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    environ = {
        **ENVIRON,
        "GATEWRIGHT_CONNECTIONS__HANDSHAKE": "1",
        "GATEWRIGHT_TLS__CERT": str(pair.cert),
        "GATEWRIGHT_TLS__KEY": str(pair.key),
    }
    with closing(Serve(tmp_path, bundle, "--workers", "1", environ=environ)) as running:
        yield running


def test_a_flood_of_handshakes_is_stopped_counted_and_logged_and_others_do_not_notice(
    serve: Serve, authority: Authority
) -> None:
    trusted = grpc.ssl_channel_credentials(authority.cert_bytes)
    for _ in range(TRIES):
        seen = notice(serve, "handshakes", rounds=1, connections=2, credentials=trusted)
        assert seen.asked > 20
        assert not seen.failed, seen  # never tried again
        counted = {
            word: serve.metric("gatewright_transport_terminated_total", reason=word)
            for word in ENDS
        }
        is_quick = seen.is_quick or seen.worked <= HELD
        if is_quick and all(counted.values()):
            break
    assert is_quick, seen
    assert all(counted.values()), counted
    for word, event in ENDS.items():
        lines = [each for each in serve.said(event) if each["reason"] == word]
        assert lines
        assert all(each["peer"].startswith("127.0.0.1:") for each in lines)
