"""The regression suite of the OWASP CRS, in process, at paranoia 4: every test of it passes."""

from pathlib import Path

import pytest

from callout.testing.data import FOLDER, require
from tests.waf.crs.cases import Case, load
from tests.waf.crs.run import faults, rules
from waf.rules import RuleSet

_TESTS = "crs/tests/regression/tests"
_FILES = sorted((FOLDER / _TESTS).rglob("*.yaml")) or [Path("none")]


@pytest.fixture(scope="module")
def crs() -> RuleSet:
    return rules(require("crs"))


@pytest.fixture(scope="module")
def counted() -> list[Case]:
    """Cases that ran: to be sure at the end that it was all of them."""
    return []


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_every_case_of_a_file_passes(path: Path, crs: RuleSet, counted: list[Case]) -> None:
    require(_TESTS)
    cases = load(path)
    counted.extend(cases)

    failed = {case.id: found for case in cases if (found := faults(crs, case))}

    assert failed == {}


def test_all_cases_were_there(counted: list[Case], request: pytest.FixtureRequest) -> None:
    require(_TESTS)
    if len(request.session.items) < len(_FILES):
        pytest.skip("only some files were asked for")

    assert (len(counted), sum(len(case.stages) for case in counted)) == (5045, 5051)
