"""The table of what is told of rules is the code's."""

from callout.observe.metrics import Metrics
from callout.observe.outputs import OwnOutput
from tests.docs import pages
from waf.audit.log import AuditLog
from waf.metrics import follow_audit, follow_waf
from waf.tally import Tally


def test_the_table_is_what_is_exported() -> None:
    written = {
        pages.code(name)[0]: (type_, tuple(pages.code(labels)))
        for name, type_, labels, _ in pages.table("docs/operations.md", "waf-metrics")
    }
    tally, log = Tally(), AuditLog([OwnOutput(-1)])
    tally.hits["1"], tally.seconds["1"] = 1, 1.0
    tally._score("shop", "request", 5)
    before, metrics = Metrics(), Metrics()
    follow_waf(metrics, tally)
    follow_audit(metrics, log)
    more = dict(_families(metrics).items() - _families(before).items())
    log.close()

    assert more == written


def _families(metrics: Metrics) -> dict[str, tuple[str, tuple[str, ...]]]:
    metrics.flush()
    return {
        f"{each.name}_total" if each.type == "counter" else each.name: (
            each.type,
            tuple(label for label in each.samples[-1].labels if label != "le")
            if each.samples
            else (),
        )
        for each in metrics.registry.collect()
    }
