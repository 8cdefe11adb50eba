"""The names that the parser knows are those that the engine has."""

import pytest

from waf.actions.table import ACTIONS as DONE
from waf.seclang.action_names import ACTIONS, TRANSFORMATIONS
from waf.seclang.directives import DIRECTIVES, PARSED
from waf.seclang.operator import OPERATORS, REFUSED, WARNED
from waf.seclang.variables import VARIABLES
from waf.transformations.table import TRANSFORMATIONS as APPLIED
from waf.variables.contract import Many
from waf.variables.table import VARIABLES as READ


def test_actions() -> None:
    assert set(ACTIONS) == set(DONE)


def test_transformations() -> None:
    assert {each.lower() for each in TRANSFORMATIONS} == {"none", *APPLIED}


def test_variables_and_which_of_them_have_members() -> None:
    members = {name for name, kind in VARIABLES.items() if kind != "single"}
    assert set(VARIABLES) == set(READ)
    assert members == {name for name, variable in READ.items() if isinstance(variable, Many)}


@pytest.mark.parametrize("name", sorted({*OPERATORS, *WARNED, *REFUSED}))
def test_an_operator_has_one_fate(name: str) -> None:
    assert sum(name in each for each in (OPERATORS, WARNED, REFUSED)) == 1


def test_directives_are_named_once_and_a_reason_is_given_for_what_is_not_done() -> None:
    assert not {each.lower() for each in PARSED} & set(DIRECTIVES)
    for known in DIRECTIVES.values():
        assert bool(known.why) == (known.effect in ("warned", "refused"))
