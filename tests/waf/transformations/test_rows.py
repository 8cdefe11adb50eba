"""Every row of ModSecurity's and Coraza's own tests of transformations."""

import pytest

from tests.waf import rows
from waf.transformations.table import TRANSFORMATIONS

_CORAZA = "of Coraza's errors; ModSecurity 3.0.15 decodes what it can, and one digit hides no other"
JUDGED = {
    "escapeSeqDecode-5": (
        b"89\xb6xagxga\n3",
        "\\xag: ModSecurity 3.0.15 gives xag (its own runner reads \\xag as a byte before it asks)",
    ),
    "hexDecode-3": (bytes.fromhex("0123456789"), _CORAZA),
    "hexDecode-4": (b"Test\0", _CORAZA),
}
"""Rows that we do not follow: what we give, and why."""


@pytest.mark.parametrize("row", rows.parameters("transformations"))
def test_row(row: rows.Row | None) -> None:
    if row is None:
        rows.folder()
        pytest.fail("the folder has no rows of transformations")
    expected, _ = JUDGED.get(row.id, (row.bytes_of("output"), ""))

    result = TRANSFORMATIONS[row.name.lower()](row.bytes_of("input"))

    assert expected == result


def test_there_are_as_many_rows_as_were_judged() -> None:
    rows.folder()
    ids = {row.id for row in rows.read("transformations")}

    assert len(ids) == 358
    assert ids >= JUDGED.keys()
