"""The table of what is counted of a management server is what is counted."""

from ratelimit.xds.metrics import XdsCounts, XdsMetrics
from tests.docs import pages


def test_the_table_is_the_exposition() -> None:
    written = {
        (pages.code(name)[0], type_, tuple(pages.code(labels)))
        for name, type_, labels, _ in pages.table("docs/operations.md", "xds-metrics")
    }
    counted = {
        (sample.name, family.type, tuple(sample.labels))
        for family in XdsMetrics(XdsCounts()).collect()
        for sample in family.samples
    }
    assert written == counted
    assert len(counted) == 4


def test_each_result_is_named() -> None:
    (row,) = (
        row
        for row in pages.table("docs/operations.md", "xds-metrics")
        if row[0].startswith("`gatewright_xds_responses_total`")
    )
    results = {
        sample.labels["result"]
        for family in XdsMetrics(XdsCounts()).collect()
        for sample in family.samples
        if "result" in sample.labels
    }
    assert results == set(pages.code(row[3]))
