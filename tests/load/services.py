"""How each contender is started: Gatewright, the yardstick, OPA, Redis, Envoy, a peer."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec

from callout.testing import tools
from callout.testing.redis_cluster import RedisCluster
from tests.load import envoy, payloads
from tests.load.machine import Cores, cores, on_core
from tests.load.processes import DidNotStart, Process, free_port, running

BUNDLE = Path(__file__).parent / "bundle"
DATA = BUNDLE / "rego" / "rbac.json"
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Peer:
    """A server that someone else has started and that speaks the same API."""

    name: str
    address: str
    process: Process | None
    """None: its processor time is not known."""


@dataclass(frozen=True)
class World:
    """What all scenarios share."""

    folder: Path
    """Empty at first, ours alone."""
    cores: Cores = field(default_factory=cores)
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    peers: tuple[Peer, ...] = ()

    def bundle(self) -> Path:
        """A copy of the benchmark's bundle, with the public key of this run, Rego compiled."""
        copy = self.folder / "bundle"
        if not copy.exists():
            shutil.copytree(BUNDLE, copy)
            payloads.write_jwks(self.key, copy / "jwks" / "bench.json")
            _run_build(copy)
        return copy


def _run_build(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gatewright", "build", str(bundle)],
        env=with_opa(),
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
        check=False,
    )
    if done.returncode:
        raise DidNotStart(f"gatewright build ended with {done.returncode}:\n{done.stderr}")


def with_opa() -> dict[str, str]:
    """The environment, with the `opa` that we measure on the path: it compiles in a second."""
    return {**os.environ, "PATH": f"{tools.find('opa').parent}:{os.environ['PATH']}"}


@contextmanager
def gatewright(
    world: World,
    transport: Literal["own", "grpcio"],
    redis: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[tuple[Process, str]]:
    """One worker with both faces; gives the process and the address of its gRPC listener.

    Args:
        world: what is shared.
        transport: of ours.
        redis: where counters are; None: in memory.
        settings: more of them, as environment variables.
    """
    port, admin = free_port(), free_port()
    command: list[str | Path] = [sys.executable, "-m", "gatewright", "serve"]
    command += ["--bundle", world.bundle(), "--workers", "1", "--transport", transport]
    command += ["--grpc", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    command += ["--faces", "authz,limit"]
    if redis:
        command += ["--redis", redis]
    name = f"gatewright, {transport} transport"
    environ = with_opa() | dict(settings or {})
    with running(name, command, port, world.cores.service, environ) as process:
        _wait_until_ready(name, admin)
        yield process, f"127.0.0.1:{port}"


def _wait_until_ready(name: str, admin: int) -> None:
    end = time.monotonic() + READY_SECONDS
    said = "nothing"
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace")
            if answer.status == 200:
                return
        except OSError as error:
            said = str(error)
        finally:
            connection.close()
        time.sleep(0.1)
    raise DidNotStart(f"{name} is not ready after {READY_SECONDS:.0f} s: {said}")


@contextmanager
def yardstick(world: World) -> Iterator[tuple[Process, str]]:
    """The stock grpcio server."""
    port = free_port()
    command = [sys.executable, "-m", "tests.load.yardstick.server"]
    command += ["--grpc", f"127.0.0.1:{port}", "--data", str(DATA)]
    with running("yardstick", command, port, world.cores.service) as process:
        yield process, f"127.0.0.1:{port}"


@contextmanager
def opa(world: World) -> Iterator[tuple[Process, str]]:
    """`opa run --server` with the benchmark's own policy and data."""
    port = free_port()
    command: list[str | Path] = [tools.find("opa"), "run", "--server", "--log-level", "error"]
    command += ["--disable-telemetry", "--addr", f"127.0.0.1:{port}"]
    command += [BUNDLE / "rego" / "rbac", DATA]
    with running("opa", command, port, world.cores.service) as process:
        yield process, f"127.0.0.1:{port}"


@contextmanager
def redis(world: World) -> Iterator[tuple[Process, str]]:
    """A Redis that keeps nothing; gives the process and its URL."""
    port = free_port()
    command: list[str | Path] = [tools.find("redis-server"), "--port", str(port)]
    command += ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    command += ["--dir", world.folder]
    with running("redis", command, port, world.cores.load) as process:
        yield process, f"redis://127.0.0.1:{port}"


@contextmanager
def redis_cluster(world: World) -> Iterator[tuple[tuple[Process, ...], str]]:
    """Three masters, each with a replica; gives the masters' processes and the URL of all."""
    with (
        tempfile.TemporaryDirectory(dir=world.folder) as folder,
        on_core(world.cores.load),
        closing(RedisCluster(Path(folder))) as cluster,
    ):
        masters = enumerate(cluster.servers[:3], 1)
        yield tuple([Process(f"master {n}", each.pid) for n, each in masters]), cluster.url


@contextmanager
def gateway(world: World, callout: str) -> Iterator[tuple[Process, Mapping[str, str]]]:
    """One Envoy worker; gives the process and the address of each of its doors."""
    doors = {name: free_port() for name in envoy.DOORS}
    upstream = free_port()
    config = world.folder / "envoy.json"
    port = int(callout.rpartition(":")[2])
    config.write_text(json.dumps(envoy.bootstrap(doors, upstream, port)))
    command: list[str | Path] = [tools.find("envoy"), "-c", config, "--concurrency", "1"]
    command += ["--use-dynamic-base-id", "-l", "warning"]
    with running("envoy", command, upstream, world.cores.load) as process:
        yield process, {name: f"127.0.0.1:{port}" for name, port in doors.items()}
