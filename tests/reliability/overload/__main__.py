"""`make overload`: more is asked than one core can answer, with admission control and without.

Exit status 0: measured, and no request was let pass that must not be; 1: one was, or something
did not start.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.load import machine
from tests.load.h2load import LoadFailed
from tests.load.processes import DidNotStart
from tests.load.services import World
from tests.reliability.overload.measure import Case, Figures, capacity, server

CASES: tuple[tuple[Case, float], ...] = (("jwt", 0.02), ("jwt", 0.05), ("limit", 0.05))
TITLES: dict[Case, str] = {
    "check": "Check, Rego",
    "jwt": "Check, JWT and Rego",
    "limit": "limit, Redis",
}
DEMANDS = (0.5, 1.0, 1.5, 2.0, 3.0)
HEAD = (
    "| what | deadline | demand | control | answered/s | refused/s | p50 | p99 "
    "| refused p99 | late/s | wrong allows |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="overload", description=str(__doc__).split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    options = parser.parse_args()
    print(f"{machine.description()}; the server on one core, the load on another.\n")
    wrong = 0
    try:
        with tempfile.TemporaryDirectory(prefix="gatewright-overload-") as folder:
            world = World(Path(folder))
            rows = []
            for case, deadline in CASES:
                most = capacity(world, case, 100_000)
                rows.append(f"{TITLES[case]}: capacity {most:,.0f}/s")
                print(rows[-1], file=sys.stderr)
                for admission in (True, False):
                    with server(world, case, admission) as running:
                        for demand in DEMANDS:
                            _, seen = running.send(most * demand, options.seconds, deadline)
                            wrong += seen.wrong_allows
                            rows.append(_row(case, deadline, demand, admission, seen))
                            print(rows[-1], file=sys.stderr)
    except (DidNotStart, LoadFailed) as error:
        print(f"overload: {error}", file=sys.stderr)
        return 1
    print("\n".join(each for each in rows if not each.startswith("|")) + "\n")
    print("\n".join([HEAD, *(each for each in rows if each.startswith("|"))]))
    return 1 if wrong else 0


def _row(case: Case, deadline: float, demand: float, admission: bool, seen: Figures) -> str:
    times = " | ".join(f"{each * 1000:.1f} ms" for each in (seen.p50, seen.p99, seen.refused_p99))
    return (
        f"| {TITLES[case]} | {deadline * 1000:.0f} ms | {demand:g} x | "
        f"{'on' if admission else 'off'} | {seen.answered:,.0f} | {seen.refused:,.0f} | {times} | "
        f"{seen.late:,.0f} | {seen.wrong_allows} |"
    )


if __name__ == "__main__":
    sys.exit(main())
