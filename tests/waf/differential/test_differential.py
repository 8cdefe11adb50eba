"""CRS here beside CRS in ModSecurity 3: the same rules log, or the table says why not.

A part of what `make waf-differential` does, nearly all of whose time is ModSecurity's.
"""

import itertools
from collections.abc import Iterator

import pytest

from callout.testing.data import require
from tests.waf.crs.cases import Sent
from tests.waf.crs.rival import Rival
from tests.waf.crs.run import files, rules
from tests.waf.differential.compare import compare, suite
from tests.waf.differential.generated import requests
from waf.rules import RuleSet

_STRIDE = 13
_GENERATED = 60


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RuleSet, Rival]]:
    folder = require("crs")
    rival = Rival(files(folder), tmp_path_factory.mktemp("crs"))
    yield rules(folder), rival
    rival.close()


@pytest.fixture(scope="module")
def known() -> list[tuple[str, Sent]]:
    return list(suite(require("crs")))


def test_the_same_rules_log_for_requests_of_the_suite(
    engines: tuple[RuleSet, Rival], known: list[tuple[str, Sent]]
) -> None:
    found = compare(*engines, known[::_STRIDE])

    assert found.unknown == {}
    assert found.asked > 300
    assert found.same > found.asked * 3 / 4


def test_the_same_rules_log_for_generated_requests(
    engines: tuple[RuleSet, Rival], known: list[tuple[str, Sent]]
) -> None:
    made = requests([sent for _, sent in known], seed=1)
    found = compare(*engines, ((str(at), each) for at, each in enumerate(
        itertools.islice(made, _GENERATED))))  # fmt: skip

    assert found.unknown == {}
    assert found.asked == _GENERATED
    assert found.same > found.asked * 3 / 4


def test_generated_requests_are_the_same_for_a_seed(known: list[tuple[str, Sent]]) -> None:
    sent = [each for _, each in known]

    first, again, other = (list(itertools.islice(requests(sent, seed), 20)) for seed in (1, 1, 2))

    assert first == again != other
