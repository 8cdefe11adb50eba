"""What is measured: each scenario starts its contenders and gives one lane for each of them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.load import guard, h2load, payloads, services
from tests.load.processes import Process
from tests.load.services import World

OWN = "gatewright"
OWN_GRPCIO = "gatewright, grpcio transport"
OWN_MEMORY = "gatewright, counters in memory"
OWN_CLUSTER = "gatewright, Redis Cluster of three"
YARDSTICK = "yardstick: stock grpcio, the rule in Python"
YARDSTICK_LIMIT = "yardstick: stock grpcio, counters in a dict"
OPA = "opa run --server, REST"
GRPC_HEADERS = {"content-type": "application/grpc", "te": "trailers"}


@dataclass(frozen=True)
class Lane:
    """One contender in one scenario: what h2load sends to it, and whose time is counted."""

    name: str
    url: str | Path
    """A file of URLs: they are asked for in turn."""
    headers: Mapping[str, str]
    body: Path | None
    shape: h2load.Shape
    answer: int
    """Bytes of body of one right answer, as the guard saw it."""
    process: Process | None
    """The service; None: a peer whose process is not known."""
    beside: tuple[Process, ...] = ()
    """What works for the service on the other core: Redis, Envoy."""
    spread: int = 0
    """By how many bytes a right answer may differ: a reset in seconds is a varint."""
    varied: bool = False
    """No two requests are alike: see varied.py."""


@dataclass(frozen=True)
class Goal:
    """A bound that issue and documentation promise, on processor time a request."""

    lane: str
    part: float
    """At most this part ..."""
    of: str
    """... of this lane's."""
    words: str


@dataclass(frozen=True)
class SideGoal:
    """A bound on what a helper on the other core spends for one request."""

    lane: str
    process: str
    microseconds: float
    words: str


Opener = Callable[[World, list[str]], AbstractContextManager[list[Lane]]]


@dataclass(frozen=True)
class Scenario:
    """One table of the report. `open` gets a list that takes notes, such as a peer left out."""

    key: str
    title: str
    open: Opener
    goals: tuple[Goal | SideGoal, ...] = ()


Guard = Callable[[str, payloads.Exchange], int]


def _grpc_lane(
    world: World,
    name: str,
    service: tuple[Process | None, str],
    exchange: payloads.Exchange,
    check: Guard,
    beside: tuple[Process, ...] = (),
    spread: int = 0,
    varied: bool = False,
) -> Lane:
    process, address = service
    body = world.folder / f"{hashlib.sha256(exchange.allowed).hexdigest()[:12]}.grpc"
    body.write_bytes(payloads.framed(exchange.allowed))
    return Lane(
        name=name,
        url=f"http://{address}{exchange.path}",
        headers=GRPC_HEADERS,
        body=body,
        shape=h2load.GRPC,
        answer=check(address, exchange),
        process=process,
        beside=beside,
        spread=spread,
        varied=varied,
    )


def _peers(
    world: World, exchange: payloads.Exchange, check: Guard, notes: list[str], spread: int = 0
) -> Iterator[Lane]:
    for peer in world.peers:
        service = (peer.process, peer.address)
        try:
            yield _grpc_lane(world, peer.name, service, exchange, check, spread=spread)
        except guard.WrongAnswer as error:
            notes.append(f"{peer.name} was left out: {error}")


@contextmanager
def _check(world: World, notes: list[str]) -> Iterator[list[Lane]]:
    exchange = payloads.check()
    with ExitStack() as stack:
        own = stack.enter_context(services.gatewright(world, "own"))
        grpcio = stack.enter_context(services.gatewright(world, "grpcio"))
        stock = stack.enter_context(services.yardstick(world))
        opa_process, opa_address = stack.enter_context(services.opa(world))
        path = "/v1/data/rbac/allow"
        document = world.folder / "input.json"
        document.write_bytes(payloads.opa_input(payloads.ALLOWED_USER))
        opa = Lane(
            name=OPA,
            url=f"http://{opa_address}{path}",
            headers={"content-type": "application/json"},
            body=document,
            shape=h2load.REST,
            answer=guard.opa(opa_address, path),
            process=opa_process,
        )
        yield [
            _grpc_lane(world, OWN, own, exchange, guard.check),
            _grpc_lane(world, OWN_GRPCIO, grpcio, exchange, guard.check),
            _grpc_lane(world, YARDSTICK, stock, exchange, guard.check),
            opa,
            *_peers(world, exchange, guard.check, notes),
        ]


@contextmanager
def _jwt(world: World, notes: list[str]) -> Iterator[list[Lane]]:
    exchange = payloads.check_with_jwt(world.key)
    with ExitStack() as stack:
        own = stack.enter_context(services.gatewright(world, "own"))
        grpcio = stack.enter_context(services.gatewright(world, "grpcio"))
        stock = stack.enter_context(services.yardstick(world))
        yield [
            _grpc_lane(world, OWN, own, exchange, guard.check),
            _grpc_lane(world, OWN_GRPCIO, grpcio, exchange, guard.check),
            _grpc_lane(world, YARDSTICK, stock, exchange, guard.check),
            *_peers(world, exchange, guard.check, notes),
        ]


def _limit(descriptors: int) -> Opener:
    @contextmanager
    def opened(world: World, notes: list[str]) -> Iterator[list[Lane]]:
        exchange = payloads.limit(descriptors)
        with ExitStack() as stack:
            redis, url = stack.enter_context(services.redis(world))
            nodes, cluster = stack.enter_context(services.redis_cluster(world))
            own = stack.enter_context(services.gatewright(world, "own", url))
            of_cluster = stack.enter_context(services.gatewright(world, "own", cluster))
            grpcio = stack.enter_context(services.gatewright(world, "grpcio", url))
            memory = stack.enter_context(services.gatewright(world, "own"))
            stock = stack.enter_context(services.yardstick(world))
            # the reset, in seconds of an hour, takes one byte or two in each status
            spread = descriptors
            yield [
                _grpc_lane(world, OWN, own, exchange, guard.limit, (redis,), spread),
                _grpc_lane(world, OWN_CLUSTER, of_cluster, exchange, guard.limit, nodes, spread),
                _grpc_lane(world, OWN_GRPCIO, grpcio, exchange, guard.limit, (redis,), spread),
                _grpc_lane(world, OWN_MEMORY, memory, exchange, guard.limit, (), spread),
                _grpc_lane(world, YARDSTICK_LIMIT, stock, exchange, guard.limit, (), spread),
                *_peers(world, exchange, guard.limit, notes, spread),
            ]

    return opened


def _unique(descriptors: int) -> Opener:
    """Every request has keys that nobody had before."""

    @contextmanager
    def opened(world: World, _: list[str]) -> Iterator[list[Lane]]:
        exchange = payloads.unique(descriptors)
        with ExitStack() as stack:
            redis, url = stack.enter_context(services.redis(world))
            own = stack.enter_context(services.gatewright(world, "own", url))
            memory = stack.enter_context(services.gatewright(world, "own"))
            stock = stack.enter_context(services.yardstick(world))
            contenders: list[tuple[str, tuple[Process, str], tuple[Process, ...]]] = [
                (OWN, own, (redis,)),
                (OWN_MEMORY, memory, ()),
                (YARDSTICK_LIMIT, stock, ()),
            ]
            yield [
                _grpc_lane(world, name, each, exchange, guard.limit, beside, descriptors, True)
                for name, each, beside in contenders
            ]

    return opened


@contextmanager
def _envoy(world: World, notes: list[str]) -> Iterator[list[Lane]]:
    headers = payloads.BROWSER | {
        ":authority": payloads.ENVOY_HOST,
        "x-user": payloads.ALLOWED_USER,
    }
    with ExitStack() as stack:
        redis, url = stack.enter_context(services.redis(world))
        own, address = stack.enter_context(services.gatewright(world, "own", url))
        gateway, doors = stack.enter_context(services.gateway(world, address))
        yield [
            Lane(
                name=name,
                url=_urls(world, door),
                headers=headers,
                body=None,
                shape=h2load.VARIED,
                answer=guard.gateway(door, name in ("ext_authz", "both"), name in LIMITING),
                process=own,
                beside=(gateway, redis),
            )
            for name, door in doors.items()
        ]


def _urls(world: World, address: str) -> Path:
    file = world.folder / f"{address}.urls"
    file.write_text("".join(f"http://{address}{path}\n" for path in payloads.paths()))
    return file


LIMITING = ("rate limit", "both")

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "check",
        "Check: RBAC in process, anonymous, a browser's CheckRequest with 16 headers",
        _check,
        (
            Goal(OWN, 1 / 4, YARDSTICK, "a quarter"),
            Goal(OWN, 1 / 3, OPA, "a third"),
        ),
    ),
    Scenario(
        "jwt",
        "Check with a JWT (ES256) on every request",
        _jwt,
        (Goal(OWN, 1 / 3, YARDSTICK, "a third"),),
    ),
    Scenario(
        "limit-1",
        "ShouldRateLimit, one descriptor, always the same, Redis",
        _limit(1),
        (
            Goal(OWN, 1 / 7, YARDSTICK_LIMIT, "a seventh"),
            Goal(OWN_MEMORY, 1 / 7, YARDSTICK_LIMIT, "a seventh"),
            SideGoal(OWN, "redis", 4.0, "Redis' own"),
        ),
    ),
    Scenario(
        "limit-2",
        "ShouldRateLimit, two descriptors, always the same, Redis",
        _limit(2),
        (
            Goal(OWN, 1 / 6, YARDSTICK_LIMIT, "a sixth"),
            Goal(OWN_MEMORY, 1 / 6, YARDSTICK_LIMIT, "a sixth"),
        ),
    ),
    Scenario(
        "unique-1",
        "ShouldRateLimit, one descriptor, another one in every request, Redis",
        _unique(1),
        (
            Goal(OWN, 1 / 7, YARDSTICK_LIMIT, "a seventh"),
            Goal(OWN_MEMORY, 1 / 7, YARDSTICK_LIMIT, "a seventh"),
        ),
    ),
    Scenario(
        "unique-2",
        "ShouldRateLimit, two descriptors, others in every request, Redis",
        _unique(2),
        (
            Goal(OWN, 1 / 6, YARDSTICK_LIMIT, "a sixth"),
            Goal(OWN_MEMORY, 1 / 6, YARDSTICK_LIMIT, "a sixth"),
        ),
    ),
    Scenario("envoy", "Through one Envoy worker, every request another path", _envoy),
)
