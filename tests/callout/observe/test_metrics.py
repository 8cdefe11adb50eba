from prometheus_client import CollectorRegistry, Histogram

from callout.grpc.call import Call, Face, Reply, Unary
from callout.observe.fleet import FleetMetrics
from callout.observe.metrics import Metrics, TalliedHistogram, exposition
from callout.observe.observers import MetricsObserver
from callout.observe.sources import follow_breaker, follow_overload, follow_transport
from callout.serve.counters import Counters
from tests.callout.observe.scraped import samples
from tests.callout.observe.test_tallies import decision

ALLOWED = (
    'gatewright_decisions_total{face="authz",policy="shop",reason="rego",'
    'shadow="false",verdict="allow"}'
)


def test_a_decision_is_in_the_next_exposition() -> None:
    metrics = Metrics()
    observer = MetricsObserver(metrics.tally)
    assert not observer.wants_text
    observer.decided(decision(seconds=0.0003))
    observer.decided(decision(seconds=0.003, reason="no_credential", verdict="deny"))
    seen = samples(metrics.render())
    assert seen[ALLOWED] == 1
    assert seen['gatewright_decision_seconds_count{face="authz",policy="shop"}'] == 2
    assert seen['gatewright_decision_seconds_sum{face="authz",policy="shop"}'] == 0.0033
    assert seen['gatewright_decision_seconds_bucket{face="authz",le="0.0005",policy="shop"}'] == 1
    assert seen['gatewright_decision_seconds_bucket{face="authz",le="+Inf",policy="shop"}'] == 2
    observer.decided(decision())
    assert samples(metrics.render())[ALLOWED] == 2


def test_counters_have_no_second_series_for_their_age() -> None:
    metrics = Metrics()
    metrics.tally.add(decision())
    assert b"_created" not in metrics.render()


def test_a_tallied_histogram_shows_what_single_observations_would() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    bounds = (0.1, 0.5, 1.0)
    tallied = TalliedHistogram("h", "help", ["x"], buckets=bounds, registry=ours)
    plain = Histogram("h", "help", ["x"], buckets=bounds, registry=theirs)
    for value in (0.05, 0.1, 0.3, 0.75, 0.75, 7.0):
        plain.labels("1").observe(value)
    tallied.labels("1").add([2, 1, 2, 1], 8.95)
    assert samples(exposition(ours)) == samples(exposition(theirs))


def test_transport_counters_are_followed() -> None:
    metrics, counters = Metrics(), Counters()
    follow_transport(metrics, counters)
    counters.connections += 2
    counters.open_connections += 2
    counters.open_calls += 3
    counters.refuse("unknown_method")
    counters.close("idle")
    counters.close("idle")
    seen = samples(metrics.render())
    assert seen["gatewright_transport_connections_total"] == 2
    assert seen["gatewright_transport_open_connections"] == 2
    assert seen["gatewright_transport_requests_total"] == 0
    assert seen["gatewright_in_flight"] == 3
    assert seen['gatewright_transport_refused_total{reason="unknown_method"}'] == 1
    assert seen['gatewright_transport_terminated_total{reason="idle"}'] == 2
    counters.open_calls -= 3
    counters.requests += 1
    counters.close("idle")
    seen = samples(metrics.render())
    assert seen["gatewright_in_flight"] == 0
    assert seen["gatewright_transport_requests_total"] == 1
    assert seen['gatewright_transport_terminated_total{reason="idle"}'] == 3


def never(_message: bytes, _call: Call) -> Reply:
    raise AssertionError("called")


def test_every_transport_counter_is_exported() -> None:
    metrics, counters = Metrics(), Counters()
    follow_transport(metrics, counters)
    follow_overload(metrics, counters, [Face("raw", "raw.Test", (Unary("word", never),))])
    for number, name in enumerate(Counters.__slots__, 10):
        value = {"word": number} if isinstance(getattr(counters, name), dict) else number
        setattr(counters, name, value)
    shown = {value for name, value in samples(metrics.render()).items() if "lag" not in name}
    assert shown == {float(each) for each in range(10, 10 + len(Counters.__slots__))}


def test_a_followed_source_that_starts_anew_does_not_make_its_counter_fall() -> None:
    metrics = Metrics()
    value = 5
    metrics.follow_counter("things", "help", lambda: value)
    assert samples(metrics.render())["things_total"] == 5
    value = 2
    assert samples(metrics.render())["things_total"] == 7


def test_a_followed_dictionary_has_a_bounded_number_of_series() -> None:
    metrics = Metrics()
    metrics.follow_counters("things", "h", "word", lambda: {f"w{n}": 1 for n in range(1000)})
    seen = {name: value for name, value in samples(metrics.render()).items() if "things" in name}
    assert len(seen) == 65
    assert seen['things_total{word="other"}'] == 1000 - 64


def test_a_breaker_is_a_number() -> None:
    metrics = Metrics()
    state = "closed"
    follow_breaker(metrics, "redis", lambda: state)
    for state, number in (("closed", 0), ("half_open", 1), ("open", 2), ("unheard of", 2)):  # noqa: B007
        assert samples(metrics.render())["gatewright_redis_breaker"] == number


def test_loads_are_counted_and_begin_with_zero() -> None:
    fleet = FleetMetrics(list)
    seen = samples(exposition(fleet.registry))
    assert seen['gatewright_config_load_total{result="rejected"}'] == 0
    fleet.config_load("rejected")
    fleet.config_load("loaded")
    fleet.config_load("loaded")
    seen = samples(exposition(fleet.registry))
    assert seen['gatewright_config_load_total{result="rejected"}'] == 1
    assert seen['gatewright_config_load_total{result="loaded"}'] == 2


def test_only_digests_that_are_in_use_are_shown() -> None:
    digests = ["aa", "aa", "bb"]
    fleet = FleetMetrics(lambda: digests, lambda: 4)
    seen = samples(exposition(fleet.registry))
    assert seen['gatewright_snapshot_info{digest="aa"}'] == 2
    assert seen['gatewright_snapshot_info{digest="bb"}'] == 1
    assert seen["gatewright_worker_restarts_total"] == 4
    digests = ["cc"]
    seen = samples(exposition(fleet.registry))
    assert [name for name in seen if "snapshot" in name] == [
        'gatewright_snapshot_info{digest="cc"}'
    ]
