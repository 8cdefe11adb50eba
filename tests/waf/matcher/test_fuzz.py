"""A moment of `make fuzz-matcher`."""

import itertools

from tests.waf.matcher.fuzz import missed, rule_set, sought, stretched, values
from waf.matcher.hyperscan import CANARIES, Database, compile_database


def test_hyperscan_finds_what_re2_finds_in_stretched_attacks() -> None:
    expressions = sought(rule_set(), every=5)
    asked = list(itertools.islice(stretched(values(), seed=7), 400))

    assert len(expressions) > 30
    assert sum(each.test(value) is not None for each in expressions for value in asked) > 100
    assert [found for value in asked for found in missed(expressions, value)] == []


def test_the_canaries_are_found_however_they_are_padded() -> None:
    for expression, text in CANARIES:
        database = Database(compile_database([expression], [0]))
        for size in range(200):
            assert database.search(b"p" * size + text + b"q" * size)
