"""`make attacks`: every attack on a real server, and what its other clients notice of it."""

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.attacks.attacks import ATTACKS
from tests.attacks.neighbours import BUNDLE, ENVIRON, Seen, watch
from tests.end_to_end.serve import Serve, write_bundle


def row(seen: Seen) -> str:
    """Of the table."""
    attack = seen.attack
    counted = [f"`{word}`" for word in (attack.ended, attack.refused) if word]
    gets = "is cut off" if attack.ended else "is refused" if attack.refused else "has its turn"
    return (
        f"| {attack.name} | `{attack.limit}` | {gets} | {', '.join(counted) or 'none'} "
        f"| {seen.before * 1e3:.1f} | {seen.during * 1e3:.1f} | {seen.failed} |"
    )


def main(seconds: float) -> int:
    """Prints the table; 1 if others suffered."""
    print("| attack | limit | the peer | reason counted | p99 before, ms | during, ms | failed |")
    print("|---|---|---|---|---|---|---|")
    fine = True
    with tempfile.TemporaryDirectory(prefix="gatewright-attacks-") as name:
        folder = Path(name)
        bundle = write_bundle(folder / "bundle", BUNDLE)
        with closing(Serve(folder, bundle, "--workers", "1", environ=ENVIRON)) as serve:
            for number in range(len(ATTACKS)):
                seen = watch(serve, number, seconds)
                fine = fine and seen.is_fine
                print(row(seen), flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0))
