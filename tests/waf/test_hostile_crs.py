"""Requests made to cost, before all of CRS: each gets a verdict soon, whatever is in it.

Bounds are of processor time, ten times what was seen, as other things run beside.
"""

import gc
import itertools
import time
from pathlib import Path

import pytest

from callout.config.problems import Rejected
from callout.http.head import Headers, Peer, RequestHead
from callout.testing.data import require
from tests.waf.crs.cases import load as load_cases
from tests.waf.crs.run import play
from tests.waf.matcher.corpus import CACHE, rules
from waf.load import load
from waf.matcher.cache import Cache
from waf.matcher.library import Library
from waf.matcher.matcher import Matcher
from waf.rules import RuleSet
from waf.transaction import Budget, Transaction

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
NESTED = b"".join(
    b"--b%d\r\nContent-Disposition: form-data; name=a%d\r\n"
    b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (depth, depth, depth + 1)
    for depth in range(5_000)
)
BODIES = {
    "one-character values": (JSON, b"[" + b",".join([b'"a"'] * 200_000) + b"]"),
    "different values": (JSON, b"[" + b",".join(b"%d" % each for each in range(120_000)) + b"]"),
    "deep": (JSON, b"[" * 400_000 + b"]" * 400_000),
    "deep names": (JSON, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "arguments": (FORM, b"&".join(b"a%d=%d" % (each, each) for each in range(10_000))),
    "one name": (FORM, b"&".join([b"a=b"] * 200_000)),
    "escapes": (FORM, b"a=" + b"%25" * 250_000),
    "one value": (FORM, b"a=" + b"select union from " * 45_000),
    "multipart in multipart": (b"multipart/form-data; boundary=b0", NESTED),
    "parts": (
        b"multipart/form-data; boundary=b",
        b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 15_000 + b"--b--",
    ),
}


@pytest.fixture(scope="module")
def engine() -> tuple[RuleSet, Matcher]:
    require("crs")
    loaded = rules(1)
    return loaded, Library(Cache(CACHE)).matcher(loaded)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_was_made_to_cost_gets_a_verdict(
    engine: tuple[RuleSet, Matcher], name: str
) -> None:
    loaded, matcher = engine
    media, body = BODIES[name]
    began = time.process_time()
    transaction = Transaction(
        loaded, b"1", 0.0, lambda: time.process_time() - began, budget=Budget(), nominate=matcher
    )
    fields = [(b"content-type", media), (b"content-length", b"%d" % len(body))]
    head = RequestHead(b"POST", b"https", b"a.example", b"/", b"HTTP/1.1", Headers(fields))

    transaction.request_head(head, Peer(b"192.0.2.7", 40000, b"192.0.2.1", 443))
    transaction.request_body(body)
    transaction.logging()

    assert time.process_time() - began < 5
    # None of them passes as if it had been read: a rule logs it, the time is over, or the decoder
    # says that there is more, for which ModSecurity's recommended rules refuse it.
    told = [match.labels.id for match in transaction.matched if match.logged]
    assert told or transaction.out_of_time or transaction.state.body_values.error


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_rules_that_are_loaded_again_and_again_take_no_more_memory() -> None:
    library = Library()
    numbers = itertools.count()

    def reload(times: int) -> None:
        for _ in range(times):
            text = "".join(
                f'SecRule ARGS "@rx attack{next(numbers)}[a-z]+" "id:{rule},phase:2,deny"\n'
                for rule in range(1, 6)
            )
            loaded = load("main.conf", {"main.conf": ("SecRuleEngine On\n" + text).encode()})
            assert not isinstance(loaded, Rejected)
            library.matcher(loaded)
        gc.collect()

    reload(30)
    before = _resident()
    reload(150)

    # 100 KB each would be 15 MB; allocators keep some of what they once had.
    assert _resident() - before < 8 << 20


def test_crs_that_is_loaded_again_and_again_takes_no_more_memory() -> None:
    folder = require("crs")
    case = load_cases(
        folder / "tests/regression/tests/REQUEST-942-APPLICATION-ATTACK-SQLI/942100.yaml"
    )[0]

    def reload(times: int) -> None:
        for _ in range(times):
            play(rules(1), case.stages[0].sent)
        gc.collect()

    reload(3)
    before = _resident()
    reload(6)

    assert _resident() - before < 24 << 20
