"""`make fuzz`: inputs without end, or `python -m tests.fuzz FILE...`: such inputs again.

Each run begins at a random seed. What fails is written into `tests/fuzz/found`, with the command
that runs it again; Ctrl-C ends with a table.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import time
from itertools import count
from pathlib import Path

from tests.fuzz.campaign import SHARES, Campaign
from tests.fuzz.conversation import FOUND, decode

EVERY = 10.0
"""Seconds between two lines."""
ROUND = 20
KEPT = 20
"""Findings that are written: one mistake makes thousands."""


async def again(files: list[Path]) -> int:
    """Run inputs of files; returns how many fail."""
    campaign = Campaign()
    for file in files:
        found = await campaign.take(decode(file.read_bytes()))
        print(f"{file}: {found.what if found else 'holds'}")
    return len(campaign.report.findings)


async def endless(first: int, inputs: int) -> int:
    """Run `inputs` inputs (0: until it is interrupted); returns how many failed."""
    campaign = Campaign()
    report = campaign.report
    print(f"seeds from {first}")
    started = shown = time.monotonic()
    with contextlib.suppress(asyncio.CancelledError):
        for step in count():
            for name, share in SHARES.items():
                start = first + step * ROUND
                for given in campaign.inputs(name, range(start, start + share)):
                    found = await campaign.take(given)
                    if found is not None and len(report.findings) <= KEPT:
                        file = found.save(FOUND)
                        print(f"{found.what}\n  again: {sys.executable} -m tests.fuzz {file}")
                    elif found is not None:
                        report.dropped += 1
                        report.findings.pop()
            now = time.monotonic()
            if now - shown > EVERY:
                shown = now
                rate = report.total / (now - started)
                print(f"{report.total:,} inputs, {rate:,.0f} a second, {report.failed} failed")
            if inputs and report.total >= inputs:
                break
    print(
        f"\n{report.total:,} inputs in {time.monotonic() - started:,.0f} s, {report.failed} failed"
    )
    print(report.table())
    return report.failed


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="inputs to run again")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 48))
    parser.add_argument("--inputs", type=int, default=0, help="how many; 0: without end")
    asked = parser.parse_args()
    work = again(asked.files) if asked.files else endless(asked.seed, asked.inputs)
    raise SystemExit(min(asyncio.run(work), 1))


if __name__ == "__main__":
    main()
