"""`python -m gatewright.worker CONTROL LISTENING...`: how a worker process is started."""

import sys

from callout.config.uncollected import uncollected

with uncollected():  # it begins a seventh sooner: what is imported stays
    from gatewright.run.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
