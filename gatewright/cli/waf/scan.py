"""`gatewright waf scan < requests.jsonl`: what rules say of recorded requests, a line each."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

from callout.config.problems import Rejected
from gatewright.cli.folders import cache_folder
from gatewright.cli.waf import rules
from gatewright.cli.waf.exchange import BadExchange, Exchange, judge, read
from waf.matcher.cache import Cache
from waf.matcher.library import Library
from waf.nomination import Nomination
from waf.rules import RuleSet
from waf.scores import scores

HELP = "judge recorded requests, a line of JSON each; exit 1 if a line was none, 2 without rules"
_LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a line: a body of 48 MB."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    rules.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints a finding for each request."""
    found = rules.rules_of(arguments)
    if isinstance(found, Rejected):
        for each in found.problems:
            print(each, file=sys.stderr)
        return 2
    # As `serve` judges, in a tenth of the time that all rules take one by one.
    nominate = Library(Cache(cache_folder() / "waf")).matcher(found)
    code = 0
    for number, line in _lines(sys.stdin.buffer):
        try:
            if line is None:
                raise BadExchange(f"expected at most {_LONGEST} bytes, found more")
            if line.strip():
                print(json.dumps(_finding(found, nominate, read(line), number)), flush=True)
        except BadExchange as bad:
            print(f"line {number}: {bad}", file=sys.stderr)
            code = 1
    return code


def _lines(source: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Number and content; None: it is too long."""
    number = 0
    while line := source.readline(_LONGEST + 1):
        number += 1
        if len(line) <= _LONGEST:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = source.readline(_LONGEST)
        yield number, None


def _finding(
    found: RuleSet, nominate: Nomination, exchange: Exchange, number: int
) -> dict[str, object]:
    transaction, seconds = judge(found, exchange, b"line-%d" % number, nominate=nominate)
    inbound, outbound = scores(transaction.state.tx)
    ids = dict.fromkeys(match.labels.id for match in transaction.matched if match.logged)
    return {
        "id": number if exchange.id is None else exchange.id,
        "rules": list(ids),
        "inbound": inbound,
        "outbound": outbound,
        # Rules of DetectionOnly refuse nobody; what they would refuse is what is asked here.
        "blocked": transaction.interruption is not None or transaction.shadow is not None,
        "ms": round(seconds * 1000, 3),
    }
