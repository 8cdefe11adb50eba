"""Every row of ModSecurity's and Coraza's own tests of operators."""

from pathlib import Path

import pytest

from tests.waf import rows
from waf.operators.contract import OperatorProblem, Surroundings
from waf.operators.refused import REFUSED
from waf.operators.table import OPERATORS

NAMES = {"nids": "validatenid"}
"""Files that are not called like their operator."""
JUDGED: dict[str, tuple[bool | None, str]] = {
    "ipMatch-16": (None, "10.0.0.0/100: there is no such network, and its author should know"),
}
"""Rows that we do not follow: whether ours matches (None: it refuses the argument), and why."""


def _read(name: str) -> bytes:
    return (rows.folder() / "operators/op" / Path(name).name).read_bytes()


@pytest.mark.parametrize("row", rows.parameters("operators"))
def test_row(row: rows.Row | None) -> None:
    if row is None:
        rows.folder()
        pytest.fail("the folder has no rows of operators")
    name = NAMES.get(row.name, row.name.lower())
    if name in REFUSED:
        assert name == "validateschema"
        return
    expected, _ = JUDGED.get(row.id, (bool(row.said["ret"]), ""))
    argument = row.said.get("param", "").encode()

    try:
        test = OPERATORS[name](argument, Surroundings(_read))
    except OperatorProblem:
        assert expected is None, "the argument is refused"
        return
    result = test(row.bytes_of("input"))

    assert expected == (result is not None)
    if groups := row.said.get("re_groups"):
        assert result is not None
        assert [group.encode() for group in groups] == [group or b"" for group in result]


def test_there_are_as_many_rows_as_were_judged() -> None:
    rows.folder()
    found = rows.read("operators")
    refused = [row for row in found if row.name.lower() in REFUSED]

    assert len(found) == 3934
    assert len(refused) == 5
    assert {row.id for row in found} >= JUDGED.keys()
