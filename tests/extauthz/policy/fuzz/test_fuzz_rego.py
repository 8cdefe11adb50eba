"""Generated Rego through our translator and a real OPA: the same answers."""

from collections.abc import Callable, Iterator

import pytest

from callout.testing import tools
from extauthz.policy.translator import runtime
from tests.extauthz.policy.fuzz.beside_opa import BesideOpa, Counted

MODULES = 10
"""At a time: OPA compiles all that it has for each that it is given."""
BATCHES = 12


@pytest.fixture(scope="module")
def opa() -> Iterator[BesideOpa]:
    tools.require("opa")
    with BesideOpa() as server:
        yield server


@pytest.mark.timeout(300)
def test_generated_policies_decide_as_with_opa(opa: BesideOpa) -> None:
    found = [opa.batch(seed, MODULES) for seed in range(BATCHES)]
    differences = [each for batch in found for each in batch.differences]
    assert not differences, "\n".join(map(str, differences[:3]))
    pairs = sum(batch.pairs for batch in found)
    assert pairs >= 1000
    assert sum(batch.defined for batch in found) > pairs * 0.8
    assert sum(batch.failed for batch in found) > 0
    assert sum(batch.not_done for batch in found) < pairs * 0.01
    assert sum(batch.refused for batch in found) == 0


def wrong_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extauthz.policy.translator.write_index.equality_table", lambda group: {})
    monkeypatch.setattr("extauthz.policy.translator.write_index.prefix_tables", lambda group: ())


def no_conflicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtime.NAMESPACE, "once", lambda current, value, message: None)


def leaves_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtime.NAMESPACE, "pairs_of", lambda source, memo: ())


MISTAKES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "an index that finds nothing": wrong_index,
    "conflicts that nobody sees": no_conflicts,
    "iterations over keys that end at once": leaves_early,
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found(
    name: str, opa: BesideOpa, monkeypatch: pytest.MonkeyPatch
) -> None:
    MISTAKES[name](monkeypatch)
    # From the last: that finds two of them at once, and one of them no other does.
    for seed in reversed(range(BATCHES)):
        found: Counted = opa.batch(seed, MODULES)
        if found.differences:
            return
    pytest.fail("it was not found")
