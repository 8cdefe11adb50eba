"""One server on one core, the load on another, and what the answers say."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing import tools
from tests.load import h2load, payloads, services
from tests.load.processes import Process, free_port, running
from tests.load.scenarios import GRPC_HEADERS
from tests.load.services import World
from tests.reliability.overload.generator import Order, Outcome, quantile
from tests.reliability.overload.sending import send

Case: TypeAlias = Literal["check", "jwt", "limit", "opa"]
Meaning: TypeAlias = Literal["allowed", "denied", "refused", "failed", "error"]
"""`refused`: by admission control; `failed`: a policy's word for what it could not decide."""
ASKING = """\
apiVersion: bundle/v1
kind: Policy
name: bench
on: [{host: bench.example}]
auth:
  identity: [anonymous: {}]
  decide: {opa: rbac/allow}
  onError: deny(503)
"""

ID = 32
"""Characters of a decision's id, at the end of an answer."""
ALLOWED_OF_EIGHT = 7
"""Requests that may be allowed; the eighth must not be."""
WARM = 10_000
"""Requests of a closed loop, to learn how many are certainly too many."""
OPEN = 1.5
CAPACITY_SECONDS = 2.0
CAPACITY_DEADLINE = 0.05
MOST_STARVED = 0.05
"""Part of a run in which the server may want for its core."""
MOST_LAG = 0.005
"""Seconds that the load may be late."""
MOST_BUSY = 0.95
"""Part of the time for which the load may work."""


@dataclass(frozen=True)
class Server:
    """One that runs."""

    world: World
    case: Case
    process: Process
    address: str
    exchange: payloads.Exchange

    def closed_loop(self, requests: int) -> float:
        """Requests a second, refused ones too."""
        body = self.world.folder / "overload.grpc"
        body.write_bytes(payloads.framed(self.exchange.allowed))
        outcome = h2load.run(
            tools.find("h2load"),
            self.world.cores.load,
            f"http://{self.address}{self.exchange.path}",
            requests,
            h2load.GRPC,
            GRPC_HEADERS,
            body,
        )
        return outcome.requests / outcome.seconds

    def send(
        self, rate: float, seconds: float, deadline: float, burst: int = 0
    ) -> tuple[Outcome, "Figures"]:
        """An open loop, from the core of the load."""
        order = Order(
            self.address,
            self.exchange.path,
            (self.exchange.allowed.hex(),) * ALLOWED_OF_EIGHT + (self.exchange.denied.hex(),),
            rate,
            seconds,
            deadline,
            burst=burst,
            varies=0 if self.case == "limit" else ID,
        )
        starved = self.process.starved_seconds()
        outcome = send(order, self.world.cores.load)
        starved = self.process.starved_seconds() - starved
        return outcome, figures(self.case, outcome, starved, self.process.resident())


def capacity(world: World, case: Case) -> float:
    """Requests a second that are all answered, of far more that are asked and none refused.

    Of the same load as everything else here: a closed loop of one request, again and again, is
    answered half as many times more.
    """
    with server(world, case, admission=False) as running:
        closed = running.closed_loop(WARM)
        outcome, _ = running.send(OPEN * closed, CAPACITY_SECONDS, CAPACITY_DEADLINE)
    return outcome.while_sending / outcome.seconds


@contextmanager
def server(world: World, case: Case, admission: bool) -> Iterator[Server]:
    """A worker with admission control, or without."""
    settings = {} if admission else {"GATEWRIGHT_OVERLOAD__TARGET": "0"}
    if case == "opa":
        with slow_opa(world) as (asking, url):
            settings["GATEWRIGHT_OPA"] = url
            with services.gatewright(asking, "own", None, settings) as (process, address):
                yield Server(world, case, process, address, payloads.check())
        return
    exchange = {
        "check": payloads.check,
        "jwt": lambda: payloads.check_with_jwt(world.key),
        "limit": lambda: payloads.limit(1),
    }[case]()
    with services.redis(world) as (_, url):
        redis = url if case == "limit" else None
        with services.gatewright(world, "own", redis, settings) as (process, address):
            yield Server(world, case, process, address, exchange)


@contextmanager
def slow_opa(world: World) -> Iterator[tuple[World, str]]:
    """An OPA server that takes its time; gives a world whose bundle asks it, and its URL."""
    asking = World(world.folder / "asking", world.cores, world.key)
    bundle = asking.folder / "bundle"
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "bench.yaml").write_text(ASKING)
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.reliability.overload.slow_opa"]
    command += [address, payloads.DENIED_USER]
    with running("slow OPA", command, port, world.cores.load):
        yield asking, f"http://{address}"


@dataclass(frozen=True)
class Figures:
    """Of one run. Times in seconds, rates a second."""

    answered: float
    """Decided by a policy or a limit."""
    refused: float
    late: float
    """Answered after the deadline, or not at all."""
    wrong_allows: int
    other: int
    """Neither decided nor refused: gRPC errors, a policy's word for a failure."""
    p50: float
    p99: float
    """Of the answered."""
    refused_p99: float
    unfair: float
    """The most answers of a connection by the fewest: all ask for the same."""
    starved: float
    """Part of the time in which others had the server's core, although it could have run."""
    lag: float
    """Within which the load itself was on time, 99 of 100 times."""
    busy: float
    """Part of the time for which the load itself worked."""
    resident: float
    """Megabytes of the worker at the end."""

    @property
    def disturbed(self) -> bool:
        """Whether the figures say more of what else ran on the machine."""
        late = self.lag > MOST_LAG or self.busy > MOST_BUSY
        return late or self.starved > MOST_STARVED


def figures(case: Case, outcome: Outcome, starved: float, resident: float) -> Figures:
    """What the answers come to."""
    decided: dict[int, int] = {}
    refused: dict[int, int] = {}
    by_connection: dict[int, int] = {}
    on_time = wrong = other = 0
    for kind in outcome.kinds:
        meaning = meaning_of(case, kind.body)
        count = sum(kind.latencies.values())
        if meaning == "allowed" and kind.message == ALLOWED_OF_EIGHT:
            wrong += count
        if meaning == "failed" and case == "opa":
            meaning = "refused"  # the policy's `onError` is the written verdict
        if meaning in ("failed", "error"):
            other += count
        into = decided if meaning in ("allowed", "denied") else refused
        if into is decided:
            by_connection[kind.connection] = by_connection.get(kind.connection, 0) + count
        if meaning not in ("failed", "error"):
            on_time += kind.on_time
            for bucket, many in kind.latencies.items():
                into[int(bucket)] = into.get(int(bucket), 0) + many
    total = outcome.sent + outcome.unsent
    seconds = outcome.seconds
    return Figures(
        answered=sum(decided.values()) / seconds,
        refused=sum(refused.values()) / seconds,
        late=(total - on_time - other) / seconds,
        wrong_allows=wrong,
        other=other,
        p50=quantile(decided, 0.5),
        p99=quantile(decided, 0.99),
        refused_p99=quantile(refused, 0.99),
        unfair=max(by_connection.values(), default=0)
        / (min(by_connection.values(), default=0) or 1),
        starved=starved / seconds,
        lag=outcome.lag,
        busy=outcome.busy,
        resident=resident,
    )


def meaning_of(case: Case, body: str) -> Meaning:
    """What an answer says."""
    if not body:
        return "error"
    raw = bytes.fromhex(body)
    if case == "limit":
        limits = rls_pb2.RateLimitResponse.FromString(raw)
        if limits.overall_code == rls_pb2.RateLimitResponse.OK:
            return "allowed"
        return "denied" if limits.statuses else "refused"
    answer = external_auth_pb2.CheckResponse.FromString(raw + b"0" * ID)
    if answer.status.code == 0:
        return "allowed"
    if answer.denied_response.status.code != 503:
        return "denied"
    return "failed" if "policy" in answer.dynamic_metadata.fields else "refused"
