"""A worker process for test_shared: `python -m ... DIRECTORY`; commands on standard input.

`decide N` counts N decisions, `open N` sets the connections that are open; each is answered with
one line once it is flushed.
"""

import sys
from pathlib import Path

from callout.observe import shared
from callout.observe.metrics import Metrics
from callout.observe.sources import follow_transport
from callout.serve.counters import Counters
from tests.callout.observe.test_tallies import decision


def main() -> None:
    place = shared.join(Path(sys.argv[1]))
    metrics, counters = Metrics(), Counters()
    follow_transport(metrics, counters)
    metrics.flush()
    print(place, flush=True)
    for line in sys.stdin:
        command, number = line.split()
        if command == "decide":
            for _ in range(int(number)):
                metrics.tally.add(decision())
            counters.requests += int(number)
        else:
            counters.open_connections = int(number)
        metrics.flush()
        print("done", flush=True)


if __name__ == "__main__":
    main()
