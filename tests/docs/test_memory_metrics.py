"""The table of what is told of counters in memory is the code's."""

from callout.observe.metrics import Metrics
from gatewright.run.memory_counters import in_memory
from ratelimit.stores.shared_memory.memory import LEAST_BYTES, create
from tests.docs import pages


def test_the_table_is_what_is_exported_with_one_worker_and_with_several() -> None:
    written = {
        pages.code(name)[0]: type_
        for name, type_, _, _ in pages.table("docs/operations.md", "memory-metrics")
    }
    for shared in (None, create(LEAST_BYTES)):
        before, metrics = Metrics(), Metrics()
        in_memory(LEAST_BYTES, shared, metrics)
        more = _families(metrics).items() - _families(before).items()
        assert dict(more) == written


def _families(metrics: Metrics) -> dict[str, str]:
    return {
        f"{each.name}_total" if each.type == "counter" else each.name: each.type
        for each in metrics.registry.collect()
    }
