"""Who is nominated: at least every rule that matches, and of the others few."""

import gc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from callout.http.head import RequestHead
from tests.waf.engine import PEER, head, ids, rules
from waf.matcher import cost, hyperscan, library
from waf.matcher.cache import Cache
from waf.matcher.library import Library
from waf.matcher.matcher import Matcher
from waf.nomination import Findings, Nomination
from waf.rules import RuleSet
from waf.transaction import Budget, Transaction

TEXT = """
SecAction "id:1,phase:1,pass,setvar:tx.a=b"
SecRule ARGS "@rx attack[0-9]" "id:2,phase:1,pass,t:lowercase"
SecRule ARGS "@rx ^whole$" "id:3,phase:1,pass"
SecRule ARGS "@pm one two" "id:4,phase:1,pass"
SecRule ARGS "@pm zw\u00f6lf" "id:5,phase:1,pass"
SecRule ARGS "!@rx ^[a-z]*$" "id:6,phase:1,pass"
SecRule ARGS "@rx x*" "id:7,phase:1,pass"
SecRule &ARGS "@eq 2" "id:8,phase:1,pass"
SecRule TX:a "@rx b" "id:9,phase:1,pass"
SecRule ARGS "@rx (a)(?!b)" "id:10,phase:1,pass"
SecRule ARGS "@rx ^(?i)\u00e9" "id:11,phase:1,pass"
SecRule ARGS "@rx %2e" "id:12,phase:1,pass,multiMatch,t:urlDecode"
SecRule REQUEST_HEADERS:X-A "@rx header" "id:13,phase:1,pass"
SecRule ARGS "@streq %{tx.a}" "id:14,phase:1,pass"
"""
TARGETS = [
    b"/",
    b"/?q=ATTACK1",
    b"/?a=x&b=whole&c=y",
    b"/?a=x%0awhole",
    b"/?q=xTWOx",
    b"/?q=ZW%C3%B6LF",
    b"/?q=%C3%A9",
    b"/?q=%C3%89",
    b"/?q=7",
    b"/?q=attack&r=a",
    b"/?q=%252e",
    b"/?q=b",
]


@pytest.fixture(scope="module")
def loaded() -> RuleSet:
    return rules(TEXT)


@pytest.fixture(params=[True, False], ids=["hyperscan", "re2"], scope="module")
def matcher(request: pytest.FixtureRequest, loaded: RuleSet) -> Matcher:
    return Library(accelerated=request.param).matcher(loaded)


def _run(
    loaded: RuleSet, target: RequestHead, nominate: Nomination | None
) -> tuple[list[int], Transaction]:
    transaction = Transaction(loaded, b"1", 0.0, nominate=nominate)
    transaction.request_head(target, PEER)
    return ids(transaction), transaction


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_rules_match_the_same_with_nomination_and_without(
    target: bytes, loaded: RuleSet, matcher: Matcher
) -> None:
    alone, plain = _run(loaded, head(target), None)
    nominated, spared = _run(loaded, head(target), matcher)

    assert nominated == alone
    assert spared.matched == plain.matched
    assert list(spared.state.tx) == list(plain.state.tx)


def _nominated(loaded: RuleSet, matcher: Matcher, target: bytes) -> list[int]:
    found: list[int] = []

    def nominate(phase: int, values: Findings, look: Callable[[], None]) -> Sequence[int]:
        positions = matcher(phase, values, look)
        found.extend(loaded.phases[1][position].labels.id for position in positions)
        return positions

    _run(loaded, head(target), nominate)
    return found


def test_a_rule_is_asked_only_when_what_it_seeks_is_there(
    loaded: RuleSet, matcher: Matcher
) -> None:
    assert _nominated(loaded, matcher, b"/") == [1, 8, 9]
    assert _nominated(loaded, matcher, b"/?q=d") == [1, 6, 7, 8, 9, 10, 14]
    assert _nominated(loaded, matcher, b"/?q=attack1") == [1, 2, 6, 7, 8, 9, 10, 14]


def test_rules_that_seek_the_same_share_a_database(loaded: RuleSet) -> None:
    shared = Library()
    one, other = shared.matcher(loaded), shared.matcher(rules(TEXT))

    assert one._databases[1] is other._databases[1]


def test_a_database_comes_from_the_cache(
    tmp_path: Path, loaded: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    Library(Cache(tmp_path)).matcher(loaded)
    monkeypatch.setattr(hyperscan, "compile_database", _never)

    again = Library(Cache(tmp_path)).matcher(loaded)

    assert 2 in _run(loaded, head(b"/?q=attack1"), again)[0]


def test_a_database_that_cannot_be_read_is_compiled_anew(tmp_path: Path, loaded: RuleSet) -> None:
    kept: dict[bytes, bytes] = {}

    class Spoiled(Cache):
        def read(self, key: bytes) -> bytes | None:
            return b"spoiled" if key in kept and not key.startswith(b"costs") else kept.get(key)

        def write(self, key: bytes, stored: bytes) -> bool:
            kept[key] = stored
            return True

    Library(Spoiled(tmp_path)).matcher(loaded)
    again = Library(Spoiled(tmp_path)).matcher(loaded)

    assert 2 in _run(loaded, head(b"/?q=attack1"), again)[0]


def test_an_expression_that_hyperscan_is_slow_at_is_left_to_re2(
    loaded: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "microseconds_per_kib", lambda stored: cost.SLOW + 1)
    slow = Library().matcher(loaded)

    assert slow._phases[1].numbers[0].words
    assert (
        _run(loaded, head(b"/?q=attack1"), slow)[0] == _run(loaded, head(b"/?q=attack1"), None)[0]
    )


def test_a_phase_that_hyperscan_cannot_compile_as_a_whole_is_left_to_re2(
    loaded: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hyperscan.compile_database

    def alone(expressions: Sequence[bytes], *around: object, **others: object) -> bytes:
        if len(expressions) > 1:
            raise hyperscan.HyperscanProblem("too large")
        return whole(expressions, [0])

    monkeypatch.setattr(hyperscan, "compile_database", alone)
    matcher = Library().matcher(loaded)

    assert not matcher._databases
    assert (
        _run(loaded, head(b"/?q=attack1"), matcher)[0]
        == _run(loaded, head(b"/?q=attack1"), None)[0]
    )


def test_a_build_that_misses_a_canary_is_not_used(
    loaded: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hyperscan, "CANARIES", ((b"a", b"b"),))
    hyperscan.fault.cache_clear()
    try:
        broken = Library()
        assert "382" in broken.fault
        assert not broken.matcher(loaded).accelerated
        assert not broken.matcher(loaded)._databases
    finally:
        hyperscan.fault.cache_clear()


def test_much_is_searched_in_parts_with_looks_at_the_time(
    loaded: RuleSet, matcher: Matcher
) -> None:
    many = b"&".join(b"a%d=%s" % (n, b"z" * 1000 + b"%d" % n) for n in range(400))
    request = head(b"/?" + many + b"&b=attack1")
    late = Transaction(
        loaded, b"1", 0.0, _steps(), budget=Budget(0.005, "deny", 503), nominate=matcher
    )

    assert 2 in _run(loaded, request, matcher)[0]
    assert late.request_head(request, PEER) is not None
    assert late.out_of_time


def _steps() -> Callable[[], float]:
    at = [0.0]

    def elapsed() -> float:
        at[0] += 0.001
        return at[0]

    return elapsed


def _never(*around: object, **others: object) -> bytes:
    raise AssertionError((around, others))


def test_what_no_rule_set_seeks_any_more_is_freed() -> None:
    shared = Library()
    for number in range(30):
        shared.matcher(rules(f'SecRule ARGS "@rx word{number}[0-9]" "id:1,phase:1,pass"'))
        gc.collect()

    assert len(shared._databases) <= 1
    assert len(shared._searches) == 0
