"""The generator as a process of its own, on the core of the load."""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Final

from tests.load.h2load import LoadFailed
from tests.load.machine import on_core
from tests.reliability.overload.generator import Kind, Order, Outcome

RUN_SECONDS: Final = 120
"""For one order, which takes a few: the machine may be busy."""


def send(order: Order, core: int) -> Outcome:
    """What came of the order. Raises LoadFailed."""
    with on_core(core):
        done = subprocess.run(
            [sys.executable, "-m", "tests.reliability.overload.generator"],
            input=json.dumps(asdict(order)),
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    if done.returncode:
        raise LoadFailed(done.stderr[-1000:])
    given = json.loads(done.stdout)
    given["kinds"] = [Kind(**each) for each in given["kinds"]]
    return Outcome(**given)
