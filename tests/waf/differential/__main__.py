"""`make waf-differential`: all of the suite and 5,000 generated requests, here and in ModSecurity.

Prints a table of the differences. Exit status 1: one of them has no reason in `compare.py`, or
the rules are not here.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

from callout.testing.data import FOLDER
from tests.waf.crs.rival import Rival
from tests.waf.crs.run import files, rules
from tests.waf.differential.compare import compare, suite
from tests.waf.differential.generated import requests


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="waf-differential", description=__doc__.split("\n")[0])
    parser.add_argument("--generated", type=int, default=5000, help="so many requests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-suite", action="store_true", help="generated requests only")
    options = parser.parse_args()
    folder = FOLDER / "crs"
    if not folder.is_dir():
        print(f"{folder} is not here: TEST_DATA names the folder with it", file=sys.stderr)
        return 1
    known = list(suite(folder))
    made = requests([sent for _, sent in known], options.seed)
    named = (
        (f"{number} {sent.method!r} {sent.target!r} {sent.fields[6:]!r} {sent.body[:300]!r}", sent)
        for number, sent in enumerate(itertools.islice(made, options.generated))
    )
    with tempfile.TemporaryDirectory(prefix="gatewright-crs-") as place:
        rival = Rival(files(folder), Path(place))
        found = compare(
            rules(folder), rival, itertools.chain(() if options.no_suite else known, named)
        )
        rival.close()
    print(f"{found.asked} requests, the same rules for {found.same}\n\n{found.table()}")
    for (side, rule), names in found.unknown.items():
        print(f"\n{side} {rule}: {len(names)}", *names[:3], sep="\n  ")
    return 1 if found.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
