"""`make bench-waf`: the OWASP CRS here beside the same CRS in ModSecurity 3, both in process.

    python -m tests.load.waf --write docs/performance.md

Both get the same requests, in turn, and run all phases; a request that must be blocked is blocked
by both, every other by neither. Exit status 1: one of them judges otherwise, or CRS is not here.
"""

import argparse
import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import libmodsecurity

from callout.config.problems import Rejected
from callout.http.head import Headers, Peer, RequestHead, ResponseHead
from callout.testing.data import FOLDER
from tests.load import machine, report
from tests.load.guard import WrongAnswer
from tests.load.remembered import COLLECTED
from tests.load.waf_requests import KINDS, Kind, Request
from tests.waf.crs.rival import Rival
from tests.waf.crs.run import files
from waf.load import load
from waf.matcher.cache import Cache
from waf.matcher.library import Library
from waf.matcher.matcher import Matcher
from waf.rules import RuleSet
from waf.transaction import Transaction

BEGIN: Final = "<!-- waf: begin -->"
END: Final = "<!-- waf: end -->"
LEVELS: Final = (1, 2)
CACHE: Final = Path(__file__).parents[2] / ".cache" / "waf"
ALIKE: Final = 16
"""Requests of a kind that are not alike."""
_MAIN: Final = b"""
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 13107200
SecResponseBodyAccess Off
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "^application/(?:[a-z0-9.-]+[+])?json" \\
    "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
Include crs-setup.conf.example
SecAction "id:900000,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=%d"
Include rules/*.conf
"""

Judge = Callable[[Request], bool]
"""Whether a request is blocked."""


class Row(NamedTuple):
    """One kind of requests at one level: microseconds a request, round by round."""

    level: int
    kind: Kind
    ours: list[float]
    theirs: list[float]

    @property
    def part(self) -> float:
        """Of ModSecurity's time: the median of all rounds, each of which had both."""
        rounds = zip(self.ours, self.theirs, strict=True)
        return statistics.median(ours / theirs for ours, theirs in rounds)


def rule_files(crs: Path, level: int) -> dict[str, bytes]:
    """CRS as it comes, that blocks, at a paranoia level."""
    return files(crs) | {"main.conf": _MAIN % level}


def ours(rules: RuleSet, nominate: Matcher | None) -> Judge:
    """Our engine."""
    peer = Peer(b"192.0.2.7", 40000, b"192.0.2.1", 443)
    response = ResponseHead(200, Headers([(b"content-type", b"text/html")]))

    def judge(request: Request) -> bool:
        fields = [(name.encode(), value.encode()) for name, value in request.headers]
        head = RequestHead(
            request.method.encode(),
            b"https",
            fields[0][1],
            request.target.encode(),
            b"HTTP/1.1",
            Headers(fields[1:]),
        )
        transaction = Transaction(rules, b"bench", 1_760_000_000.0, nominate=nominate)
        blocked = (
            transaction.request_head(head, peer) is not None
            or transaction.request_body(request.body) is not None
            or transaction.response_head(response) is not None
            or transaction.response_body(b"") is not None
        )
        transaction.logging()
        return blocked

    return judge


def theirs(rival: Rival) -> Judge:
    """ModSecurity 3."""

    def judge(request: Request) -> bool:
        transaction = libmodsecurity.Transaction(rival.engine, rival.rules)
        blocked = _ask(transaction, request)
        transaction.process_logging()
        return blocked

    return judge


def _ask(transaction: libmodsecurity.Transaction, request: Request) -> bool:
    transaction.process_connection("192.0.2.7", 40000, "192.0.2.1", 443)
    transaction.process_uri(request.target, request.method, "1.1")
    for name, value in request.headers:
        transaction.add_request_header(name, value)
    transaction.process_request_headers()
    if transaction.intervention() is not None:
        return True
    transaction.append_request_body(request.body)
    transaction.process_request_body()
    if transaction.intervention() is not None:
        return True
    transaction.add_response_header("content-type", "text/html")
    transaction.process_response_headers(200, "HTTP/1.1")
    if transaction.intervention() is not None:
        return True
    transaction.process_response_body()
    return transaction.intervention() is not None


def measure(level: int, kind: Kind, lanes: tuple[Judge, Judge], rounds: int, seconds: float) -> Row:
    """Both, in turn. Raises WrongAnswer."""
    chance = random.Random(kind.name)
    requests = [kind.make(chance) for _ in range(ALIKE)]
    for number, judge in enumerate(lanes):
        for request in requests:
            if judge(request) is not kind.blocked:
                who = ("we", "ModSecurity")[number]
                raise WrongAnswer(f"{who}, paranoia {level}: {kind.name} is judged wrongly")
    row = Row(level, kind, [], [])
    for _ in range(rounds):
        row.ours.append(_round(lanes[0], requests, seconds))
        row.theirs.append(_round(lanes[1], requests, seconds))
    return row


def _round(judge: Judge, requests: Sequence[Request], seconds: float) -> float:
    """Processor time a request, microseconds."""
    asked = 0
    began, end = time.process_time(), time.perf_counter() + seconds
    while True:
        for request in requests:
            judge(request)
        asked += len(requests)
        if time.perf_counter() >= end:
            return (time.process_time() - began) / asked * 1e6


def run(
    crs: Path,
    rounds: int,
    seconds: float,
    *,
    levels: Sequence[int] = LEVELS,
    kinds: Sequence[Kind] = KINDS,
    accelerated: bool = True,
    cache: Path | None = None,
) -> list[Row]:
    """Every kind at every level. Raises WrongAnswer."""
    rows = []
    library = Library(None if cache is None else Cache(cache), accelerated=accelerated)
    for level in levels:
        with tempfile.TemporaryDirectory(prefix="gatewright-waf-") as folder:
            given = rule_files(crs, level)
            rival = Rival(given, Path(folder))
            rules = load("main.conf", given)
            assert not isinstance(rules, Rejected), rules.problems
            lanes = (ours(rules, library.matcher(rules)), theirs(rival))
            with _collected_as_in_a_worker():
                rows += [measure(level, kind, lanes, rounds, seconds) for kind in kinds]
            rival.close()
    return rows


@contextmanager
def _collected_as_in_a_worker() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTED)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def markdown(rows: Sequence[Row], rounds: int, seconds: float) -> str:
    """The table, and whether the goals are reached."""
    lines = [
        f"- Measured on {datetime.now(UTC):%Y-%m-%d}, {machine.description()}.",
        f"- {rounds} rounds of at least {seconds:g} s each, in turn, of {ALIKE} requests that are"
        f" not alike; medians of processor time. ModSecurity {libmodsecurity.__version__}.",
        "",
        "| paranoia | request | us | ModSecurity, us | times as fast |",
        "|--:|---|--:|--:|--:|",
    ]
    verdicts = []
    for row in rows:
        us, them = statistics.median(row.ours), statistics.median(row.theirs)
        name = row.kind.name
        lines.append(f"| {row.level} | {name} | {us:,.0f} | {them:,.0f} | {1 / row.part:.1f} |")
        if row.level == 1:
            most = row.kind.part
            mark = "reached" if row.part <= most else "missed"
            goal = "no more" if most == 1 else f"at most 1/{1 / most:.0f}"
            verdicts.append(f"- **{mark}**: {name}: 1/{1 / row.part:.1f} of its time, {goal}")
    return "\n".join([*lines, "", *verdicts]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-waf", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round, at least")
    parser.add_argument("--only", action="append", default=[], help="a word of a request's name")
    parser.add_argument("--level", action="append", type=int, default=[], help="1 to 4")
    parser.add_argument("--cache", type=Path, default=CACHE, help="of what takes long to compile")
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the results")
    options = parser.parse_args(arguments)
    crs = FOLDER / "crs"
    if not crs.is_dir():
        print(f"bench-waf: {crs} is not here: TEST_DATA names the folder with it", file=sys.stderr)
        return 1
    kinds = [
        kind
        for kind in KINDS
        if not options.only or any(word in kind.name for word in options.only)
    ]
    levels = options.level or LEVELS
    try:
        rows = run(
            crs, options.rounds, options.seconds, levels=levels, kinds=kinds, cache=options.cache
        )
    except WrongAnswer as error:
        print(f"bench-waf: {error}", file=sys.stderr)
        return 1
    section = markdown(rows, options.rounds, options.seconds)
    print(section)
    if options.write:
        report.write(options.write, section, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
