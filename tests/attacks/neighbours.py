"""How long well-behaved clients wait before and during an attack, and what the server counted."""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

from callout.testing.requests import check_request, rate_limit_request
from tests.attacks.attacks import ATTACKS, Attack
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy
from tests.faults import load

SECONDS: Final = 2.0
FLOOR: Final = 0.040
"""Seconds of a p99 that count as well: attacker, server and clients are three busy processes, which
on two processors that others use too wait for each other. A fifth of what Envoy gives ext_authz."""

BUNDLE: Final = {
    "all.yaml": policy("all", f"{OPEN}\nlimits: [{{name: each, by: [address], rate: 1000000/s}}]"),
    **EVERYBODY,
}
ENVIRON: Final = {
    "GATEWRIGHT_CONNECTIONS__MAX": "200",
    "GATEWRIGHT_CONNECTIONS__IDLE": "1",
    "GATEWRIGHT_CONNECTIONS__STALLED": "1",
    "GATEWRIGHT_CONNECTIONS__REQUEST_SECONDS": "1",
    "GATEWRIGHT_CONNECTIONS__MAX_BUFFERED": str(1 << 20),
    "GATEWRIGHT_HTTP2__SETTINGS_SECONDS": "1",
    "GATEWRIGHT_HTTP2__FRAME_SECONDS": "1",
}
"""Times that tests can wait for."""

DESCRIPTOR: Final = {
    "host": "shop.example",
    "path": "/",
    "method": "GET",
    "remote_address": "192.0.2.1",
}


@dataclass(frozen=True)
class Seen:
    """Of one attack."""

    attack: Attack
    before: float
    """Seconds, p99 of both faces."""
    during: float
    failed: int
    """Requests of well-behaved clients that were not answered rightly."""
    ended: float
    refused: float

    @property
    def is_fine(self) -> bool:
        """Whether the others did not suffer."""
        return not self.failed and self.during <= max(2 * self.before, FLOOR)


def questions() -> list[load.Question]:
    """One of each face."""
    return [
        load.check("check", check_request(), True),
        load.limit("limit", rate_limit_request("gatewright", DESCRIPTOR), True),
    ]


def watch(serve: Serve, number: int, seconds: float = SECONDS) -> Seen:
    """Attack a server for so long, and see."""
    attack = ATTACKS[number]
    with load.Load(serve.grpc, questions(), rate=200.0) as clients:
        time.sleep(0.5)
        begun = time.monotonic()
        time.sleep(seconds)
        attacked = time.monotonic()
        attacker = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.attacks.attacker",
                serve.grpc,
                str(number),
                str(seconds + 1),
            ],
            cwd=ROOT,
        )
        assert attacker.wait(30) == 0
    calm = [each for each in clients.outcomes(begun) if each.at < attacked]
    harassed = clients.outcomes(attacked)
    counted = "gatewright_transport_terminated_total", "gatewright_transport_refused_total"
    time.sleep(0.7)  # workers write down what they counted twice a second
    return Seen(
        attack,
        load.slowest(calm),
        load.slowest(harassed),
        sum(not each.right for each in harassed),
        serve.metric(counted[0], reason=attack.ended) if attack.ended else 0.0,
        serve.metric(counted[1], reason=attack.refused) if attack.refused else 0.0,
    )
