"""Statistics of several workers as one sum, and as Prometheus is shown them."""

from prometheus_client.parser import text_string_to_metric_families

from ratelimit.er.prometheus import CONTENT_TYPE, SECONDS, exposition
from ratelimit.er.stats import OTHER, REQUESTS, STATISTICS, TIMES, UNKNOWN_DOMAIN, ErStats
from ratelimit.er.sums import ErSums, Grown, Growth
from ratelimit.limits import YEAR, Limit
from ratelimit.plan import Counted, Group, Plan

NO_LOADS: dict[str, int] = {}


def plan(rule: str, hits: int = 1, shadow: bool = False) -> Plan:
    counted = Counted(Limit(10, YEAR), hits, shadow, statistic=rule)
    return Plan((Group((counted,)),), rule.partition(".")[0])


class Worker:
    """One that counts and tells."""

    def __init__(self) -> None:
        self.stats = ErStats()
        self.growth = Growth(self.stats)

    def tell(self, sums: ErSums) -> None:
        names = list(self.stats.rows)
        for start in range(0, len(names), 2):
            sums.add(self.growth.of_rules(names[start : start + 2]))
        sums.add(self.growth.of_others())


def shown(sums: ErSums, most: int = 2000) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """By name and labels, as Prometheus' own parser reads it."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    text = exposition(sums, {"success": 3}, most).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # It ends the names of counters as OpenMetrics does.
            name = sample.name.removesuffix("_total")
            labels = frozenset(sample.labels.items())
            assert labels not in found.setdefault(name, {}), sample
            found[name][labels] = sample.value
    return found


def test_the_sum_is_what_all_workers_counted_whenever_they_told() -> None:
    sums, workers = ErSums(), [Worker(), Worker()]
    for turn in range(5):
        for number, worker in enumerate(workers):
            worker.stats.count(plan("edge.tenant"), [turn + 1])
            worker.stats.count(plan(f"edge.user_{number}.path_{turn}", 2), [2])
            worker.stats.answered(0.001)
            worker.stats.unavailable(plan("edge.tenant"))
            if (turn + number) % 2:
                worker.tell(sums)
    for worker in workers:
        worker.tell(sums)
        worker.tell(sums)  # nothing new

    expected: dict[str, int] = {}
    for worker in workers:
        for name, value in worker.stats.counters():
            expected[name] = expected.get(name, 0) + value
    assert {name: value for name, value in expected.items() if value} == {
        name: value for name, value in sums.counters() if value
    }
    assert sums.times == [10] + [0] * len(TIMES)
    assert round(sums.seconds, 6) == 0.01


def test_what_has_not_grown_is_not_told() -> None:
    worker = Worker()
    worker.stats.count(plan("edge.a"), [1])
    worker.stats.count(plan("edge.b"), [1])
    worker.growth.of_rules(["edge.a", "edge.b"])
    worker.stats.count(plan("edge.b"), [2])

    grown = worker.growth.of_rules(["edge.a", "edge.b"])
    assert [name for name, _ in grown.rules] == ["edge.b"]
    assert worker.growth.of_others().others == {}


def test_a_million_names_of_many_workers_make_no_more_than_there_may_be() -> None:
    sums = ErSums(most_rules=100)
    row = [1] * len(STATISTICS)
    for worker in range(10):
        names = [f"edge.tenant_{worker}_{number}" for number in range(1000)]
        sums.add(Grown([(name, row) for name in names]))
        sums.add(Grown(others={f"made.up.{worker}.{number}": 1 for number in range(50)}))

    assert len(sums.rules) == 101
    assert sums.rules[f"edge.{OTHER}"][0] == 10_000 - 100
    assert len(sums.others) == 100


def test_a_domain_that_is_nowhere_is_one_number_whatever_it_is_called() -> None:
    stats = ErStats()
    for _ in range(3):
        stats.count(Plan((Group(),), reason="unknown_domain"), ())
    stats.count(Plan((Group(),), reason="no_limit"), ())

    assert dict(stats.counters())[UNKNOWN_DOMAIN] == 3
    assert UNKNOWN_DOMAIN == "ratelimit.service.rate_limit.other.domain_not_found"


def test_prometheus_is_shown_what_envoyproxy_ratelimit_shows() -> None:
    sums, worker = ErSums(), Worker()
    worker.stats.count(plan("edge.tenant_a.path"), [1])
    worker.stats.count(plan("edge.shadowed", 2, shadow=True), [11])
    worker.stats.answered(0.001)
    worker.stats.answered(0.2)
    worker.stats.answered(60)
    worker.stats.service_errors = 2
    worker.tell(sums)
    found = shown(sums)

    first = frozenset({("domain", "edge"), ("key1", "tenant_a"), ("key2", "path")})
    second = frozenset({("domain", "edge"), ("key1", "shadowed")})
    assert found["ratelimit_service_rate_limit_total_hits"] == {first: 1, second: 2}
    assert found["ratelimit_service_rate_limit_within_limit"] == {first: 1, second: 0}
    assert found["ratelimit_service_rate_limit_over_limit"][second] == 1
    assert found["ratelimit_service_rate_limit_near_limit"][second] == 1
    assert found["ratelimit_service_rate_limit_shadow_mode"][second] == 1
    errors = found["ratelimit_service_should_rate_limit_error"]
    assert errors == {
        frozenset({("err_type", "redis_error")}): 0,
        frozenset({("err_type", "service_error")}): 2,
    }
    method = ("grpc_method", "ShouldRateLimit")
    assert found["ratelimit_service_total_requests"] == {frozenset({method}): 3}
    assert found["ratelimit_service_config_load_success"] == {frozenset(): 3}
    assert found["ratelimit_service_config_load_error"] == {frozenset(): 0}
    buckets = {dict(labels)["le"]: value for labels, value in found[f"{SECONDS}_bucket"].items()}
    assert " ".join(buckets) == "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"
    assert (buckets["0.005"], buckets["0.1"], buckets["0.25"], buckets["+Inf"]) == (1, 1, 2, 3)
    assert found[f"{SECONDS}_count"] == {frozenset({method}): 3}
    assert "version=0.0.4" in CONTENT_TYPE


def test_rules_of_the_same_labels_are_one_series_and_a_value_breaks_out_of_none() -> None:
    sums, worker = ErSums(), Worker()
    worker.stats.count(plan("edge.a_1.b_1.c_1"), [1])
    worker.stats.count(plan("edge.a_1.b_1.c_2"), [1])
    worker.stats.count(plan('edge.x"} 9\n\\'), [1])
    worker.tell(sums)

    hits = shown(sums)["ratelimit_service_rate_limit_total_hits"]
    assert hits == {
        frozenset({("domain", "edge"), ("key1", "a_1"), ("key2", "b_1")}): 2,
        frozenset({("domain", "edge"), ("key1", 'x"} 9_\\')}): 1,
    }


def test_series_are_bounded_and_none_moves_to_another() -> None:
    sums, worker = ErSums(), Worker()
    for number in range(10):
        worker.stats.count(plan(f"edge.tenant_{number}"), [1])
    worker.tell(sums)
    before = shown(sums, most=3)["ratelimit_service_rate_limit_total_hits"]
    for number in reversed(range(10)):
        worker.stats.count(plan(f"edge.tenant_{number}"), [1])
    worker.tell(sums)
    after = shown(sums, most=3)["ratelimit_service_rate_limit_total_hits"]

    assert len(before) == 4
    other = frozenset({("domain", "edge"), ("key1", OTHER)})
    assert before[other] == 7
    assert after == {labels: 2 * value for labels, value in before.items()}


def test_requests_are_told_as_there() -> None:
    stats = ErStats()
    stats.answered(0.001)

    assert dict(stats.counters())[REQUESTS] == 1
    assert REQUESTS == "ratelimit_server.ShouldRateLimit.total_requests"
