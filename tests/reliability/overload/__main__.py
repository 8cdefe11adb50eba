"""`make overload`: more is asked than one core can answer, with admission control and without.

Each row is the median of several runs. A run in which the server wanted for its core, or the load
was late, is left out; a row of nothing else says so.

Exit status 0: measured, and no request was let pass that must not be; 1: one was, or something
did not start.
"""

import argparse
import sys
import tempfile
from dataclasses import astuple
from pathlib import Path
from statistics import median

from tests.load import machine
from tests.load.h2load import LoadFailed
from tests.load.processes import DidNotStart
from tests.load.services import World
from tests.reliability.overload.measure import Case, Figures, Server, capacity, server
from tests.reliability.overload.slow_opa import CAPACITY

DEADLINES: dict[Case, tuple[float, ...]] = {
    "check": (0.02, 0.05),
    "jwt": (0.02, 0.05),
    "limit": (0.05,),
    "opa": (0.2,),
}
TITLES: dict[Case, str] = {
    "check": "Check, Rego",
    "jwt": "Check, JWT and Rego",
    "limit": "limit, Redis",
    "opa": "Check, slow OPA",
}
DEMANDS = (0.5, 1.0, 1.5, 2.0, 3.0)
HEAD = (
    "| what | deadline | demand | control | answered/s | refused/s | p50 | p99 | refused p99 "
    "| late/s | wrong allows | most/fewest of a connection | worker | runs |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="overload", description=str(__doc__).split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each row")
    parser.add_argument("--case", choices=list(DEADLINES), action="append", help="only these")
    options = parser.parse_args()
    print(f"{machine.description()}; the server on one core, the load on another.\n")
    capacities, rows, wrong = [], [], 0
    try:
        with tempfile.TemporaryDirectory(prefix="gatewright-overload-") as folder:
            world = World(Path(folder))
            for case in options.case or DEADLINES:
                most = CAPACITY if case == "opa" else capacity(world, case)
                capacities.append(f"{TITLES[case]}: capacity {most:,.0f}/s")
                print(capacities[-1], file=sys.stderr)
                for admission in (True, False):
                    with server(world, case, admission) as running:
                        for deadline in DEADLINES[case]:
                            for demand in DEMANDS:
                                runs = _runs(running, most * demand, deadline, options)
                                wrong += sum(each.wrong_allows for each in runs)
                                rows.append(_row(case, deadline, demand, admission, runs))
                                print(rows[-1], file=sys.stderr)
    except (DidNotStart, LoadFailed) as error:
        print(f"overload: {error}", file=sys.stderr)
        return 1
    print("\n".join(capacities) + "\n")
    print("\n".join([HEAD, *rows]))
    return 1 if wrong else 0


def _runs(
    running: Server, rate: float, deadline: float, options: argparse.Namespace
) -> list[Figures]:
    return [running.send(rate, options.seconds, deadline)[1] for _ in range(options.runs)]


def _row(case: Case, deadline: float, demand: float, admission: bool, runs: list[Figures]) -> str:
    quiet = [each for each in runs if not each.disturbed]
    seen = Figures(*(median(each) for each in zip(*map(astuple, quiet or runs), strict=True)))
    times = " | ".join(f"{each * 1000:.1f} ms" for each in (seen.p50, seen.p99, seen.refused_p99))
    count = f"{len(quiet)}" if quiet else f"{len(runs)}, all disturbed"
    return (
        f"| {TITLES[case]} | {deadline * 1000:.0f} ms | {demand:g} x | "
        f"{'on' if admission else 'off'} | {seen.answered:,.0f} | {seen.refused:,.0f} | {times} | "
        f"{seen.late:,.0f} | {sum(each.wrong_allows for each in runs)} | {seen.unfair:.1f} | "
        f"{seen.resident:.0f} MB | {count} |"
    )


if __name__ == "__main__":
    sys.exit(main())
