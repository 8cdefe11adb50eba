"""`make bench`: what a decision costs, beside what it costs others, in one run.

    python -m tests.load.bench --write docs/performance.md
    python -m tests.load.bench --only check --peer rival=127.0.0.1:9191 --peer-pid rival=4711

Exit status 0: everything was measured, whether or not the goals were reached; 1: something does
not answer as it must, or did not start.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from callout.testing import tools
from tests.load import h2load, machine, measure, report
from tests.load.guard import WrongAnswer
from tests.load.processes import DidNotStart, Process
from tests.load.scenarios import SCENARIOS, Scenario
from tests.load.services import Peer, World

FULL = measure.Effort(rounds=5, seconds=2.0, first=2000)
QUICK = measure.Effort(rounds=1, seconds=0.0, first=300)
"""For a smoke test: that all of it works, not how fast it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL
    if options.rounds:
        effort = measure.Effort(options.rounds, effort.seconds, effort.first)
    if options.seconds is not None:
        effort = measure.Effort(effort.rounds, options.seconds, effort.first)
    try:
        peers = _peers(options.peer, options.peer_pid)
    except ValueError as error:
        parser.error(str(error))
    chosen = [each for each in SCENARIOS if not options.only or each.key in options.only]
    try:
        tables = run(chosen, effort, peers)
    except (DidNotStart, WrongAnswer, h2load.LoadFailed, tools.ToolMissing) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.write:
        report.write(options.write, report.markdown(facts(effort), tables))
        print(f"written to {options.write}")
    return 0


def run(
    chosen: Sequence[Scenario], effort: measure.Effort, peers: Sequence[Peer] = ()
) -> list[measure.Table]:
    """Measure, printing each table when it is done."""
    tables = []
    for fact in facts(effort):
        print(fact)
    print()
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-") as folder:
        world = World(Path(folder), peers=tuple(peers))
        for scenario in chosen:
            table = measure.scenario(world, tools.find("h2load"), scenario, effort)
            print(report.text(table), flush=True)
            tables.append(table)
    return tables


def facts(effort: measure.Effort) -> list[str]:
    """When, on what and how it was measured."""
    cores = machine.cores()
    apart = "one core, load, Redis and Envoy on another"
    together = "the only core, beside the load: throughput is not worth reading"
    return [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {machine.description()}.",
        f"The service on {apart if cores.service != cores.load else together}.",
        f"{effort.rounds} rounds of about {effort.seconds:g} s for each line, in turn; medians.",
        "Versions: "
        + ", ".join(f"{name} {version(name)}" for name in ("grpcio", "uvloop", "jh2", "protobuf"))
        + "".join(f", {name} {_tool_version(name, flag)}" for name, flag in TOOLS.items())
        + ".",
    ]


TOOLS = {"redis-server": "--version", "opa": "version", "h2load": "--version"}


def _tool_version(name: str, flag: str) -> str:
    done = subprocess.run(
        [str(tools.find(name)), flag], capture_output=True, text=True, timeout=20, check=False
    )
    words = done.stdout.split()
    # "Version: 1.22.0 ...", "h2load nghttp2/1.52.0", "Redis server v=7.0.15 ..."
    for word in words:
        if (number := word.removeprefix("v=").removeprefix("nghttp2/"))[:1].isdigit():
            return number
    return "unknown"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few hundred requests each")
    parser.add_argument("--rounds", type=int, help=f"instead of {FULL.rounds}")
    parser.add_argument("--seconds", type=float, help=f"of a round, instead of {FULL.seconds:g}")
    parser.add_argument("--only", action="append", choices=[each.key for each in SCENARIOS])
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the results")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=HOST:PORT",
        help="a rival that runs already and speaks the same API with the same decisions "
        "(tests/load/bundle); pin it to the first core yourself",
    )
    parser.add_argument(
        "--peer-pid", action="append", default=[], metavar="NAME=PID", help="its process"
    )
    return parser


def _peers(addresses: Sequence[str], pids: Sequence[str]) -> list[Peer]:
    """Raises ValueError."""
    numbers: dict[str, Process] = {}
    for text in pids:
        name, _, pid = text.partition("=")
        numbers[name] = Process(name, int(pid))
    peers = []
    for text in addresses:
        name, _, address = text.partition("=")
        if not name or ":" not in address:
            raise ValueError(f"--peer {text}: expected NAME=HOST:PORT")
        peers.append(Peer(name, address, numbers.pop(name, None)))
    if numbers:
        raise ValueError(f"--peer-pid {next(iter(numbers))}: no --peer of that name")
    return peers


if __name__ == "__main__":
    sys.exit(main())
