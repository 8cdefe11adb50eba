"""`make bench-cache`: what a remembered decision costs, beside making it.

    python -m tests.load.remembered --write docs/performance.md

In this process, its processor time, lanes in turn; medians count. What was loaded is frozen, and
garbage collected as a worker does it: Python's own thresholds, with a cache that fills, would
collect all of it again and again (ten times the time of a miss). Exit status 1: an answer is wrong,
or the cache did not answer when it should.
"""

import argparse
import gc
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from callout.observe.decision import Decision
from callout.testing import tools
from callout.testing.requests import BROWSER_HEADERS, check_request
from extauthz.cache.decisions import DecisionCache
from extauthz.cache.rules import of_rego
from extauthz.compiled import ByRego
from extauthz.input import InputBuilder
from extauthz.policy.compiler import ways
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.policy.values.text import to_json
from extauthz.result import outcome_of
from tests.extauthz.world import HOST, Answered, World, auth
from tests.load import rego, report

BEGIN: Final = "<!-- remembered: begin -->"
END: Final = "<!-- remembered: end -->"
LANES: Final = ("evaluation", "noting", "found", "missed", "Check", "Check, found", "Check, missed")
ASKED: Final = {
    "roles with data": "allowed",
    f"{rego.RULES} rules: a prefix and a method": "last",
    f"one rule, a table of {rego.RULES}": "last",
}
"""Policy -> question, of `tests.load.rego`."""
TTL: Final = 3600.0
COLLECTED: Final = (20_000, 50, 1_000_000)
"""`gc.set_threshold` of a worker (`gatewright.run.worker`)."""


class Row(NamedTuple):
    """Microseconds, by lane."""

    policy: str
    lanes: dict[str, float]


def engines(policy: rego.Policy) -> tuple[RegoEngine, RegoEngine]:
    """The plain one, and the one that notes what it reads."""
    request = ways.Request({"policy.rego": policy.rego.encode()}, policy.entrypoint, policy.name)
    (plan,) = ways.with_opa(tools.find("opa"))([request])
    if not isinstance(plan, bytes):
        raise rego.WrongAnswer("; ".join(map(str, plan)))
    made = [
        load_plan(plan, policy.entrypoint, to_json(policy.data).encode(), recorded)
        for recorded in (False, True)
    ]
    plain, noting = made
    if not isinstance(plain, RegoEngine) or not isinstance(noting, RegoEngine):
        raise rego.WrongAnswer(f"{policy.name}: {made}")
    return plain, noting


def _lanes(policy: rego.Policy, question: rego.Question) -> dict[str, Callable[[], object]]:
    plain, noting = engines(policy)
    if noting.recorded is None:
        raise rego.WrongAnswer("the engine does not note what it reads")
    rules = of_rego(TTL, TTL, noting.recorded)
    document = question.document
    cache, missing = DecisionCache(), DecisionCache()
    who = itertools.count(1)

    def missed() -> object:
        other = next(who)  # a credential that nobody has seen
        missing.get("digest", rules, other, document, 0.0)
        answer, noted = noting.decide_and_tell(document)
        outcome = outcome_of(answer, "rego")
        missing.put("digest", rules, other, document, noted, outcome, answer, 0.0, TTL)
        return answer

    answer, noted = noting.decide_and_tell(document)
    cache.get("digest", rules, 0, document, 0.0)
    cache.put("digest", rules, 0, document, noted, outcome_of(answer, "rego"), answer, 0.0, TTL)
    if cache.get("digest", rules, 0, document, 0.0) is None or answer is not question.answer:
        raise rego.WrongAnswer(policy.name)
    http = document["attributes"]["request"]["http"]
    headers = {**BROWSER_HEADERS, "x-user": http["headers"]["x-user"]}
    message = check_request(http["method"], http["path"], HOST, headers).SerializeToString()
    block = auth(decider=ByRego(plain, InputBuilder(plain.reads)), emit={})
    kept = replace(block, decider=ByRego(noting, InputBuilder(noting.reads)), cache=rules)
    # what has ended at once is never found
    ended = replace(kept, cache=of_rego(1e-9, 1e-9, noting.recorded))
    worlds = [World(each, wants_text=False) for each in (block, kept, ended)]
    for world in worlds:
        world.observer.decided = _nothing  # type: ignore[method-assign]
        world.service._clock = time.monotonic
    checks = [world.check for world in worlds]
    for check in checks:
        reply = check(message)
        if not isinstance(reply, bytes) or Answered(reply).allowed is not question.answer:
            raise rego.WrongAnswer(policy.name)
    return {
        "evaluation": lambda: plain.decide(document, None),
        "noting": lambda: noting.decide_and_tell(document),
        "found": lambda: cache.get("digest", rules, 0, document, 0.0),
        "missed": missed,
        "Check": lambda: checks[0](message),
        "Check, found": lambda: checks[1](message),
        "Check, missed": lambda: checks[2](message),
    }


def _nothing(decision: Decision) -> None:
    """Instead of keeping it."""


def _microseconds(call: Callable[[], object], seconds: float) -> float:
    number = 20
    while True:
        began = time.process_time()
        for _ in range(number):
            call()
        took = time.process_time() - began
        if took >= seconds:
            return took / number * 1e6
        number = max(number * 2, int(number * seconds / max(took, 1e-9)))


def run(rounds: int, seconds: float) -> list[Row]:
    """All policies."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTED)
    try:
        return list(_rows(rounds, seconds))
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _rows(rounds: int, seconds: float) -> Iterator[Row]:
    for policy in rego.policies():
        for question in policy.questions:
            if ASKED.get(policy.name) != question.name:
                continue
            lanes = _lanes(policy, question)
            gc.collect()
            gc.freeze()
            found: dict[str, list[float]] = {lane: [] for lane in LANES}
            for _ in range(rounds):
                for lane in LANES:
                    found[lane].append(_microseconds(lanes[lane], seconds))
            medians = {lane: statistics.median(each) for lane, each in found.items()}
            yield Row(f"{policy.name}, {question.name}", medians)


def markdown(rows: Sequence[Row], rounds: int) -> str:
    """The section of the page."""
    lines = [f"- {rounds} rounds, in turn; medians, in microseconds.", ""]
    lines += ["| policy | " + " | ".join(LANES) + " |", "|---|" + "--:|" * len(LANES)]
    for row in rows:
        cells = (f"{row.lanes[lane]:.2f}" for lane in LANES)
        lines.append(f"| {row.policy} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-cache", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a round of a lane")
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the results")
    options: Any = parser.parse_args(arguments)
    try:
        rows = run(options.rounds, options.seconds)
    except (rego.WrongAnswer, tools.ToolMissing) as error:
        print(f"bench-cache: {error}", file=sys.stderr)
        return 1
    section = markdown(rows, options.rounds)
    print(section)
    if options.write:
        report.write(options.write, section, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
