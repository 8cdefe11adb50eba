"""The table of what the face `process` counts is the code's."""

import re

from callout.ext_proc.plan import WORDS
from callout.observe.metrics import Metrics
from gatewright.run.inspections import follow_inspections
from tests.docs import pages
from waf.report import Report
from waf.service import InspectionService
from waf.tally import Tally


class Nobody:
    """Looks at no decision."""

    wants_text = False

    def decided(self, decision: object) -> None: ...

    def sample(self, *of: object) -> float:
        return 0.0


def test_the_table_is_what_is_exported_with_every_event() -> None:
    rows = pages.table("docs/operations.md", "process-metrics")
    written = {pages.code(name)[0]: (type_, pages.code(labels)) for name, type_, labels, _ in rows}
    metrics = Metrics()
    follow_inspections(metrics, InspectionService(lambda: None, Nobody(), Report(Tally())))
    metrics.flush()
    exported = {
        f"{each.name}_total" if each.type == "counter" else each.name: (
            each.type,
            [*each.samples[0].labels],
        )
        for each in metrics.registry.collect()
        if each.name.startswith("gatewright_process")
    }
    assert written == exported
    (events,) = (row[3] for row in rows if "events" in row[0])
    assert set(WORDS) <= set(re.findall(r"`(\w+)`", events))
