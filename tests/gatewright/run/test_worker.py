"""What a worker process does for itself: its memory, and its descriptors."""

import resource
import subprocess
import sys

import pytest

from callout.config.settings import Settings
from callout.grpc.health import HealthBoard
from callout.serve.counters import Counters
from gatewright.run.options import RESERVED, serve_options


def test_a_worker_takes_as_many_descriptors_as_it_may() -> None:
    code = (
        "import resource; from gatewright.run import worker\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 900))\n"
        "worker.raise_descriptor_limit()\n"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "900 900\n"


@pytest.mark.parametrize(
    ("limit", "connections"), [(1024, 1024 - RESERVED), (10**6, 10_000), (9, 1)]
)
def test_connections_leave_descriptors_for_everything_else(
    monkeypatch: pytest.MonkeyPatch, limit: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    options = serve_options(Settings(), HealthBoard(), Counters())
    assert options.max_connections == connections
