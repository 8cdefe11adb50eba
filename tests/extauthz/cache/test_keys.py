"""The code that makes keys sees what looks see, one by one."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauthz.cache import decisions, keys
from extauthz.cache.decisions import DecisionCache
from extauthz.cache.keys import key_of
from extauthz.cache.rules import of_rego, of_server
from extauthz.cache.seen import TooMuch, look
from extauthz.outcome import Allow, Deny
from extauthz.policy.plan.recording import Read

_NAMES = ["a", "b", "c", "x\"]\n'", "0"]
_STEPS = st.one_of(st.sampled_from(_NAMES), st.integers(0, 2))
_READS = st.lists(
    st.builds(Read, st.lists(_STEPS, min_size=1, max_size=4).map(tuple), st.booleans()),
    max_size=6,
    unique=True,
)
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(0, 2),
        st.sampled_from([Decimal("1.0"), Decimal("1.00"), "", "a", "x", "abc"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=20,
)
_DOCUMENTS = st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4)


@given(_READS, _DOCUMENTS)
def test_code_sees_what_looks_see(reads: list[Read], document: dict[str, Any]) -> None:
    way = object()
    expected = (way, 7, *[look(read)(document) for read in reads])
    assert key_of(tuple(reads))(way, 7, document) == expected


def test_code_gives_up_where_a_look_does() -> None:
    with pytest.raises(TooMuch):
        key_of((Read(("a",), True),))(None, 0, {"a": ["x" * 20_000]})


@given(st.lists(st.tuples(_DOCUMENTS, st.integers(0, 1)), max_size=30))
def test_with_code_and_without_the_same_is_found(
    asked: list[tuple[dict[str, Any], int]],
) -> None:
    """Evaluations that look at `a`, then at `b` only where `a` is true, and at `a.c` otherwise."""
    reads = (Read(("a",), False), Read(("b",), True), Read(("a", "c"), False))
    rules = of_rego(60.0, 60.0, reads)
    found: list[list[object]] = []
    for worth in (1, 10**9):
        cache, answers = DecisionCache(), []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decisions, "WORTH_CODE", worth)
            for document, who in asked:
                kept = cache.get("digest", rules, who, document, 0.0)
                answers.append(None if kept is None else kept.answer)
                noted = [0, 1] if document.get("a") is True else [0, 2]
                said = [repr(look(reads[number])(document)) for number in noted]
                if kept is not None:
                    assert kept.answer == [who, *said]
                outcome = Allow("rego") if len(said[1]) % 2 else Deny("rego")
                cache.put("digest", rules, who, document, noted, outcome, [who, *said], 0.0, 60.0)
        found.append(answers)
    assert found[0] == found[1]


def test_code_is_made_for_what_is_looked_at_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []

    def counted(reads: tuple[Read, ...]) -> keys.Key:
        made.append(reads)
        return keys.key_of(reads)

    monkeypatch.setattr(decisions, "key_of", counted)
    reads = (Read(("a",), False),)
    rules = of_rego(60.0, 60.0, reads)
    cache = DecisionCache()
    cache.get("digest", rules, 0, {"a": "x"}, 0.0)
    cache.put("digest", rules, 0, {"a": "x"}, [0], Allow("rego"), True, 0.0, 60.0)
    for _ in range(decisions.WORTH_CODE - 1):
        assert cache.get("digest", rules, 0, {"a": "x"}, 0.0) is not None
    assert made == []
    for _ in range(3):
        assert cache.get("digest", rules, 0, {"a": "x"}, 0.0) is not None
        assert cache.get("digest", rules, 0, {"a": "y"}, 0.0) is None
    assert made == [reads]


def test_codes_are_bounded_and_what_has_none_is_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decisions, "WORTH_CODE", 1)
    monkeypatch.setattr(decisions, "CODES_MOST", 3)
    cache = DecisionCache()
    every = [of_rego(60.0, 60.0, (Read((f"a{n}",), False),)) for n in range(9)]
    cache.get("digest", every[0], 0, {}, 0.0)
    for n, rules in enumerate(every):
        document = {f"a{n}": "x"}
        cache.put("digest", rules, 0, document, [0], Allow("rego"), True, 0.0, 60.0)
        for _ in range(3):
            assert cache.get("digest", rules, 0, document, 0.0) is not None
            assert cache.get("digest", rules, 0, {}, 0.0) is None
    assert len(cache._codes) == 3
    cache.get("another", every[0], 0, {}, 0.0)
    assert not cache._codes


def test_there_is_no_code_for_all_of_the_input() -> None:
    """What is left of it for an OPA server, is the policy's affair."""
    rules = of_server(60.0, 60.0, [("time",)])
    cache = DecisionCache()
    cache.get("digest", rules, 0, {}, 0.0)
    cache.put("digest", rules, 0, {"a": 1, "time": 0}, [0], Allow("opa"), True, 0.0, 60.0)
    for time in range(2 * decisions.WORTH_CODE):
        assert cache.get("digest", rules, 0, {"a": 1, "time": time}, 0.0) is not None
        assert cache.get("digest", rules, 0, {"a": 2, "time": time}, 0.0) is None
