"""Status reports of a real OPA and of ours, about the same bundles: field by field."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.extauthz.opa.pair import Pair
from tests.extauthz.opa.service import ManagementService, manifest, tarball
from tests.extauthz.opa.test_beside_opa import AUTHZ, POLICY, TEAMS, TWO, policy, shown, teams

TIMES = (
    "last_request",
    "last_successful_request",
    "last_successful_download",
    "last_successful_activation",
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
NEVER = "0001-01-01T00:00:00Z"
TWICE_WRONG = f"{POLICY}\nb if nowhere(1)\n\nc if {{\n\tcount(1, 2, 3)\n}}\n"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    service = ManagementService()
    service.publish(AUTHZ, policy("r1"), '"p1"')
    service.publish(TEAMS, teams("t1", a="red"), '"t1"')
    made = Pair(tmp_path_factory.mktemp("pair"), service, TWO)
    try:
        made.until_active("authz", "r1")
        made.until_active("teams", "t1")
        yield made
    finally:
        made.close()
        service.close()


def settled(pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both bundles' status from OPA and from us, when both have asked again after now."""
    before = len(pair.service.asked)
    # Both ask for both bundles each second.
    pair.until(lambda: len(pair.service.asked) >= before + 8)
    seen = len(pair.service.statuses)
    pair.until(lambda: len(pair.service.statuses) >= seen + 8)
    return pair.report("opa")["bundles"], pair.report("gatewright")["bundles"]


def shape(status: dict[str, Any]) -> dict[str, Any]:
    """What must be equal: times only by their order and form, timers by their names."""
    assert all(TIME.fullmatch(status[each]) for each in TIMES)
    rest = {name: value for name, value in status.items() if name not in (*TIMES, "metrics")}
    for each in rest.get("errors", ()):
        # It repeats the line of the policy, which is nobody's business.
        each.pop("details", None)
    times = {each: _time(status[each]) for each in TIMES}
    timers = {name for name in status["metrics"] if name == "timer_bundle_request_ns"}
    assert all(isinstance(each, int) and each > 0 for each in status["metrics"].values())
    ordered = {
        "the last request was answered well": times["last_request"]
        == times["last_successful_request"],
        "nothing came since": times["last_successful_download"] < times["last_successful_request"],
        "what came is in use": times["last_successful_activation"]
        >= times["last_successful_download"],
    }
    return {**rest, "never": [each for each in TIMES if status[each] == NEVER], **ordered,
            "timers": timers}  # fmt: skip


def _time(text: str) -> datetime:
    # Go writes nanoseconds, of which this reads six digits.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def test_what_is_in_use_is_reported_alike(pair: Pair) -> None:
    its, ours = settled(pair)

    assert {name: shape(each) for name, each in ours.items()} == {
        name: shape(each) for name, each in its.items()
    }
    assert ours["authz"]["active_revision"] == "r1"
    whole = pair.report("gatewright")
    assert whole.keys() == pair.report("opa").keys()
    plugins = {**pair.report("opa")["plugins"], "envoy_ext_authz_grpc": {"state": "OK"}}
    assert whole["plugins"] == plugins
    its_metrics, our_metrics = (
        pair.service.metrics[who]["prometheus"] for who in ("opa", "gatewright")
    )
    written = its_metrics["go_goroutines"]
    gauge = our_metrics["gatewright_bundle_last_activation_seconds"]
    assert gauge.keys() == written.keys()
    assert gauge["type"] == written["type"] == "GAUGE"
    assert gauge["metric"][0]["gauge"].keys() == written["metric"][0]["gauge"].keys()
    labelled = its_metrics["go_info"]["metric"][0]["label"][0]
    assert gauge["metric"][0]["label"][0].keys() == labelled.keys()
    counter = our_metrics["gatewright_bundle_activations_total"]
    its_counter = its_metrics["go_memstats_mallocs_total"]["metric"][0]["counter"]
    assert counter["metric"][0]["counter"].keys() == its_counter.keys() - {"createdTimestamp"}
    assert whole["labels"].keys() == pair.report("opa")["labels"].keys()


def test_errors_of_rego_are_reported_alike_with_their_places(pair: Pair) -> None:
    pair.service.publish(AUTHZ, policy("bad", TWICE_WRONG), '"p2"')
    pair.until_refused("authz")
    its, ours = pair.both("authz")

    assert shape(ours) == shape(its)
    assert [each["code"] for each in ours["errors"]] == ["rego_type_error"] * 2
    assert {each["location"]["file"] for each in ours["errors"]} == {"/envoy/policy.rego"}

    syntax = tarball({".manifest": manifest("bad", "envoy"), "x_test.rego": "package envoy\n\na b"})
    pair.service.publish(AUTHZ, syntax, '"p3"')
    pair.until(lambda: [_first(each) for each in pair.both("authz")] == ["rego_parse_error"] * 2)
    its, ours = pair.both("authz")
    assert shape(ours) == shape(its)
    _mended(pair)


def _first(status: dict[str, Any]) -> str:
    return str((status.get("errors") or [{}])[0].get("code"))


def test_what_a_service_answers_is_reported_alike(pair: Pair) -> None:
    pair.service.answer_with = 503
    try:
        pair.until(lambda: {each.get("http_code") for each in pair.both("teams")} == {503})
        pair.until(lambda: {each.get("http_code") for each in pair.both("authz")} == {503})
        its, ours = settled(pair)
    finally:
        pair.service.answer_with = None

    assert {name: shape(each) for name, each in ours.items()} == {
        name: shape(each) for name, each in its.items()
    }
    assert ours["teams"]["message"] == "server replied with Service Unavailable"
    assert ours["teams"]["active_revision"] == "t1"
    _mended(pair)


def test_metrics_tell_what_reports_tell(pair: Pair) -> None:
    activations = pair.serve.metric("gatewright_bundle_activations_total", bundle="teams")
    failures = pair.serve.metric(
        "gatewright_bundle_failures_total", bundle="teams", stage="request"
    )
    assert pair.serve.metric("gatewright_bundle_info", bundle="teams", revision="t1") == 1

    pair.service.answer_with = 500
    pair.until(lambda: _failures(pair, "request") > failures)
    pair.until(lambda: pair.serve.metric("gatewright_bundle_info", bundle="teams") == 0)
    pair.service.answer_with = None
    broken = _failures(pair, "activation")
    pair.service.publish(TEAMS, b"no tarball", '"t2"')
    pair.until(lambda: _failures(pair, "activation") > broken)
    pair.service.publish(TEAMS, teams("t3", a="red"), '"t3"')
    pair.until_active("teams", "t3")

    metric = pair.serve.metric
    assert metric("gatewright_bundle_activations_total", bundle="teams") == activations + 1
    assert metric("gatewright_bundle_info", bundle="teams", revision="t3") == 1
    names = [each for each in pair.serve.metrics() if each.startswith("gatewright_bundle_info")]
    assert len(names) == len(TWO)
    activated = metric("gatewright_bundle_last_activation_seconds", bundle="teams")
    assert activated == pytest.approx(
        _time(pair.our_status("teams")["last_successful_activation"]).timestamp(), abs=0.001
    )
    assert metric("gatewright_bundle_last_success_seconds", bundle="teams") >= activated - 1
    assert metric("gatewright_status_reports_total", result="taken") > 0
    assert pair.our_answer("/a") == shown("r1", "red")


def _failures(pair: Pair, stage: str) -> float:
    return pair.serve.metric("gatewright_bundle_failures_total", bundle="teams", stage=stage)


def _mended(pair: Pair) -> None:
    pair.service.publish(AUTHZ, policy("r1"), '"p1"')
    pair.until(
        lambda: not any("code" in each for each in (*pair.both("authz"), *pair.both("teams")))
    )
