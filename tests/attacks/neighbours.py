"""How long well-behaved clients wait while a server is attacked, and what the server counted."""

import contextlib
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import grpc
from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.grpc_client import Client
from callout.testing.requests import check_request, rate_limit_request
from tests.attacks.attacks import ATTACKS, Attack
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy

QUIET: Final = 0.8
ATTACKED: Final = 2.4
"""Seconds of the windows, which alternate; the limits of time (`ENVIRON`) are a second, and looked
at once a second."""
PAUSE: Final = 0.3
"""Seconds between them that belong to none."""
ROUNDS: Final = 3
RATE: Final = 250.0
"""Requests a second, at most."""
CONNECTIONS: Final = 4
PATIENCE: Final = 2.0
"""Seconds that a call may take: longer than any answer of ours takes by itself."""
FLOOR: Final = 0.005
"""Seconds of a p99 that are fine whatever it was before: a worker that is attacked never sleeps,
and whoever else wants its processor has it for a slice of about 3 ms, one after the other. A
fortieth of what Envoy gives ext_authz by default."""

BUNDLE: Final = {
    "all.yaml": policy("all", f"{OPEN}\nlimits: [{{name: each, by: [address], rate: 1000000/s}}]"),
    **EVERYBODY,
}
ENVIRON: Final = {
    "GATEWRIGHT_CONNECTIONS__MAX": "200",
    "GATEWRIGHT_CONNECTIONS__IDLE": "1",
    "GATEWRIGHT_CONNECTIONS__STALLED": "1",
    "GATEWRIGHT_CONNECTIONS__REQUEST_SECONDS": "1",
    "GATEWRIGHT_CONNECTIONS__MAX_BUFFERED": str(1 << 20),
    "GATEWRIGHT_HTTP2__SETTINGS_SECONDS": "1",
    "GATEWRIGHT_HTTP2__FRAME_SECONDS": "1",
}
"""Times that tests can wait for."""

DESCRIPTOR: Final = {
    "host": "shop.example",
    "path": "/",
    "method": "GET",
    "remote_address": "192.0.2.1",
}


@dataclass(frozen=True)
class Noticed:
    """What well-behaved clients noticed of an attacker."""

    before: float
    """Seconds: median of the p99 of the quiet windows, over both faces."""
    during: float
    worked_before: float
    """The same in processor time of the worker between a request and its answer. On a machine that
    is busy with other things, this says what of the latency is the server's."""
    worked: float
    asked: int
    """Requests of well-behaved clients during the attack."""
    failed: Counter[str]
    """Those that were not answered rightly, by their answer."""
    busy: float
    """Share of a processor that the worker took meanwhile."""

    @property
    def is_fine(self) -> bool:
        """Whether the others did not notice."""
        return not self.failed and self.is_quick

    @property
    def is_quick(self) -> bool:
        """Whether the others were answered as soon as before, or would have been if the worker had
        had its processor for itself."""
        return min(self.during, self.worked) <= max(2 * self.before, FLOOR)


@dataclass(frozen=True)
class Seen(Noticed):
    """Of one attack."""

    attack: Attack
    ended: float
    """Connections that were ended for the attack's reason."""
    refused: float


@dataclass(frozen=True)
class Asked:
    """One request of a well-behaved client."""

    at: float
    seconds: float
    worked: float
    """Seconds of the worker's processor time until the answer."""
    wrong: str
    """The answer, if it is not the right one."""


class Neighbours:
    """Well-behaved clients: grpcio, some connections, each asks both faces at its own pace."""

    def __init__(
        self, serve: Serve, connections: int, credentials: grpc.ChannelCredentials | None
    ) -> None:
        self._address = serve.grpc
        self._credentials = credentials
        self._pause = 2 * connections / RATE
        (self._worker,) = serve.workers()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(connections)]
        self.asked: list[Asked] = []

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def processor_time(self) -> float:
        """Seconds, of the worker: the clock of another process (clock_getcpuclockid(3))."""
        return time.clock_gettime(~self._worker << 3 | 2)

    def _run(self) -> None:
        check, limit = check_request(), rate_limit_request("gatewright", DESCRIPTOR)
        with Client(self._address, self._credentials) as client:
            while not self._stop.wait(self._pause):
                self._ask(lambda: client.check(check, PATIENCE).HasField("ok_response"))
                self._ask(
                    lambda: (
                        client.should_rate_limit(limit, PATIENCE).overall_code
                        == rls_pb2.RateLimitResponse.OK
                    )
                )

    def _ask(self, ask: Callable[[], bool]) -> None:
        asked, worked = time.monotonic(), self.processor_time()
        try:
            wrong = "" if ask() else "denied"
        except grpc.RpcError as error:
            wrong = error.code().name.lower()
        worked = self.processor_time() - worked
        self.asked.append(Asked(asked, time.monotonic() - asked, worked, wrong))

    def within(self, windows: list[tuple[float, float]]) -> list[list[Asked]]:
        """What was asked in each of them."""
        return [[each for each in self.asked if a <= each.at < b] for a, b in windows]


@contextlib.contextmanager
def processors(serve: Serve) -> Iterator[None]:
    """One processor for the worker, another one for clients and attackers."""
    mine = os.sched_getaffinity(0)
    if len(mine) == 1:
        yield
        return
    server, clients, *_ = sorted(mine)
    for pid in serve.workers():
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {server})
    os.sched_setaffinity(0, {clients})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


@contextlib.contextmanager
def attacker(module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready to attack."""
    command = [sys.executable, "-m", f"tests.attacks.{module}", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            _told(process)
            yield process
        finally:
            process.kill()


def _told(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline(), "the attacker failed"


def _tell(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


def watch(serve: Serve, number: int, rounds: int = ROUNDS) -> Seen:
    """Attack a server again and again, and see."""
    attack = ATTACKS[number]
    noticed = notice(serve, "attacker", str(number), rounds=rounds)
    return Seen(
        **vars(noticed),
        attack=attack,
        ended=_counted(serve, "terminated", attack.ended),
        refused=_counted(serve, "refused", attack.refused),
    )


def notice(
    serve: Serve,
    module: str,
    *arguments: str,
    rounds: int,
    connections: int = CONNECTIONS,
    credentials: grpc.ChannelCredentials | None = None,
) -> Noticed:
    """Let an attacker of ours, a module, attack a server again and again.

    `connections` and `credentials` are those of the others.
    """
    calm: list[tuple[float, float]] = []
    harassed: list[tuple[float, float]] = []
    busy = 0.0
    with (
        processors(serve),
        attacker(module, serve.grpc, *arguments) as process,
        Neighbours(serve, connections, credentials) as clients,
    ):
        for _ in range(rounds):
            time.sleep(PAUSE)
            calm.append(_window(QUIET))
            worked = clients.processor_time()
            _tell(process)
            harassed.append(_window(ATTACKED))
            busy += clients.processor_time() - worked
            _tell(process)
            _told(process)
    time.sleep(0.7)  # workers write down what they counted twice a second
    before, during = clients.within(calm), clients.within(harassed)
    return Noticed(
        before=_slowest(before, lambda each: each.seconds),
        during=_slowest(during, lambda each: each.seconds),
        worked_before=_slowest(before, lambda each: each.worked),
        worked=_slowest(during, lambda each: each.worked),
        asked=sum(map(len, during)),
        failed=Counter(each.wrong for window in during for each in window if each.wrong),
        busy=busy / (rounds * ATTACKED),
    )


def _window(seconds: float) -> tuple[float, float]:
    begun = time.monotonic()
    time.sleep(seconds)
    return begun, time.monotonic()


def _slowest(windows: list[list[Asked]], seconds: Callable[[Asked], float]) -> float:
    """The median of the windows' p99."""
    return statistics.median(
        sorted(map(seconds, window))[int(len(window) * 0.99)] if window else math.inf
        for window in windows
    )


def _counted(serve: Serve, kind: str, reason: str) -> float:
    if not reason:
        return 0.0
    return serve.metric(f"gatewright_transport_{kind}_total", reason=reason)
