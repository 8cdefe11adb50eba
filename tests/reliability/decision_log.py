"""What the decision log and the table of the slowest cost a decision: `make decision-log`.

Each part alone and in process, best of several rounds, since everything else on the machine only
adds to it.
"""

import argparse
import sys
import timeit
from collections.abc import Callable, Sequence

from callout.observe.debug.slowest import Slowest
from callout.observe.decision import Decision
from callout.observe.decision_lines import json_lines, readable
from callout.observe.decision_rules import PRESETS, DecisionRules, Rule
from callout.observe.observers import MetricsObserver
from callout.observe.tallies import DecisionTally

MADE = Decision(
    "authz",
    "allow",
    "shop",
    "rego",
    "alice",
    "GET shop.example/api/orders",
    30e-6,
    id="a" * 32,
    digest="b" * 64,
    sample=0.01,
)
RULES = (
    Rule(reason="over_limit", sample=0.1),
    Rule(verdict="deny"),
    Rule(slower=0.05),
    Rule(policy="shop", verdict="allow", sample=0.01),
)


def parts() -> dict[str, Callable[[], object]]:
    """What is timed, by its row."""
    counting = MetricsObserver(DecisionTally()).decided
    slowest = Slowest()
    slowest.floor = 1.0
    watching = MetricsObserver(DecisionTally(), slowest).decided
    rules = DecisionRules(RULES).sample
    every = DecisionRules(PRESETS["all"]).sample
    asked = ("authz", "allow", "shop", "rego", 30e-6)
    machine, person = json_lines(0).line, readable(colours=False).line
    return {
        "counted": lambda: counting(MADE),
        "counted, and looked at for the slowest": lambda: watching(MADE),
        "chosen by `all`": lambda: every(*asked),
        "chosen by four rules": lambda: rules(*asked),
        "a line as JSON": lambda: machine((1.7e9, MADE)),
        "a line as text": lambda: person((1.7e9, MADE)),
    }


def main(argv: Sequence[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100_000, help="of each part, in a round")
    times = parser.parse_args(argv).times
    print("| part | us |\n|---|---|")
    for name, part in parts().items():
        print(f"| {name} | {min(timeit.repeat(part, number=times, repeat=5)) / times * 1e6:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
