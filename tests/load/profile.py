"""Where a decision's time goes: the services called in process, without a transport.

    python -m tests.load.profile check --vary
    python -m tests.load.profile limit-1 --redis

Prints microseconds a decision, the same for parsing the message alone, and the functions that take
most of it. The profiler itself makes calls dearer than they are: trust the order, not the sum.
"""

import argparse
import asyncio
import cProfile
import gc
import itertools
import pstats
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from callout.config.bundle import read_directory
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from callout.grpc.call import Call, Reply, Status
from callout.observe.decision import Decision
from callout.redis.client import Client
from callout.testing.requests import rate_limit_request
from extauthz.service import AuthorizationService
from gatewright.bundle.sections import SECTIONS
from ratelimit.service import RateLimitService
from ratelimit.stores.memory import MemoryStore
from ratelimit.stores.redis_store import RedisStore
from tests.load import payloads, services

BATCH = 128
"""Decisions in flight, as the benchmark has them: they share a write to Redis."""
DECISIONS = 156 * BATCH
REPEATS = 5
SHOWN = 18
CASES = ("check", "jwt", "limit-1", "limit-2", "limit-policy")

Answer = Reply | Awaitable[Reply]
Decide = Callable[[bytes, Call], Answer]


class Silent:
    """An observer that nobody looks at: neither counts nor shows."""

    wants_text = False

    def sample(self, *_: object) -> float:
        """None is shown."""
        return 0.0

    def decided(self, decision: Decision) -> None:
        """Nothing."""


class NoKeys:
    """The benchmark's keys are in its bundle."""

    def get(self, url: str, kid: str | None, now: float) -> None:
        """None known."""

    def current(self, url: str, now: float) -> None:
        """None known."""


def load(world: services.World) -> Snapshot:
    """The benchmark's bundle, its policy compiled."""
    bundle = read_directory(world.bundle())
    loaded = bundle if isinstance(bundle, Rejected) else build(bundle, SECTIONS)
    if isinstance(loaded, Rejected):
        raise SystemExit("\n".join(str(problem) for problem in loaded.problems))
    return loaded


def messages(case: str, world: services.World, numbers: range) -> list[bytes]:
    """A request of the case for each number, no two alike; 0 is the measured one."""
    if case in ("check", "jwt"):
        exchange = payloads.check() if case == "check" else payloads.check_with_jwt(world.key)
        request = external_auth_pb2.CheckRequest.FromString(exchange.allowed)
        http = request.attributes.request.http
        made = []
        for number in numbers:
            if not number:
                made.append(exchange.allowed)
                continue
            http.path = f"/orders/2024-{number}?expand=lines&currency=EUR"
            http.headers[":path"] = http.path
            http.headers["x-request-id"] = f"0b8c7f5e-3f0a-4d0e-9d53-{number:012x}"
            made.append(request.SerializeToString())
        return made
    if case == "limit-policy":
        return [_policy_limit(number) for number in numbers]
    both = case == "limit-2"
    return [
        rate_limit_request(
            "bench",
            {"remote_address": f"198.51.100.{number + 24}"},
            *([{"user": f"user-{number}", "path": "/orders"}] if both else []),
        ).SerializeToString()
        for number in numbers
    ]


def _policy_limit(number: int) -> bytes:
    """What the rendered gateway sends: one descriptor with constant keys."""
    message: bytes = rate_limit_request(
        "gatewright",
        {
            "host": payloads.ENVOY_HOST,
            "path": f"/orders/2024-{number}?expand=lines&currency=EUR",
            "method": "GET",
            "remote_address": "198.51.100.24",
            "policy": "bench-envoy",
        },
    ).SerializeToString()
    return message


@asynccontextmanager
async def deciding(case: str, world: services.World, redis: str | None) -> AsyncIterator[Decide]:
    """The service's own handler."""
    snapshot = load(world)
    if case in ("check", "jwt"):
        yield AuthorizationService(lambda: snapshot, Silent(), NoKeys()).check
        return
    client = Client(redis) if redis else None
    store = RedisStore(client) if client else MemoryStore()
    if client:
        await client.start()
    yield RateLimitService(lambda: snapshot, store, Silent()).should_rate_limit
    if client:
        await client.close()


async def repeat(decide: Decide, made: Sequence[bytes]) -> float:
    """Seconds for one decision; BATCH of them are asked for before their answers are awaited."""
    call = Call((), None, "127.0.0.1:1")
    source = iter(made)
    started = time.perf_counter()
    for _ in range(len(made) // BATCH):
        later = []
        for message in itertools.islice(source, BATCH):
            answer = decide(message, call)
            if isinstance(answer, Status):
                raise SystemExit(f"not decided: {answer}")
            if not isinstance(answer, bytes):
                later.append(answer)
        if later:
            await asyncio.gather(*later)
    return (time.perf_counter() - started) / len(made)


async def profile(case: str, world: services.World, vary: bool, redis: str | None) -> None:
    """Measure and print."""
    source = _endless(case, world, vary)

    def some() -> list[bytes]:
        return list(itertools.islice(source, DECISIONS))

    kind = external_auth_pb2.CheckRequest if case in ("check", "jwt") else rls_pb2.RateLimitRequest

    async with deciding(case, world, redis) as decide:
        gc.collect()
        gc.freeze()  # as a worker does
        await repeat(decide, some())
        whole = min([await repeat(decide, some()) for _ in range(REPEATS)])
        parse = min([_parsing(kind.FromString, some()) for _ in range(REPEATS)])
        print(f"{case}: {whole * 1e6:.2f} us a decision, of which parsing alone {parse * 1e6:.2f}")
        made = some()
        profiler = cProfile.Profile()
        profiler.enable()
        await repeat(decide, made)
        profiler.disable()
    _show(profiler)


def _endless(case: str, world: services.World, vary: bool) -> Iterator[bytes]:
    """With `vary` none comes twice: services remember what they were asked."""
    if not vary:
        yield from itertools.repeat(messages(case, world, range(1))[0])
    for first in itertools.count(0, DECISIONS):
        yield from messages(case, world, range(first, first + DECISIONS))


def _parsing(parse: Callable[[bytes], object], made: Sequence[bytes]) -> float:
    started = time.perf_counter()
    for message in made:
        parse(message)
    return (time.perf_counter() - started) / len(made)


def _show(profiler: cProfile.Profile) -> None:
    rows = [
        (own, calls, function)
        for function, (_, calls, own, _, _) in pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]  # typeshed leaves it out
    ]
    print("   us  calls  function, each decision (profiled)")
    for own, calls, (file, line, name) in sorted(rows, reverse=True)[:SHOWN]:
        where = f"{Path(file).parent.name}/{Path(file).name}:{line} " if line else ""
        print(f"{own / DECISIONS * 1e6:5.2f} {calls / DECISIONS:6.2f}  {where}{name}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="profile", description=__doc__.split("\n")[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--vary", action="store_true", help="every request is another one")
    parser.add_argument("--redis", action="store_true", help="counters in Redis, not in memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatewright-profile-") as folder:
        world = services.World(Path(folder))
        if options.redis:
            with services.redis(world) as (_, url):
                asyncio.run(profile(options.case, world, options.vary, url))
        else:
            asyncio.run(profile(options.case, world, options.vary, None))


if __name__ == "__main__":
    main()
