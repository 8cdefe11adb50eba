"""A million clients that nobody had seen before: `make unbounded`.

Each request names another client, against every kind of limit in turn, counters in memory and in
Redis. Then the worker's memory, the series of its metrics and the keys of Redis must be as bounded
as they are said to be. Exit status 1: one of them is not.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.redis import RedisServer, until
from callout.testing.requests import rate_limit_request
from tests.end_to_end.serve import LIMIT, Serve, write_bundle
from tests.load import h2load, varied
from tests.load.payloads import framed
from tests.load.processes import Process

REQUESTS: Final = 1_000_000
COUNTERS: Final = 32
"""Mebibytes for counters in memory: the setting `limits.memory`, less than its default, so that it
is full long before the end."""
MOST: Final = 250.0
"""Megabytes that a worker may have more after all of it than before: counters, 16,384 remembered
plans of requests, 65,536 names that have an end of life, and what is known to be over."""
GROWTH: Final = 25.0
"""Megabytes that the second half may add to the first."""
SERIES: Final = 20
"""Series that may come: reasons and buckets, and never one for a client."""
FORGOTTEN: Final = 60.0
"""Seconds within which Redis has forgotten the last of windows of one second."""
UNDECIDED: Final = 0.9
"""Part of the requests that may find no time in Redis: on a quiet machine none does."""
LEFT: Final = 1
"""Keys that may stay: the heartbeats of workers."""
BUNDLE: Final = {
    "ratelimit/edge.yaml": """domain: edge
descriptors:
  - {key: client, rate_limit: {unit: second, requests_per_unit: 5}}
  - {key: banned, rate_limit: {unit: second, requests_per_unit: 0}}
""",
    "shop.yaml": """apiVersion: bundle/v1
kind: Policy
name: shop
on: [{host: shop.example}]
limits:
  - {name: fixed, by: [address], rate: 5/s}
  - {name: sliding, by: [address], rate: 5/s, algorithm: sliding-window}
  - {name: parts, by: [address], rate: 5/s, algorithm: sub-buckets}
  - {name: log, by: [address], rate: 5/s, algorithm: sliding-log}
  - {name: bucket, by: [address], rate: 5/s, algorithm: token-bucket}
""",
}


class Kind(NamedTuple):
    """One kind of request."""

    name: str
    message: bytes
    part: float
    """Of all requests."""


def kinds() -> list[Kind]:
    """What is asked, in turn."""
    mark = varied.MARK.decode()
    shop = {"host": "shop.example", "path": f"/{mark}", "method": "GET", "remote_address": mark}
    override = rls_pb2.RateLimitRequest(domain="edge")
    descriptor = override.descriptors.add()
    descriptor.entries.add(key="client", value=mark)
    descriptor.limit.requests_per_unit = 3
    descriptor.limit.unit = 1  # SECOND
    made = [
        ("a rule of a file", rate_limit_request("edge", {"client": mark}), 0.4),
        ("an override in the request", override, 0.2),
        ("over the limit", rate_limit_request("edge", {"banned": mark}), 0.2),
        ("five algorithms of a policy", rate_limit_request("gatewright", shop), 0.15),
        ("a domain that nobody wrote", rate_limit_request(mark, {"client": mark}), 0.05),
    ]
    return [Kind(name, message.SerializeToString(), part) for name, message, part in made]


class Found(NamedTuple):
    """What all of it left."""

    store: str
    requests: int
    decided: int
    """Of these; not those for which Redis had no time, on a machine that others use."""
    memory: float
    """Megabytes of the worker, more than before."""
    second_half: float
    """Of these, what came with the second half."""
    series: int
    """Series, more than before."""
    most_keys: int
    left_keys: int

    def wrong(self, growth: float = GROWTH) -> list[str]:
        """What is not as it must be."""
        bounds = (
            ("memory", self.memory, MOST),
            ("the memory of the second half", self.second_half, growth),
            ("series", self.series, SERIES),
            ("keys left", self.left_keys, LEFT),
            ("requests not decided", self.requests - self.decided, UNDECIDED * self.requests),
        )
        return [
            f"{self.store}: {name}: {value:g}, at most {most:g}"
            for name, value, most in bounds
            if value > most
        ]


def flood(
    serve: Serve, folder: Path, requests: int, each: Callable[[], None] = lambda: None
) -> int:
    """Every kind in its part; gives how many were sent."""
    sent = 0
    for kind in kinds():
        body = folder / "body"
        body.write_bytes(framed(kind.message))
        count = max(int(requests * kind.part), 8)
        varied.run(None, serve.grpc, LIMIT, count, h2load.GRPC, body)
        sent += count
        each()
    return sent


@contextmanager
def serving(folder: Path, redis: RedisServer | None) -> Iterator[Serve]:
    """One worker, which refuses nobody because the machine is busy."""
    bundle = write_bundle(folder / "bundle", BUNDLE)
    environ = {"GATEWRIGHT_LIMITS__MEMORY": str(COUNTERS << 20), "GATEWRIGHT_OVERLOAD__TARGET": "0"}
    flags = ["--faces", "limit", "--workers", "1"]
    flags += ["--redis", redis.url] if redis is not None else []
    with closing(Serve(folder, bundle, *flags, environ=environ)) as running:
        yield running


def measure(folder: Path, redis: RedisServer | None, requests: int) -> Found:
    """One store."""
    most = 0

    def look() -> None:
        nonlocal most
        if redis is not None:
            with redis.client() as client:
                most = max(most, int(client.dbsize()))

    with serving(folder, redis) as serve:
        (pid,) = serve.workers()
        worker = Process("worker", pid)
        sent = flood(serve, folder, 100)
        until(lambda: serve.metric("gatewright_decisions_total") >= sent, FORGOTTEN)
        began, series = worker.resident(), len(serve.metrics())
        sent += flood(serve, folder, requests // 2, look)
        half = worker.resident()
        sent += flood(serve, folder, requests - requests // 2, look)
        memory, came = worker.resident(), len(serve.metrics()) - series
        until(lambda: serve.metric("gatewright_decisions_total") >= sent, FORGOTTEN)
        name = "gatewright_decisions_total"
        decided = sum(serve.metric(name, verdict=each) for each in ("allow", "deny"))
        left = 0
        if redis is not None:
            with redis.client() as client:
                until(lambda: client.dbsize() <= LEFT, FORGOTTEN)
                left = int(client.dbsize())
        assert serve.workers() == [pid], "the worker that began"
    store = "memory" if redis is None else "Redis"
    return Found(store, sent, round(decided), memory - began, memory - half, came, most, left)


def run(requests: int) -> list[Found]:
    """Both stores."""
    with tempfile.TemporaryDirectory(prefix="gw-") as name:
        folder = Path(name)
        (folder / "r").mkdir()
        with closing(RedisServer(folder / "r")) as redis:
            return [measure(folder, each, requests) for each in (None, redis)]


def markdown(rows: Sequence[Found]) -> str:
    """The table."""
    lines = [
        "| counters | requests | decided | MB more | of these in the second half | series more |"
        " keys in Redis, most seen | left |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row.store} | {row.requests:,} | {row.decided:,} | {row.memory:.0f} |"
        f" {row.second_half:.0f} | {row.series} | {row.most_keys:,} | {row.left_keys} |"
        for row in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="unbounded", description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each store")
    options = parser.parse_args(arguments)
    rows = run(options.requests)
    print(markdown(rows))
    wrong = [each for row in rows for each in row.wrong()]
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
