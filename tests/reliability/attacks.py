"""`make attacks`: every attack on a real server, and what its other clients notice of it.

python -m tests.reliability.attacks [ROUNDS [FIRST [END]]]
"""

import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tests.attacks.attacks import ATTACKS
from tests.attacks.neighbours import BUNDLE, ENVIRON, ROUNDS, Seen, watch
from tests.end_to_end.serve import Serve, write_bundle


def row(seen: Seen) -> str:
    """Of the table."""
    attack = seen.attack
    counted = [f"`{word}`" for word in (attack.ended, attack.refused) if word]
    gets = "is cut off" if attack.ended else "is refused" if attack.refused else "has its turn"
    failed = ", ".join(f"{count} {word}" for word, count in seen.failed.items()) or "0"
    return (
        f"| {attack.name} | `{attack.limit}` | {gets} | {', '.join(counted) or 'none'} "
        f"| {seen.busy:.0%} | {seen.before * 1e3:.1f} | {seen.during * 1e3:.1f} "
        f"| {seen.worked_before * 1e3:.1f} | {seen.worked * 1e3:.1f} "
        f"| {failed} of {seen.asked} |"
    )


def main(rounds: int = ROUNDS, numbers: Iterable[int] = range(len(ATTACKS))) -> int:
    """Prints the table; 1 if others suffered."""
    print(
        "| attack | limit | the peer | reason counted | worker busy "
        "| p99 before, ms | during, ms | worked before, ms | during, ms | failed |"
    )
    print("|---|---|---|---|---:|---:|---:|---:|---:|---:|")
    suffered = []
    with tempfile.TemporaryDirectory(prefix="gatewright-attacks-") as name:
        folder = Path(name)
        bundle = write_bundle(folder / "bundle", BUNDLE)
        with closing(Serve(folder, bundle, "--workers", "1", environ=ENVIRON)) as serve:
            for number in numbers:
                seen = watch(serve, number, rounds)
                print(row(seen), flush=True)
                if not seen.is_fine:
                    suffered.append(seen.attack.name)
    print(f"\nothers suffered: {', '.join(suffered) or 'never'}")
    return 1 if suffered else 0


if __name__ == "__main__":
    rounds, first, end = [*map(int, sys.argv[1:]), *(ROUNDS, 0, len(ATTACKS))[len(sys.argv) - 1 :]]
    sys.exit(main(rounds, range(first, end)))
