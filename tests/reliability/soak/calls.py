"""A grpcio client of a soak: `python -m tests.reliability.soak.calls ADDRESS CALLS SEED KEY [CA]`.

Writes a JSON line a second with what it has done so far, and a last one when it is done.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final, cast

import grpc
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.load import payloads
from tests.reliability.soak.requests import Question, passes, pool

IN_FLIGHT: Final = 64
CALLS_A_CHANNEL: Final = 2000
TIMEOUT: Final = 30.0
SHORT: Final = 0.0005
"""Seconds: less than a call takes through grpcio, so that it is given up on its way."""
METHODS: Final = {"check": payloads.CHECK, "limit": payloads.LIMIT}


class Calls:
    """Sends questions and compares the answers, `IN_FLIGHT` at a time."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None) -> None:
        self._address = address
        self._credentials = credentials
        self._free = threading.Semaphore(IN_FLIGHT)
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        """How calls ended: `right`, `wrong_pass`, `wrong_refusal`, `failure`, a status code."""

    def run(self, questions: list[Question], calls: int, chosen: random.Random) -> None:
        """Makes so many calls."""
        told = time.monotonic()
        done = 0
        while done < calls:
            channel, methods = self._channel()
            for _ in range(min(CALLS_A_CHANNEL, calls - done)):
                self._ask(methods, chosen.choice(questions), chosen.random())
                done += 1
            for _ in range(IN_FLIGHT):
                self._free.acquire()
            self._free.release(IN_FLIGHT)
            channel.close()
            if time.monotonic() - told > 1.0:
                told = time.monotonic()
                self.tell()

    def tell(self) -> None:
        """One line of what was seen."""
        print(json.dumps(self.seen), flush=True)

    def _channel(self) -> tuple[grpc.Channel, dict[str, Any]]:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        channel = (
            grpc.insecure_channel(self._address, options)
            if self._credentials is None
            else grpc.secure_channel(self._address, self._credentials, options)
        )
        return channel, {kind: channel.unary_unary(path) for kind, path in METHODS.items()}

    def _ask(self, methods: dict[str, Any], question: Question, fate: float) -> None:
        self._free.acquire()
        # Two in a hundred are given up: by a deadline, or by the client.
        timeout = SHORT if fate < 0.01 else TIMEOUT
        future = methods[question.kind].future(question.message, timeout=timeout)
        future.add_done_callback(lambda done: self._answered(question, done, timeout < TIMEOUT))
        if fate > 0.99:
            future.cancel()

    def _answered(self, question: Question, future: Any, hurried: bool) -> None:
        code = future.code()
        word = code.name.lower() if code is not None else "none"
        if code is grpc.StatusCode.OK:
            passed = passes(question.kind, future.result())
            if passed is None:
                word = "failure"
            elif passed is question.passes:
                word = "right"
            else:
                word = "wrong_pass" if passed else "wrong_refusal"
        if hurried and word in ("failure", "unavailable", "wrong_refusal"):
            # The service saw that no time is left before the client did, and gave its verdict.
            word = "deadline_exceeded"
        with self._lock:
            self.seen[word] += 1
        self._free.release()


def main(address: str, calls: int, seed: int, key: Path, ca: Path | None) -> None:
    """One client."""
    private = cast(ec.EllipticCurvePrivateKey, load_pem_private_key(key.read_bytes(), None))
    credentials = grpc.ssl_channel_credentials(ca.read_bytes()) if ca is not None else None
    client = Calls(address, credentials)
    client.run(pool(seed, private), calls, random.Random(seed))
    client.tell()


if __name__ == "__main__":
    main(
        sys.argv[1],
        int(sys.argv[2]),
        int(sys.argv[3]),
        Path(sys.argv[4]),
        Path(sys.argv[5]) if len(sys.argv) > 5 else None,
    )
