"""Measuring the balance works, and shows what it must: Envoy goes round its addresses."""

from pathlib import Path

import pytest

from callout.testing import tools
from tests.reliability.balance import QUICK, measure, row


@pytest.mark.timeout(120)
def test_one_connection_of_envoy_is_one_worker_by_the_kernel_and_all_by_addresses(
    tmp_path: Path,
) -> None:
    for tool in ("envoy", "h2load", "opa"):
        tools.require(tool)
    cells = list(measure(QUICK, tmp_path))
    kernel, addresses = cells
    assert kernel.busiest == (1.0,)
    assert addresses.busiest[0] < 0.6
    assert row(kernel) == "| `kernel` | 2 | 1 | 100% | 100% | 50% |"
