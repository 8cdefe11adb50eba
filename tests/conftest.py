"""Fixtures of all tests, and which of them have the machine to themselves."""

from typing import Final

import pytest

pytest_plugins = ["callout.testing.plugin"]

ALONE: Final = (
    "tests/attacks/",
    "tests/faults/",
    "tests/load/",
    "tests/reliability/",
)
"""Where tests measure time or put load on a server: `scripts/test` runs them one after the other,
when all others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker(pytest.mark.alone)
