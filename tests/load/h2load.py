"""One run of h2load: a closed loop of so many requests, and what came back."""

import re
import subprocess
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.load.machine import on_core

RUN_SECONDS = 120


@dataclass(frozen=True)
class Shape:
    """How the closed loop is made: `connections * streams` requests are always in flight."""

    connections: int
    streams: int
    http1: bool = False


GRPC = Shape(connections=8, streams=16)
"""As a gateway does: a few connections, many requests on each."""
VARIED = Shape(connections=1, streams=128)
"""For many URLs: each connection goes through the same list, so one makes all requests differ."""
REST = Shape(connections=32, streams=1, http1=True)
"""HTTP/1.1 has one request on a connection; 32 keep the server's core busy."""


@dataclass(frozen=True)
class Outcome:
    """What h2load reports."""

    requests: int
    succeeded: int
    """Answered with a 2xx status. A gRPC error is one too: see `body_bytes`."""
    seconds: float
    body_bytes: int
    """Payload of all DATA frames: a gRPC error has none."""


class LoadFailed(Exception):
    """h2load did not run, or not all requests were answered as they must be."""


_FINISHED = re.compile(r"finished in ([0-9.]+)(us|ms|s),")
_REQUESTS = re.compile(r"requests: (\d+) total, .* (\d+) done, (\d+) succeeded, (\d+) failed")
_STATUS = re.compile(r"status codes: (\d+) 2xx")
_TRAFFIC = re.compile(r"traffic: .*headers.*, \S+ \((\d+)\) data")
_UNIT = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def run(
    tool: Path,
    core: int | None,
    url: str | Path,
    requests: int,
    shape: Shape,
    headers: Mapping[str, str],
    body: Path | None = None,
) -> Outcome:
    """Send `requests` requests from `core` (None: any) to a URL, or to the URLs of a file in turn.

    Raises:
        LoadFailed: Not every request was answered with a 2xx status.
    """
    clients = min(shape.connections, requests)
    command = [str(tool), "-t", "1", "-n", str(requests), "-c", str(clients)]
    command += ["--h1"] if shape.http1 else ["-m", str(shape.streams)]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if body:
        command += ["-d", str(body)]
    command += ["-i", str(url)] if isinstance(url, Path) else [url]
    with on_core(core) if core is not None else nullcontext():
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
    if done.returncode:
        raise LoadFailed(f"h2load ended with {done.returncode}: {done.stderr[-500:]}")
    return parse(done.stdout)


def parse(text: str) -> Outcome:
    """Read h2load's closing lines. Raises LoadFailed when they are not there, or tell of losses."""
    finished, counts = _FINISHED.search(text), _REQUESTS.search(text)
    status, traffic = _STATUS.search(text), _TRAFFIC.search(text)
    if not (finished and counts and status and traffic):
        raise LoadFailed(f"h2load's output is not understood:\n{text[-1000:]}")
    total, done, succeeded, failed = (int(group) for group in counts.groups())
    if not total == done == succeeded == int(status[1]) or failed:
        raise LoadFailed(f"not every request succeeded:\n{counts[0]}\n{status[0]}")
    return Outcome(
        requests=total,
        succeeded=succeeded,
        seconds=float(finished[1]) * _UNIT[finished[2]],
        body_bytes=int(traffic[1]),
    )
