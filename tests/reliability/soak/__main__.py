"""`make soak`: see docs/reliability.md. Ends with 1 when something grows, is left or is wrong."""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.x509 import DNSName

from callout.serve.tied import tied
from callout.testing import tools
from callout.testing.envoy import Envoy
from callout.testing.redis import RedisServer
from tests.contract.certificates import Authority
from tests.end_to_end.serve import Serve, patient
from tests.load import envoy as doors
from tests.load import h2load, payloads
from tests.load.processes import free_port
from tests.load.services import World
from tests.reliability.soak.watch import Sample, Slope, held, slope

CLIENTS: Final = 2
CHUNK: Final = 50_000
"""Requests through Envoy in one run of h2load."""
UNSEEN: Final = {"Worker._collect", "_set_result_unless_cancelled"}
"""Timers that are not counted."""
SETTLE: Final = 60.0
"""Seconds after the last call in which everything must have been let go: a timer that was set for
the deadline of a call (30 s) stays until then, also when the call has ended."""
RIGHT: Final = {"right", "cancelled", "deadline_exceeded"}
"""How a call may end: two in a hundred are given up by their clients."""
MOST_REFUSED: Final = 0.05
"""Part of the calls that may be refused for overload: clients and service share their cores."""
FIRST: Final = 200
"""Calls before it is seen what is open: some of it begins with the first call and stays."""


@dataclass(frozen=True)
class Load:
    """What is sent to one service."""

    name: str
    calls: int
    """By grpcio clients."""
    through_envoy: int
    """Requests through a real Envoy: a Check and a limit each."""
    connections: int


@dataclass
class Result:
    """What came of one load."""

    load: Load
    seconds: float
    samples: list[Sample]
    calls: Counter[str]
    connections: Counter[str]
    decisions: int
    refused: int
    """For overload, as the service counted."""
    before: dict[str, int]
    """What was open after the first calls, by name."""
    after: dict[str, int]
    """The same when the last client was gone."""

    def slopes(self) -> dict[str, Slope]:
        """Of each process's memory."""
        return {role: slope(self.samples, role) for role in self.samples[-1].held}

    def findings(self) -> list[str]:
        """What is not as it must be."""
        calls = +Counter(self.calls)
        if self.refused <= MOST_REFUSED * sum(calls.values()):
            calls["failure"] -= self.refused
        found = [f"{n} calls ended {word}" for word, n in (+calls).items() if word not in RIGHT]
        if lost := self.connections["unanswered"]:
            found.append(f"{lost} connections were not answered")
        found += [
            f"{role} grows by {each.bytes_a_million / 1024:.0f} KiB a million calls"
            for role, each in self.slopes().items()
            if not each.flat
        ]
        found += [
            f"{name}: {self.before.get(name, 0)} before, {n} after"
            for name, n in self.after.items()
            if n > self.before.get(name, 0)
        ]
        return found


class Children:
    """Client processes, and the last line that each has written."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._said: dict[int, Counter[str]] = {}

    def start(self, module: str, *arguments: object) -> None:
        """Starts `python -m tests.reliability.soak.MODULE`."""
        command = [sys.executable, "-m", f"tests.reliability.soak.{module}", *map(str, arguments)]
        child = subprocess.Popen(
            tied(command), stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )
        self._processes.append(child)
        threading.Thread(target=self._listen, args=(child,), daemon=True).start()

    def _listen(self, child: "subprocess.Popen[str]") -> None:
        for line in child.stdout or ():
            self._said[child.pid] = Counter(json.loads(line))

    def seen(self) -> Counter[str]:
        """All of them together."""
        return sum(list(self._said.values()), Counter())

    def running(self) -> bool:
        """Whether one is at work; raises RuntimeError when one has failed."""
        codes = [each.poll() for each in self._processes]
        if any(codes):
            raise RuntimeError(f"a client ended with {codes}")
        return None in codes

    def close(self) -> None:
        """Kills what is left."""
        for each in self._processes:
            each.kill()
            each.wait()


def soak(load: Load, world: World, every: float, tell: Callable[[str], None]) -> Result:
    """Runs one load against a service of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=world.folder)))
        redis = RedisServer(_made(folder / "redis"))
        stack.callback(redis.close)
        flags = ["--redis", redis.url, "--workers", "1"]
        environ = {}
        authority: Path | None = None
        if load.name == "tls":
            made = Authority(_made(folder / "tls"))
            pair = made.issue("server", DNSName("localhost"))
            authority = made.cert
            environ = {"GATEWRIGHT_TLS__CERT": str(pair.cert), "GATEWRIGHT_TLS__KEY": str(pair.key)}
            pair.key.chmod(0o600)
        serve = Serve(_made(folder / "serve"), world.bundle(), *flags, environ=environ)
        stack.callback(serve.close)
        first, calls, connections = Children(), Children(), Children()
        for each in (first, calls, connections):
            stack.callback(each.close)
        key = folder / "key.pem"
        key.write_bytes(
            world.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        address = serve.grpc.replace("127.0.0.1", "localhost") if authority else serve.grpc
        ca = (authority,) if authority else ()
        first.start("calls", address, FIRST, CLIENTS, key, *ca)
        while first.running():
            time.sleep(0.1)
        time.sleep(min(SETTLE, load.calls / 1000))
        before = left(serve)
        for seed in range(CLIENTS if load.calls else 0):
            calls.start("calls", address, load.calls // CLIENTS, seed, key, *ca)
        if load.connections:
            connections.start("connections", serve.grpc, load.connections, 1, *ca)
        through = Gateway(load.through_envoy)
        if load.through_envoy:
            stack.enter_context(through.running(_made(folder / "envoy"), serve.grpc))
        started = time.monotonic()
        samples: list[Sample] = []
        told = 0.0
        while calls.running() or connections.running() or through.is_running():
            time.sleep(every)
            samples.append(_sample(serve, calls, connections, through))
            if time.monotonic() - told > 30.0:
                told = time.monotonic()
                tell(_words(load.name, samples[-1], told - started))
        seconds = time.monotonic() - started
        samples.append(_sample(serve, calls, connections, through))
        through.close()
        after = _settled(serve, before)
        ended = calls.seen()
        ended["unanswered through Envoy"] += through.failed
        return Result(
            load=load,
            seconds=seconds,
            samples=samples,
            calls=+ended,
            connections=connections.seen(),
            decisions=int(serve.metric("gatewright_decisions_total")),
            refused=int(serve.metric("gatewright_decisions_total", reason="overload")),
            before=before,
            after=after,
        )


class Gateway:
    """A real Envoy that asks for a Check and a limit each, under h2load."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self.done = 0
        self.failed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._envoy: Envoy | None = None
        self._url = ""

    @contextmanager
    def running(self, folder: Path, callout: str) -> Iterator[None]:
        """Until the block ends."""
        ports = {name: free_port() for name in doors.DOORS}
        port = int(callout.rpartition(":")[2])
        # Patient: both cores are as busy as can be, and a denial in Envoy's own time limit is none
        # of ours.
        self._envoy = Envoy(folder, patient(doors.bootstrap(ports, free_port(), port)))
        self._url = f"http://127.0.0.1:{ports['both']}/orders/1"
        self._thread.start()
        try:
            yield
        finally:
            self.close()

    def is_running(self) -> bool:
        """Whether requests are left to be sent."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Ends Envoy, and with it its connections."""
        if self._envoy is not None:
            self._envoy.close()

    def _run(self) -> None:
        headers = {":authority": payloads.ENVOY_HOST, "x-user": payloads.ALLOWED_USER}
        tool, shape = tools.require("h2load"), h2load.Shape(connections=4, streams=16)
        while self.done < self._requests:
            count = min(CHUNK, self._requests - self.done)
            try:
                h2load.run(tool, None, self._url, count, shape, headers)
            except h2load.LoadFailed as error:
                self.failed += 1
                print(error, file=sys.stderr)
            self.done += count


def left(serve: Serve) -> dict[str, int]:
    """What is open in the service now that nobody calls."""
    found: dict[str, int] = {}
    for role, pid in _roles(serve).items():
        now = held(pid)
        found[f"descriptors of {role}"] = now.descriptors
        found[f"threads of {role}"] = now.threads
    workers = json.loads(serve.admin("/debug/connections")[1])["workers"]
    for place, now in workers.items():
        found[f"tasks of worker {place}"] = now["tasks"]
        # What is set before a bundle is loaded is frozen with it and not seen until it is set
        # again: the collector's after ten minutes. The sleeps of tasks are counted as tasks.
        timers = Counter(each for each in now["timers"] if each not in UNSEEN)
        for name, count in timers.items():
            found[f"timers of worker {place}, {name}"] = count
    found["open connections"] = int(serve.metric("gatewright_transport_open_connections"))
    found["calls in flight"] = int(serve.metric("gatewright_in_flight"))
    return found


def _settled(serve: Serve, before: dict[str, int]) -> dict[str, int]:
    """What is open when nothing is left, or when that takes too long."""
    end = time.monotonic() + SETTLE
    while True:
        time.sleep(2.0)
        after = left(serve)
        if time.monotonic() > end or all(n <= before.get(name, 0) for name, n in after.items()):
            return after


def _roles(serve: Serve) -> dict[str, int]:
    workers = {f"worker {place}": pid for place, pid in enumerate(sorted(serve.workers()))}
    return {"supervisor": serve.process.pid, **workers}


def _sample(serve: Serve, calls: Children, connections: Children, through: Gateway) -> Sample:
    return Sample(
        calls=sum(calls.seen().values()) + 2 * through.done,
        connections=sum(connections.seen().values()),
        held={role: held(pid) for role, pid in _roles(serve).items()},
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _words(name: str, sample: Sample, seconds: float) -> str:
    memory = ", ".join(f"{role} {now.resident >> 20} MiB" for role, now in sample.held.items())
    return (
        f"{name}: {seconds:.0f} s, {sample.calls} calls, {sample.connections} connections; {memory}"
    )


def table(results: Sequence[Result]) -> str:
    """Markdown."""
    lines = [
        "| service | decisions | connections | minutes | process "
        "| memory after a third, at the end | slope a million calls |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in results:
        early = next(s for s in each.samples if s.calls >= each.samples[-1].calls / 3)
        for role, line in each.slopes().items():
            first, last = early.held[role].resident, each.samples[-1].held[role].resident
            lines.append(
                f"| {each.load.name} | {each.decisions:,} | {sum(each.connections.values()):,} "
                f"| {each.seconds / 60:.0f} | {role} | {first / 2**20:.1f}, {last / 2**20:.1f} MiB "
                f"| {line.bytes_a_million / 1024:+.0f} ± {2 * line.error / 1024:.0f} KiB |"
            )
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.soak")
    parser.add_argument("--part", type=float, default=1.0, help="of the whole, for a short run")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between samples")
    options = parser.parse_args(argv)
    part: float = options.part
    loads = [
        Load("plain", int(8e6 * part), int(1e6 * part), int(1e6 * part)),
        Load("tls", int(2e5 * part), 0, int(5e4 * part)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        results = [soak(each, world, options.every, _say) for each in loads]
    print(table(results))
    wrong = False
    for each in results:
        print(f"\n{each.load.name}: calls {dict(each.calls)}, refused for overload {each.refused}")
        print(f"connections {dict(each.connections)}")
        for finding in each.findings():
            wrong = True
            print(f"{each.load.name}: {finding}")
    return int(wrong)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
