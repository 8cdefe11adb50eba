"""The names that the parser knows are those that the engine has."""

from waf.actions.table import ACTIONS as DONE
from waf.operators.refused import REFUSED
from waf.operators.table import OPERATORS as COMPARED
from waf.seclang.action_names import ACTIONS, TRANSFORMATIONS
from waf.seclang.directives import DIRECTIVES, PARSED
from waf.seclang.operator import LOOKUPS, OPERATORS
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


def test_operators() -> None:
    assert {each.lower() for each in OPERATORS} == set(COMPARED)
    assert set(REFUSED) >= LOOKUPS


def test_directives_are_named_once_and_a_reason_is_given_for_what_is_not_done() -> None:
    assert not {each.lower() for each in PARSED} & set(DIRECTIVES)
    for known in DIRECTIVES.values():
        assert bool(known.why) == (known.effect in ("warned", "refused"))
