"""nghttp2's client drives unary calls: everything is answered, and answered with a message."""

import asyncio
from pathlib import Path

import pytest

from callout.grpc.framing import frame
from callout.testing.tools import require
from tests.contract.conftest import Start
from tests.contract.faces import SERVICE
from tests.load.h2load import parse

REQUESTS = 2000


@pytest.mark.parametrize("method", ["Echo", "Future"])
async def test_every_call_of_a_closed_loop_is_answered(
    start: Start, tmp_path: Path, method: str
) -> None:
    h2load = require("h2load")
    running = await start()
    body = tmp_path / "message"
    body.write_bytes(frame(bytes(300)))
    command = [h2load, "-t", "1", "-n", str(REQUESTS), "-c", "8", "-m", "16", "-d", body]
    for header in ("content-type: application/grpc", "te: trailers", "grpc-timeout: 10S"):
        command += ["-H", header]
    process = await asyncio.create_subprocess_exec(
        *command,
        f"http://{running.target}/{SERVICE}/{method}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 0, errors.decode()
    outcome = parse(output.decode())
    assert outcome.succeeded == outcome.requests == REQUESTS
    # h2load does not know gRPC: that every answer had its message says that every status was 0.
    assert outcome.body_bytes == REQUESTS * (300 + 5)
    assert running.counters.requests == REQUESTS
    assert running.counters.handler_errors == running.counters.deadline_exceeded == 0
    assert running.counters.open_calls == 0
