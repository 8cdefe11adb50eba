"""Envoy's files as they are replaced; the executable is a stand-in here."""

import asyncio
from pathlib import Path

from gatewright.envoy.gateway import FailureModes, Gateway, Upstream
from gatewright.envoy.process import EnvoyProcess

# Takes longer to validate what names port 1111.
SLOW_FOR_1111 = """#!/bin/sh
for last; do :; done
if grep -q 1111 "$last"; then sleep 0.5; fi
"""


def gateway(port: int) -> Gateway:
    upstream = Upstream("127.0.0.1", 8000, tls=False)
    return Gateway("127.0.0.1", port, "unix:/tmp/grpc.sock", upstream, FailureModes(False, False))


async def test_of_two_changes_at_once_the_later_one_stays(tmp_path: Path) -> None:
    executable = tmp_path / "envoy"
    executable.write_text(SLOW_FOR_1111)
    executable.chmod(0o700)
    envoy = EnvoyProcess(executable, tmp_path)

    await asyncio.gather(envoy.apply(gateway(1111)), envoy.apply(gateway(2222)))

    assert "2222" in (tmp_path / "lds.json").read_text()
