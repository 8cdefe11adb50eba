"""What is in an event, what is masked, and what a real OPA writes for the same decision."""

import base64
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from callout.http.path import CanonicalPath, canonical
from callout.observe.decision_masks import HEADERS, MASKS
from callout.testing import tools
from callout.testing.requests import check_request
from extauthz import envoy
from extauthz.check import CheckInput
from extauthz.decision_logs.defaults import Masks
from extauthz.input import InputBuilder, InputRules
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import policy
from tests.extauthz.decision_logs.log_service import LogService
from tests.extauthz.decision_logs.opa import LoggingOpa
from tests.extauthz.decision_logs.running import ask, id_of, serving

DECIDE: Final = "auth: {identity: [{anonymous: {}}], decide: {rego: rego, entrypoint: shop/allow}"
COMPAT: Final = policy("all", f"{DECIDE}, compat: opa-envoy}}")
OURS: Final = policy("all", f"{DECIDE}}}")
SHOP: Final = """package shop

import rego.v1

default allow := {"allowed": false, "http_status": 401, "headers": {"x-why": "no user"}}

allow := {"allowed": true, "headers": {"x-user": user, "authorization": "Basic upstream"}} if {
	user := input.attributes.request.http.headers["x-user"]
}
"""
LOG: Final = """package system.log

import rego.v1

http := input.input.attributes.request.http

mask contains "/input/attributes/request/http/headers/x-hidden"

mask contains "/result/headers/authorization" if input.result.allowed

mask contains {"op": "upsert", "path": "/input/attributes/request/http/host", "value": "h"} if {
	http.headers["x-user"]
}

mask contains "/nonsense" if http.headers["x-break"]

drop if http.path == "/health"
"""
BUNDLE: Final = {"rego/shop.rego": SHOP, "rego/log.rego": LOG}
SHOW_ALL: Final = ",".join(sorted(MASKS))


def _documents(*requests: Any) -> Iterator[Any]:
    """The input of each request, before anything is masked."""
    for request in requests:
        check = envoy.read(request.SerializeToString())
        assert isinstance(check, CheckInput)
        path = canonical(check.path)
        assert isinstance(path, CanonicalPath)
        yield InputBuilder(None, InputRules(compat=True)).build(check, path, None)


def test_events_are_those_of_a_real_opa(tmp_path: Path, log_service: LogService) -> None:
    tools.require("opa")
    context = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    requests = [
        check_request(path="/a?b=1", headers={"x-user": "u", "x-hidden": "h"}),
        check_request(path="/a", headers={"x-hidden": "h"}),
        check_request(path="/health"),
        check_request("POST", "/b", headers={"content-type": "application/json"} | context,
                      body='{"big": 12345678901234567890123, "exact": 1.10}'),
    ]  # fmt: skip
    logs = {"url": log_service.url, "show": SHOW_ALL}
    with closing(serving(tmp_path, {"all.yaml": COMPAT, **BUNDLE}, **logs)) as serve:
        with serve.client() as client:
            for each in requests:
                client.check(each)
        ours = log_service.wait(3)[:3]
        until(lambda: serve.metric("gatewright_decision_log_rules_total", result="drop") == 1)
    policies = {"shop.rego": SHOP, "log.rego": LOG}
    opa = LoggingOpa(tmp_path / "opa", policies, log_service.url.removesuffix("/logs"))
    with closing(opa):
        for each in _documents(*requests):
            opa.decide("shop/allow", each)
        theirs = log_service.wait(6)[3:6]
    for our, their in zip(ours, theirs, strict=True):
        for field in ("path", "input", "result", "erased", "masked"):
            assert our.get(field) == their.get(field), field
        own = {"bundles", "custom", "trace_id", "span_id"}
        assert set(our) - own == set(their) - {"req_id"}  # no x-request-id came
        assert set(our["labels"]) - {"region"} == set(their["labels"]) - {"region"}
        assert re.fullmatch(r"127\.0\.0\.1:\d+", our["requested_by"])
        assert re.fullmatch(r"127\.0\.0\.1:\d+", their["requested_by"])
        for event in (our, their):
            assert datetime.fromisoformat(event["timestamp"]).tzinfo is not None
            assert event["timestamp"].endswith("Z")
            assert event["metrics"]["timer_server_handler_ns"] > 0
        assert all(type(value) is int for value in our["metrics"].values())
    assert ours[2]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert ours[2]["span_id"] == "b7ad6b7169203331"
    assert ours[2]["input"]["parsed_body"]["big"] == 12345678901234567890123


SECRET_PLACES: Final = [
    *(f"header {name}" for name in HEADERS),
    "header x-partner-token", "header x-client-secret", "header X_Api_Key", "header x-jwt",
    "header referer", "header x-original-url", "header x-anything", "query", "escaped query",
    "body", "form", "raw header", "bearer in a header", "path", "result", "metadata",
]  # fmt: skip
RESULT: Final = """package shop

import rego.v1

allow := {
	"allowed": true,
	"headers": {"authorization": secret, "set-cookie": [secret], "x-plain": "shown"},
	"response_headers_to_add": {"set-cookie": secret},
	"query_parameters_to_set": {"access_token": secret},
	"dynamic_metadata": {"clientSecret": secret},
} if {
	secret := input.attributes.request.http.headers["x-result-secret"]
}
"""


def _jwt(word: str) -> str:
    head, claims = (base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (
        b'{"alg":"ES256"}', json.dumps({"sub": word}).encode()))  # fmt: skip
    return f"{head}.{claims}.{word}"


def _planted(words: dict[str, str]) -> Any:
    headers = {
        place.removeprefix("header "): words[place]
        for place in SECRET_PLACES
        if place.startswith("header ")
    }
    headers["referer"] = f"https://shop.example/x?access_token={words['header referer']}"
    headers["x-original-url"] = f"/x?a=1&sig={words['header x-original-url']}"
    headers["x-anything"] = _jwt(words["header x-anything"])
    headers["x-jwt"] = _jwt(words["header x-jwt"])
    headers["x-note"] = f"sent with Bearer {words['bearer in a header']}"
    headers["x-result-secret"] = words["result"]
    headers["content-type"] = "application/json"
    query = f"code={words['query']}&%61pi_key={words['escaped query']}&a=1"
    path = f"/reset/{_jwt(words['path'])}?{query}"
    request = check_request(
        "POST", path, headers=headers, body=json.dumps({"card": words["body"], "f": words["form"]})
    )
    raw = request.attributes.request.http.header_map.headers.add()
    raw.key, raw.raw_value = "x-api-key", words["raw header"].encode()
    metadata = request.attributes.metadata_context.filter_metadata["some.filter"]
    metadata.fields["password"].string_value = words["metadata"]
    return request


@pytest.mark.parametrize("where", ["ours", "compat"])
def test_no_secret_is_in_any_event_by_default(
    tmp_path: Path, log_service: LogService, where: str
) -> None:
    words = {place: f"Pl4nt{os.urandom(9).hex()}" for place in SECRET_PLACES}
    assert len(words) >= 35
    request = _planted(words)
    bundle = {"all.yaml": OURS if where == "ours" else COMPAT, "rego/shop.rego": RESULT}
    file = tmp_path / "decisions.jsonl"
    logs = {"url": log_service.url, "file": str(file), "stdout": "true"}
    with closing(serving(tmp_path, bundle, **logs)) as serve, serve.client() as client:
        assert client.check(request).status.code == 0
        [event] = log_service.wait(1)
        until(lambda: file.exists() and file.read_text().endswith("\n"))
        until(lambda: "Decision Log" in serve.log)
        written = json.dumps(event) + file.read_text() + serve.log
    assert event["result"]["headers"]["x-plain"] == "shown"
    assert len(event["erased"]) > 20
    hidden = {*words.values(), *(base64.b64encode(each.encode()).decode().rstrip("=")
                                 for each in words.values())}  # fmt: skip
    assert [place for place, word in words.items() if word in written] == []
    assert not [each for each in hidden if each in written]


def test_each_mask_can_be_turned_off_by_its_name() -> None:
    shown: dict[str, str] = {
        **{name: f"header {name}" for name in HEADERS},
        "body": "body", "query": "query", "raw-headers": "raw header",
        "secret-names": "header x-partner-token", "tokens": "header x-anything",
    }  # fmt: skip
    assert shown.keys() == MASKS.keys()
    words = {place: f"Pl4nt{os.urandom(9).hex()}" for place in SECRET_PLACES}
    request = _planted(words)
    check = envoy.read(request.SerializeToString())
    assert isinstance(check, CheckInput)
    path = canonical(check.path)
    assert isinstance(path, CanonicalPath)
    for name, place in shown.items():
        document = InputBuilder(None).build(check, path, None)
        event = {"input": document}
        Masks(frozenset({name})).mask(event)
        text = json.dumps(event)
        word = words[place]
        if name == "raw-headers":
            word = base64.b64encode(word.encode()).decode()
        assert word in text, name
        also = {"body": {"form"}, "query": {"escaped query", "header x-original-url"}}
        also["secret-names"] = {"header x-client-secret", "metadata", "result"}
        also["tokens"] = {"bearer in a header", "header x-jwt", "path"}
        also["x-api-key"] = {"header X_Api_Key", "raw header"}
        others = {each for each in words if words[each] in text}
        assert others <= {place} | also.get(name, set()), name


def test_a_failing_rule_leaves_nothing_of_the_request(
    tmp_path: Path, log_service: LogService
) -> None:
    bundle = {"all.yaml": OURS, **BUNDLE}
    with closing(serving(tmp_path, bundle, url=log_service.url)) as serve:
        with serve.client() as client:
            broken = id_of(ask(client, headers={"x-user": "u", "x-break": "1"}))
        [event] = log_service.wait(1)
        until(lambda: serve.metric("gatewright_decision_log_rules_total", result="stripped") == 1)
    assert event["decision_id"] == broken
    assert "input" not in event
    assert "result" not in event
    assert event["erased"] == ["/input", "/result"]
    assert event["custom"]["gatewright"]["verdict"] == "allow"


def test_decisions_that_no_policy_made_are_logged_too(
    tmp_path: Path, log_service: LogService
) -> None:
    bundle = {"one.yaml": policy("one", f"{DECIDE}}}", '{host: "shop.example"}'), **BUNDLE}
    with closing(serving(tmp_path, bundle, url=log_service.url)) as serve:
        with serve.client() as client:
            ask(client, host="other.example")
            ask(client, "/a%00b")
            ask(client, "/?a=%zz", headers={"x-user": "u"})
        events = log_service.wait(3)
    told = [each["custom"]["gatewright"] for each in events]
    assert [each["reason"] for each in told] == ["no_policy", "encoded_null", "query"]
    assert [each["http_status"] for each in told] == [403, 400, 400]
    assert [each["result"]["allowed"] for each in events] == [False] * 3
    assert all(each["input"]["attributes"]["request"]["http"]["path"] for each in events)


def test_checks_of_one_request_have_one_number(tmp_path: Path, log_service: LogService) -> None:
    with closing(serving(tmp_path, url=log_service.url)) as serve, serve.client() as client:
        for name in ("one", "one", "two"):
            ask(client, headers={"x-request-id": name})
        ask(client)
        first, again, other, none = log_service.wait(4)
    assert first["req_id"] == again["req_id"] != other["req_id"]
    assert type(first["req_id"]) is int
    assert 0 < first["req_id"] < 1 << 53
    assert first["decision_id"] != again["decision_id"]
    assert "req_id" not in none


def test_labels_are_the_operators_and_ours(tmp_path: Path, log_service: LogService) -> None:
    settings = tmp_path / "gatewright.yaml"
    settings.write_text("decision_logs: {labels: {region: eu, id: mine}}\n")
    flags = ("--settings", str(settings))
    with closing(serving(tmp_path, {"all.yaml": OURS, **BUNDLE}, *flags, url=log_service.url)) as (
        serve
    ):
        with serve.client() as client:
            ask(client)
        [event] = log_service.wait(1)
    assert event["labels"].keys() == {"region", "id", "version"}
    assert event["labels"]["region"] == "eu"
    assert event["labels"]["id"] != "mine"
