"""Fixtures of all tests, and which of them have the machine to themselves."""

from typing import Final

import pytest

pytest_plugins = ["callout.testing.plugin"]

ALONE: Final = (
    "tests/attacks/",
    "tests/reliability/test_overload_smoke.py",
    "tests/reliability/test_reload_smoke.py",
)
"""Where tests compare latencies or ask for more than a machine has: `scripts/test` runs them one
after the other, when all others are done. Whatever else measures time has bounds that hold while
ten processes want two cores, or allows for what it was kept waiting itself."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker(pytest.mark.alone)
