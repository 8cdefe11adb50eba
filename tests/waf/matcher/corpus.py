"""All tests of CRS with nomination and without: the same rules, captures and scores.

    python -m tests.waf.matcher.corpus [--paranoia N]

By Hyperscan, and by RE2 alone. Exit status 1: a request was judged otherwise.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from callout.config.problems import Rejected
from callout.http.head import Headers, Peer, RequestHead
from callout.testing.data import FOLDER
from tests.waf.crs.cases import Case, Sent, load
from tests.waf.crs.run import files
from tests.waf.crs.server import received, refuses, respond
from waf.load import load as load_rules
from waf.matcher.cache import Cache
from waf.matcher.library import Library
from waf.nomination import Nomination
from waf.rules import RuleSet
from waf.transaction import Transaction

CACHE: Final = Path(__file__).parents[3] / ".cache" / "waf"


def rules(paranoia: int) -> RuleSet:
    """CRS as its own tests want it, but for the paranoia."""
    found = files(FOLDER / "crs")
    main = found["main.conf"].replace(b"paranoia_level=4", b"paranoia_level=%d" % paranoia)
    loaded = load_rules("main.conf", found | {"main.conf": main})
    assert not isinstance(loaded, Rejected)
    return loaded


def cases(every: int = 1) -> list[Case]:
    """The tests, or each of so many."""
    paths = sorted((FOLDER / "crs/tests/regression/tests").rglob("*.yaml"))
    return [case for path in paths for case in load(path)][::every]


def play(rules: RuleSet, sent: Sent, nominate: Nomination | None) -> Transaction:
    """Every phase for a request."""
    transaction = Transaction(rules, b"1", 1_760_000_000.0, nominate=nominate)
    fields = Headers([(name.lower(), value) for name, value in sent.fields])
    head = RequestHead(sent.method, b"http", b"", sent.target, sent.version, fields)
    transaction.request_head(head, Peer(b"127.0.0.1", 40000, b"127.0.0.1", 80))
    transaction.request_body(sent.body)
    response, body = respond(sent)
    transaction.response_head(response)
    transaction.response_body(body)
    transaction.logging()
    return transaction


def differences(rules: RuleSet, asked: Iterable[Case], nominate: Nomination) -> list[str]:
    """The tests that nomination judges otherwise."""
    found: list[str] = []
    for case in asked:
        for stage in case.stages:
            if refuses(stage.sent):
                continue
            sent = received(stage.sent)
            plain, spared = play(rules, sent, None), play(rules, sent, nominate)
            same = (
                plain.matched == spared.matched
                and list(plain.state.tx) == list(spared.state.tx)
                and plain.shadow == spared.shadow
            )
            if not same:
                found.append(case.id)
    return found


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.waf.matcher.corpus")
    parser.add_argument("--paranoia", type=int, default=4)
    loaded = rules(parser.parse_args().paranoia)
    asked = cases()
    failed: list[str] = []
    for accelerated in (True, False):
        matcher = Library(Cache(CACHE), accelerated=accelerated).matcher(loaded)
        found = differences(loaded, asked, matcher)
        by = "Hyperscan" if matcher.accelerated else "RE2"
        print(f"{by}: {len(asked)} tests, {len(found)} judged otherwise", *found)
        failed += found
    return 1 if failed or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
