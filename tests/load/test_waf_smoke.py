"""The benchmark of the firewall works: both engines judge alike, and every kind is there."""

import pytest

from callout.testing.data import require
from tests.load import waf
from tests.load.waf_requests import KINDS


def test_every_promise_is_measured() -> None:
    assert [kind.name for kind in KINDS] == [
        "GET without arguments",
        "GET, 5 arguments, 3 cookies",
        "form, 1 KB",
        "JSON, 3.6 KB",
        "JSON, 37 KB",
        "form, 950 arguments",
        "SQL injection, blocked",
        "upload, 1 MB",
    ]


@pytest.mark.timeout(300)
def test_a_quick_run_gives_a_row_for_each_kind() -> None:
    # Without Hyperscan, whose databases take half a minute to compile where nobody has them yet.
    kinds = [kind for kind in KINDS if kind.name not in ("JSON, 37 KB", "form, 950 arguments")]
    rows = waf.run(require("crs"), 1, 0.0, levels=(1,), kinds=kinds, accelerated=False)

    assert [row.kind for row in rows] == kinds
    assert all(each > 0 for row in rows for each in (*row.ours, *row.theirs))
    assert waf.markdown(rows, 1, 0.0).count("of its time") == len(kinds)
