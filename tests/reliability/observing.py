"""What traces cost a Check: `make observing`.

Handlers are called in process, without a transport, so that the differences are not lost in it:
the worker's own parts, the benchmark's Check (16 headers, Rego), a collector in another process.
Processor time of this process counts, threads of grpcio and the sending of spans included. Rounds
of all variants are interleaved; the median of the rounds is printed.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from callout.config.problems import Rejected
from callout.config.settings import Settings
from callout.config.snapshot import Snapshot
from callout.grpc.call import Call, Metadata, UnaryHandler
from callout.observe.metrics import Metrics
from callout.observe.observers import MetricsObserver
from callout.serve.tied import tied
from extauthz.identity.jwks_fetch import JwksFetcher
from extauthz.service import AuthorizationService
from gatewright.bundle.load import load
from gatewright.run.tracing import Tracing
from tests.load import payloads
from tests.load.services import World

CHUNK: Final = 100
"""Checks in a row, as one read of a busy connection brings them."""
PARENT: Final = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0")
"""Of the call itself, as Envoy sends it when it traces; the last digit says whether sampled."""
ENVOY: Final[Metadata] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", payloads.CHECK.encode()),
    (b":authority", b"gatewright"),
    (b"te", b"trailers"),
    (b"grpc-timeout", b"500m"),
    (b"content-type", b"application/grpc"),
    (b"x-envoy-internal", b"true"),
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"x-envoy-expected-rq-timeout-ms", b"500"),
]


@dataclass
class Lane:
    """One variant."""

    name: str
    handler: UnaryHandler
    metadata: Metadata
    tracing: Tracing | None = None
    cpu: list[float] = field(default_factory=list)
    """Microseconds a Check, a round each."""


def lanes(snapshot: Snapshot, collector: str, folder: Path) -> list[Lane]:
    """The plain service, and traced ones by what is sampled."""

    def plain() -> UnaryHandler:
        observer = MetricsObserver(Metrics().tally)
        return AuthorizationService(lambda: snapshot, observer, JwksFetcher()).check

    def traced(sample: float) -> tuple[UnaryHandler, Tracing]:
        metrics = Metrics()
        settings = Settings.model_validate(
            {"telemetry": {"traces": {"sample": sample, "asked": 100_000, "queue": 1_000_000}}}
        )
        tracing = Tracing(collector, settings.telemetry.traces, 0, metrics, folder)
        observer = tracing.observer(MetricsObserver(metrics.tally))
        face = tracing.served(
            tracing.authorization(lambda: snapshot, observer, tracing.keys(), None, None).face()
        )
        (method,) = face.methods
        return method.handler, tracing  # type: ignore[return-value]  # a unary one

    found = [Lane("off", plain(), ENVOY), Lane("off, once more", plain(), ENVOY)]
    for share in (0.0, 0.01, 1.0):
        handler, tracing = traced(share)
        found.append(Lane(f"on, {share:.0%} of new traces", handler, ENVOY, tracing))
    for flag, words in ((b"0", "not sampled"), (b"1", "sampled")):
        handler, tracing = traced(0.01)
        called = [*ENVOY, (PARENT[0], PARENT[1] + flag)]
        found.append(Lane(f"on, Envoy's trace, {words}", handler, called, tracing))
    return found


async def measure(found: Sequence[Lane], rounds: int, checks: int) -> None:
    """Fills the lanes' `cpu`."""
    message = payloads.check().allowed
    for lane in found:
        if lane.tracing is not None:
            lane.tracing.start()
    for number in range(rounds + 1):
        for lane in found:
            before = time.process_time()
            for _ in range(checks // CHUNK):
                for _ in range(CHUNK):
                    lane.handler(message, Call(lane.metadata, time.monotonic() + 0.5, "unix:"))
                await asyncio.sleep(0)
            if lane.tracing is not None:
                await sent(lane.tracing)
            if number:  # the first warms up
                lane.cpu.append((time.process_time() - before) / checks * 1e6)
    for lane in found:
        if lane.tracing is not None:
            await lane.tracing.close()


async def sent(tracing: Tracing) -> None:
    """Returns when no span waits."""
    exporter = tracing._exporter
    while exporter._waiting or exporter._sending:
        exporter._full.set()
        await asyncio.sleep(0.001)


def table(found: Sequence[Lane]) -> str:
    """As Markdown."""
    base = statistics.median(found[0].cpu)
    lines = ["| traces | us a Check | beside off |", "|---|---|---|"]
    for lane in found:
        cpu = statistics.median(lane.cpu)
        lines.append(f"| {lane.name} | {cpu:.1f} | {cpu - base:+.1f} us, {cpu / base - 1:+.0%} |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--checks", type=int, default=10_000, help="of a variant in a round")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = load(World(folder).bundle(), folder / "cache", _say)
        if isinstance(bundle, Rejected):
            raise SystemExit("\n".join(map(str, bundle.problems)))
        collector = subprocess.Popen(
            tied([sys.executable, "-m", "tests.reliability.observing", "collect"]),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert collector.stdout is not None
            url = collector.stdout.readline().strip()
            found = lanes(bundle.snapshot, url, folder)
            asyncio.run(measure(found, arguments.rounds, arguments.checks))
        finally:
            collector.kill()
            collector.wait()
        print(table(found))
        return 0


def collect() -> None:
    """Takes spans for as long as it lives, and looks at none."""
    from tests.callout.observe.collector import Collector

    with Collector(keeps=False) as collector:
        print(collector.url, flush=True)
        while os.getppid() != 1:
            time.sleep(1)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:] == ["collect"]:
        collect()
    else:
        sys.exit(main(sys.argv[1:]))
