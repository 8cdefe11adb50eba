"""The page for those who come from opa-envoy-plugin, held to the code."""

import pytest

from extauthz.opa import config, settings
from extauthz.opa.metrics import BundleMetrics
from extauthz.opa.reporter import Reporter
from extauthz.opa.status import BundleStatus
from tests.docs import pages
from tests.docs.pages import Block

PAGE = "docs/opa-envoy-plugin.md"
FILES = pages.of_kind("opa")


@pytest.mark.parametrize("block", FILES, ids=lambda block: block.name)
def test_every_configuration_is_good_without_a_warning(block: Block) -> None:
    found = config.read(block.name, block.text.encode(), {"OPA_TOKEN": "t", "SIGNING_KEY": "k"})

    assert isinstance(found, config.Read), found
    assert found.warnings == ()


def test_the_page_names_every_key_and_all_that_is_refused() -> None:
    text = pages.read(PAGE)
    words = {
        field.alias or name
        for block in (settings.EnvoyPlugin, settings.BundleSource, settings.DecisionLogs)
        for name, field in block.model_fields.items()
    }
    words |= {step for pattern in config.REFUSED for step in pattern[:1]}
    words |= {step for pattern in config.IDLE for step in pattern[:1]}

    assert sorted(each for each in words - {"trigger"} if f"`{each}" not in text) == []


def test_the_table_of_bundle_metrics_is_what_is_exposed() -> None:
    reporter = Reporter(settings.Status(), None, dict)
    found = {}
    for family in BundleMetrics({"authz": BundleStatus("authz")}, reporter).collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels}
        found[name] = (family.type, labels)

    assert found == {
        pages.code(name)[0]: (type_, set(pages.code(labels)))
        for name, type_, labels, _ in pages.table("docs/operations.md", "bundle-metrics")
    }
    assert len(found) == 6
