"""`make fuzz-rego`: generated Rego beside a real OPA, without end; Ctrl-C ends it."""

import sys
import time
from random import SystemRandom

from tests.extauthz.policy.fuzz.beside_opa import BesideOpa


def main() -> int:
    """Print each difference, and a line for every batch."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else SystemRandom().randrange(10**9)
    modules = refused = pairs = differences = 0
    began = time.monotonic()
    try:
        with BesideOpa() as opa:
            while True:
                found = opa.batch(seed, 10)
                for each in found.differences:
                    print(f"seed {seed}\n{each}")
                modules += found.modules
                refused += found.refused
                pairs += found.pairs
                differences += len(found.differences)
                rate = pairs / (time.monotonic() - began)
                print(
                    f"seed {seed}: {modules} modules, {refused} refused, {pairs} pairs,"
                    f" {differences} differ, {rate:.0f}/s",
                    flush=True,
                )
                seed += 1
    except KeyboardInterrupt:
        return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
