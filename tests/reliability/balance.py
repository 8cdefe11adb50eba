"""How evenly requests come to workers, by how they listen: `make balance`.

Envoy keeps one HTTP/2 connection a thread to each address, so its `--concurrency` is the number of
connections. With `kernel` the kernel gives each connection to some worker; with `addresses` Envoy
goes round all workers with the requests of each connection.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import multiprocess

from callout.testing import tools
from callout.testing.envoy import Envoy
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, gateway, patient, policy, write_bundle
from tests.load import h2load
from tests.load.h2load import Shape
from tests.load.processes import free_port

SPREADS: Final = ("kernel", "addresses")
CLIENTS: Final = Shape(connections=128, streams=1)
"""Of Envoy: enough that each of its threads has some."""
WRITTEN: Final = 0.7
"""Seconds after which workers have written down what they counted."""


@dataclass(frozen=True)
class Effort:
    """How much is done."""

    workers: Sequence[int]
    connections: Sequence[int]
    tries: int
    """Envoys in a row: where a connection goes is decided when it is opened."""
    requests: int
    """Through each of them."""


FULL: Final = Effort((2, 4), (1, 4, 32), 7, 2000)
QUICK: Final = Effort((2,), (1,), 1, 300)


@dataclass(frozen=True)
class Cell:
    """What came of one way to listen."""

    spread: str
    workers: int
    connections: int
    busiest: tuple[float, ...]
    """Share of the requests that the busiest worker got, of each try."""


def measure(effort: Effort, folder: Path) -> Iterator[Cell]:
    """Each way with each number of workers and connections."""
    bundle = write_bundle(folder / "bundle", {"open.yaml": policy("open", OPEN), **EVERYBODY})
    for spread in SPREADS:
        for workers in effort.workers:
            where = _made(folder / f"{spread}-{workers}")
            with _serving(where, bundle, spread, workers) as serve:
                for connections in effort.connections:
                    tries = tuple(
                        _one(serve, where, number, connections, effort.requests)
                        for number in range(effort.tries)
                    )
                    yield Cell(spread, workers, connections, tries)


@contextmanager
def _serving(folder: Path, bundle: Path, spread: str, workers: int) -> Iterator[Serve]:
    flags = ["--faces", "authz", "--workers", str(workers)]
    # Only where requests go counts here: nothing is refused for overload.
    environ = {"GATEWRIGHT_LISTEN__SPREAD": spread, "GATEWRIGHT_OVERLOAD__TARGET": "0"}
    with closing(Serve(folder, bundle, *flags, environ=environ)) as serve:
        yield serve


def _one(serve: Serve, folder: Path, number: int, connections: int, requests: int) -> float:
    before = _decisions(folder)
    here = _made(folder / f"envoy-{connections}-{number}")
    with closing(Envoy(here, _bootstrap(serve), threads=connections)) as envoy:
        h2load.run(tools.require("h2load"), None, f"{envoy.url}/", requests, CLIENTS, {})
    time.sleep(WRITTEN)
    after = _decisions(folder)
    counts = [after[place] - before.get(place, 0.0) for place in after]
    return max(counts) / sum(counts)


def _decisions(folder: Path) -> dict[str, float]:
    """Decisions of each worker, from the files in which they count."""
    found: dict[str, float] = {}
    for file in folder.glob("gatewright-metrics-*/counter_*.db"):
        metrics = multiprocess.MultiProcessCollector.merge([str(file)])  # type: ignore[no-untyped-call]  # theirs
        found[file.name] = sum(
            sample.value
            for metric in metrics
            for sample in metric.samples
            if sample.name == "gatewright_decisions_total"
        )
    return found


def _bootstrap(serve: Serve) -> dict[str, Any]:
    """The product's configuration without limits, and with an answer of Envoy's own."""
    rendered = patient(gateway(serve, f"http://127.0.0.1:{free_port()}"))
    [listener] = rendered["staticResources"]["listeners"]
    [chain] = listener["filterChains"]
    manager = chain["filters"][0]["typedConfig"]
    manager["httpFilters"] = [
        each for each in manager["httpFilters"] if "ratelimit" not in each["name"]
    ]
    [host] = manager["routeConfig"]["virtualHosts"]
    host["routes"] = [{"match": {"prefix": "/"}, "directResponse": {"status": 200}}]
    return rendered


HEAD: Final = """\
| spread | workers | connections | share of the busiest: median | worst | even |
|---|---|---|---|---|---|"""


def row(cell: Cell) -> str:
    """For docs/reliability.md."""
    return (
        f"| `{cell.spread}` | {cell.workers} | {cell.connections} "
        f"| {statistics.median(cell.busiest):.0%} | {max(cell.busiest):.0%} "
        f"| {1 / cell.workers:.0%} |"
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one cell of each way")
    effort = QUICK if parser.parse_args().quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        print(HEAD)
        for cell in measure(effort, Path(folder)):
            print(row(cell), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
