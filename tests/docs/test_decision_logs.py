"""docs/authorization.md lists what decision logs mask."""

import re

from callout.observe.decision_masks import HEADERS, MASKS, QUERY_NAMES
from tests.docs import pages

PAGE = "docs/authorization.md"


def test_the_table_of_masks_is_the_one_that_holds() -> None:
    table = pages.table(PAGE, "masks")
    names = [re.findall(r"`([^`]+)`", cells[0]) for cells in table]
    assert sorted(name for each in names for name in each) == sorted(MASKS)
    assert tuple(names[-1]) == HEADERS
    said = {name[0]: cells[1] for name, cells in zip(names[:-1], table, strict=False)}
    assert said == {name: text for name, text in MASKS.items() if name not in HEADERS}


def test_the_query_parameters_are_those_that_are_hidden() -> None:
    found = re.search(r"<!-- query: begin -->(.*?)<!-- query: end -->", pages.read(PAGE))
    assert found is not None
    assert set(re.findall(r"`([^`]+)`", found[1])) == QUERY_NAMES
