"""A value without the marks of a transformation is left by it as it is."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.waf.transformations.test_laws import FRAGMENTS
from waf.transformations.marks import ANY, MARKS, marks
from waf.transformations.table import TRANSFORMATIONS

_FREE = {name: tuple(part for part in FRAGMENTS if not marks(part) & MARKS[name]) for name in MARKS}
"""Fragments without the marks of a transformation; together they may have them."""


@pytest.mark.parametrize("name", sorted(MARKS))
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_without_its_marks_a_transformation_changes_nothing(name: str, data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from(_FREE[name]), max_size=30))
    value = b"".join(parts)
    assume(not marks(value) & MARKS[name])

    assert TRANSFORMATIONS[name](value) is value


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8).map(b"".join))
def test_short_and_long_values_are_marked_alike(value: bytes) -> None:
    repeated = (b"a" + value + b"a") * 60

    assert marks(repeated) == marks(b"a" + value + b"a")
    assert marks(value) & ANY


def test_every_mark_is_that_of_a_transformation() -> None:
    assert MARKS.keys() <= TRANSFORMATIONS.keys()
    assert marks(b"select_1=x:y@z") == ANY
