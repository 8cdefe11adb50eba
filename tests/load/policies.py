"""`make bench-policies`: a Check where the bundle has ten policies, and where it has 10,000.

    python -m tests.load.policies --write docs/performance.md

In this process. Each policy has a host and a path of its own, and decides by roles in Rego, with
the same data or with data of its own; both lanes answer as many different requests, in random
order, so that what differs is only how many policies they spread over. The lanes take turns, and
the median of the rounds' ratios counts. Exit status 1: an answer is wrong, or 10,000 of the same
data are more than 1.5 times as slow as ten.
"""

import argparse
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot
from callout.grpc.call import Call
from callout.observe.metrics import Metrics
from callout.observe.observers import MetricsObserver
from callout.testing.requests import BROWSER_HEADERS, check_request
from extauthz.identity.jwks_fetch import JwksFetcher
from extauthz.service import AuthorizationService
from gatewright.bundle.load import check
from tests.extauthz.policy.rego import CACHE
from tests.extauthz.world import Answered
from tests.load import report

BEGIN: Final = "<!-- policies: begin -->"
END: Final = "<!-- policies: end -->"
FEW: Final = 10
MANY: Final = 10_000
GOAL: Final = 1.5
RBAC: Final = (Path(__file__).parent / "bundle" / "rego" / "rbac" / "rbac.rego").read_bytes()
USERS: Final = 20


class WrongAnswer(Exception):
    """A policy does not decide as it says."""


class Result(NamedTuple):
    """Microseconds a Check by round, and seconds to load."""

    own_data: bool

    few: list[float]
    many: list[float]
    number: int
    """Policies of the larger bundle."""
    loaded: float

    @property
    def ratio(self) -> float:
        """How many times as long a Check takes: the median of pairs."""
        return statistics.median(m / f for f, m in zip(self.few, self.many, strict=True))


def bundle(number: int, own_data: bool) -> Bundle:
    """So many policies."""
    files = {"rego/rbac/rbac.rego": RBAC}
    for n in range(number):
        tenant = n if own_data else 0
        data = f"data/{tenant}.json"
        files[f"policies/{n}.yaml"] = (
            "apiVersion: bundle/v1\nkind: Policy\n"
            f'name: policy-{n}\non: [{{host: "host-{n}.example", path: /orders}}]\n'
            "auth:\n  identity: [anonymous: {}]\n"
            f"  decide: {{rego: rego/rbac, entrypoint: rbac/allow, data: {data}}}\n"
        ).encode()
        files[data] = json.dumps(_data(tenant)).encode()
    return Bundle(files)


def _data(n: int) -> dict[str, Any]:
    return {
        "roles": {f"user-{n}-{u}": ["visitor", "customer"] for u in range(USERS)},
        "permissions": {
            "visitor": [{"method": "GET", "resource": "products"}],
            "customer": [{"method": "GET", "resource": "orders"}],
        },
    }


def load(number: int, own_data: bool) -> Snapshot:
    """A snapshot of so many policies."""
    loaded = check(bundle(number, own_data), CACHE, lambda _: None)
    if isinstance(loaded, Rejected):
        raise WrongAnswer(str(loaded.problems[0]))
    return loaded.snapshot


def service(snapshot: Snapshot) -> AuthorizationService:
    """As a worker has it, with metrics."""
    return AuthorizationService(lambda: snapshot, MetricsObserver(Metrics().tally), JwksFetcher())


def messages(policies: int, number: int, own_data: bool) -> list[bytes]:
    """Different requests, spread over the policies, in random order."""
    r = random.Random(policies)
    made = []
    for n in range(number):
        policy = n % policies
        user = f"user-{policy if own_data else 0}-{n % USERS}"
        headers = {**BROWSER_HEADERS, "x-user": user, "x-request-id": f"request {n}"}
        host = f"host-{policy}.example"
        made.append(check_request("GET", f"/orders/{n}", host, headers).SerializeToString())
    r.shuffle(made)
    return made


def _microseconds(one: AuthorizationService, asked: Sequence[bytes]) -> float:
    call = Call((), None, "bench")
    began = time.process_time()
    for message in asked:
        one.check(message, call)
    return (time.process_time() - began) / len(asked) * 1e6


def run(rounds: int, own_data: bool, many: int = MANY) -> Result:
    """Measure."""
    began = time.perf_counter()
    snapshots = [load(FEW, own_data), load(many, own_data)]
    loaded = time.perf_counter() - began
    services = [service(each) for each in snapshots]
    asked = [messages(FEW, many, own_data), messages(many, many, own_data)]
    for one, each in zip(services, asked, strict=True):
        for message in each[:100]:
            reply = one.check(message, Call((), None, "bench"))
            if not isinstance(reply, bytes) or not Answered(reply).allowed:
                raise WrongAnswer("a request is refused that is allowed")
    gc.collect()
    gc.freeze()  # as a worker does with what it has loaded
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for lane, one, each in zip(found, services, asked, strict=True):
            lane.append(_microseconds(one, each))
    gc.unfreeze()
    return Result(own_data, *found, many, loaded)


def markdown(results: Sequence[Result]) -> str:
    """The section of the page."""
    lines = [
        f"- {len(results[0].few)} rounds, in turn, of {results[0].number:,} different requests"
        " each; medians, and the least in brackets.",
        "",
        f"| data | us a Check, {FEW} policies | {results[0].number:,} policies | times | loaded |",
        "|---|--:|--:|--:|--:|",
    ]
    for result in results:
        data = "of each policy" if result.own_data else "of all policies"
        few, many = statistics.median(result.few), statistics.median(result.many)
        lines.append(
            f"| {data} | {few:.1f} ({min(result.few):.1f}) | {many:.1f} ({min(result.many):.1f})"
            f" | {result.ratio:.2f} | {result.loaded:.1f} s |"
        )
    reached = "reached" if results[0].ratio <= GOAL else "missed"
    lines += [
        "",
        f"- **{reached}**: of the same data, {results[0].number:,} policies take"
        f" {results[0].ratio:.2f} times as long as {FEW}, at most {GOAL:g}.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-policies", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--policies", type=int, default=MANY, help="of the larger bundle")
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the results")
    options: Any = parser.parse_args(arguments)
    try:
        results = [run(options.rounds, own, options.policies) for own in (False, True)]
    except WrongAnswer as error:
        print(f"bench-policies: {error}", file=sys.stderr)
        return 1
    section = markdown(results)
    print(section)
    if options.write:
        report.write(options.write, section, BEGIN, END)
    return 0 if results[0].ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
