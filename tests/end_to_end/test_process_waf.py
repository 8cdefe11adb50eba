"""Rules before a real Envoy: what is refused, what passes, and what is said of it."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from callout.testing.envoy import Envoy
from callout.testing.upstream import EchoUpstream
from gatewright.envoy import render
from gatewright.envoy.gateway import FailureModes, Gateway, parse_upstream
from tests.end_to_end.conftest import until
from tests.end_to_end.process_clients import Answer, http1
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, patient, policy, write_bundle

SQL = "%27%20or%201%3D1%20union%20select%20password--"
RULES = """
SecRule ARGS "@rx (?i)union\\s+select" "id:5001,phase:2,t:none,t:urlDecodeUni,deny,status:403,log"
SecRule RESPONSE_BODY "@contains secret-sauce" "id:5002,phase:4,t:none,deny,status:502,log"
"""
LOOK = "{rules: [waf/own.conf]}"


def inspecting(name: str, path: str, request: str = "", more: str = "") -> str:
    request = f"waf: {LOOK}" + (f", {request}" if request else "")
    body = f"{OPEN}\ninspect: {{request: {{{request}}}{', ' + more if more else ''}}}"
    return policy(name, body, f"{{host: '*', path: {path}}}")


POLICIES = (
    policy("open", OPEN)
    + inspecting("enforced", "/in", "max: 64KiB", "response: {waf: {}}, budget: 10000")
    + inspecting("watched", "/shadow", "max: 64KiB", "mode: shadow, budget: 10000")
    + inspecting("lenient", "/lenient", "max: 1KiB, over: pass, endless: pass", "budget: 10000")
)


def details(answer: Answer) -> str:
    return answer.headers[b"x-details"].decode()


class Front:
    """An Envoy in front of `serve`, whose refusals name Envoy's response code details."""

    def __init__(self, envoy: Envoy) -> None:
        self._envoy = envoy
        host, _, port = envoy.url.removeprefix("http://").rpartition(":")
        self._address = (host, int(port))

    def send(self, path: str, body: bytes = b"", **how: Any) -> Answer:
        how.setdefault("method", "POST" if body else "GET")
        return http1(self._address, path, body, **how)


def front(start: Callable[[dict[str, Any]], Envoy], serve: Serve, upstream: str) -> Front:
    (listening,) = serve.said("listening")
    target = parse_upstream(upstream)
    assert not isinstance(target, str)
    gateway = Gateway(
        "127.0.0.1", 0, serve.grpc, target, FailureModes(False, False), process=listening["process"]
    )
    bootstrap = patient(render.static(gateway))
    (listener,) = bootstrap["staticResources"]["listeners"]
    manager = listener["filterChains"][0]["filters"][0]["typedConfig"]
    manager["localReplyConfig"] = {
        "mappers": [
            {
                "filter": {
                    "statusCodeFilter": {
                        "comparison": {
                            "op": "GE",
                            "value": {"defaultValue": 400, "runtimeKey": "none"},
                        }
                    }
                },
                "headersToAdd": [
                    {"header": {"key": "x-details", "value": "%RESPONSE_CODE_DETAILS%"}}
                ],
            }
        ]
    }
    for each in manager["httpFilters"]:
        if each["name"].endswith("ext_proc"):
            each["typedConfig"]["messageTimeout"] = "20s"
    return Front(start(bootstrap))


class World:
    def __init__(
        self, serve: Serve, front: Front, upstream: EchoUpstream, bundle: Path, log: Path
    ) -> None:
        self.serve, self.front, self.upstream, self.bundle = serve, front, upstream, bundle
        self.log = log

    def audited(self, mark: str) -> list[dict[str, Any]]:
        """Entries of the audit log whose target has this mark; those of others are left out."""
        entries = (json.loads(line)["transaction"] for line in self.log.read_text().splitlines())
        return [each for each in entries if mark in each["request"]["uri"]]

    def decided(self, **labels: str) -> float:
        return self.serve.metric("gatewright_decisions_total", face="process", **labels)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("waf")
    bundle = write_bundle(
        folder / "bundle", {**EVERYBODY, "waf/own.conf": RULES, "policies.yaml": POLICIES}
    )
    (folder / "envoy").mkdir()
    envoys: list[Envoy] = []

    def start(bootstrap: dict[str, Any]) -> Envoy:
        envoys.append(Envoy(folder / "envoy", bootstrap))
        return envoys[-1]

    flags = ("--faces", "authz,limit,process", "--workers", "1", "--decisions", "all")
    with (
        closing(EchoUpstream()) as upstream,
        closing(
            Serve(
                folder,
                bundle,
                *flags,
                environ={
                    "GATEWRIGHT_LISTEN__PROCESS": "127.0.0.1:0",
                    "GATEWRIGHT_WAF__AUDIT__FILE": str(folder / "audit.log"),
                },
            )
        ) as serve,
    ):
        try:
            front_ = front(start, serve, upstream.url)
            yield World(serve, front_, upstream, bundle, folder / "audit.log")
        finally:
            for each in envoys:
                each.close()


FORM = (("content-type", "application/x-www-form-urlencoded"),)
JSON = (("content-type", "application/json"),)


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        pytest.param(f"/in?q={SQL}", b"", (), id="query"),
        pytest.param("/in", f"a=1&q={SQL}".encode(), FORM, id="form"),
        pytest.param("/in", b'{"a": {"b": ["1 union  select 2"]}}', JSON, id="json"),
        pytest.param(
            "/in",
            gzip.compress(b'{"b": "1 union  select 2"}'),
            (*JSON, ("content-encoding", "gzip")),
            id="compressed",
        ),
    ],
)
def test_an_attack_is_refused_and_the_gateway_is_told_the_rule_and_the_request(
    world: World, path: str, body: bytes, fields: tuple[tuple[str, str], ...]
) -> None:
    before = len(world.upstream.seen)
    answer = world.front.send(path, body, fields=fields)
    assert answer.status == 403
    said, _, unique = details(answer).rpartition("_")
    assert said == "waf_5001"
    assert len(unique) == 36
    assert len(world.upstream.seen) == before
    until(lambda: unique in world.serve.log, 10)
    assert b"union" not in answer.body
    assert "password" not in world.serve.log


@pytest.mark.parametrize("size", [0, 1, 30_000, 60_000])
def test_what_is_no_attack_arrives_byte_for_byte(world: World, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    before = world.decided(policy="enforced", verdict="allow", reason="passed")
    answer = world.front.send("/in", body, fields=(("content-type", "application/octet-stream"),))
    assert answer.status == 200
    assert world.upstream.seen[-1].body == body
    until(
        lambda: world.decided(policy="enforced", verdict="allow", reason="passed") == before + 1, 10
    )


def test_shadow_passes_what_it_would_refuse_and_counts_it(world: World) -> None:
    before = world.decided(policy="watched", verdict="deny", reason="rule", shadow="true")
    assert world.front.send(f"/shadow?q={SQL}").status == 200
    assert world.front.send("/shadow", b"x" * 100_000).status == 200
    assert len(world.upstream.seen[-1].body) == 100_000
    until(
        lambda: (
            world.decided(policy="watched", verdict="deny", reason="rule", shadow="true")
            == before + 1
        ),
        10,
    )


def test_shadow_counts_a_coding_that_it_would_refuse(world: World) -> None:
    labels = {"policy": "watched", "verdict": "deny", "reason": "coding", "shadow": "true"}
    before = world.decided(**labels)
    sent = world.front.send("/shadow", b"x", fields=(("content-encoding", "unheard-of"),))
    assert sent.status == 200
    until(lambda: world.decided(**labels) == before + 1, 10)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_over_the_limit_is_refused(world: World, chunked: bool) -> None:
    body = b"x" * 200_000
    pieces = [body[at : at + 20_000] for at in range(0, len(body), 20_000)]
    answer = world.front.send("/in", pieces if chunked else body, method="POST")
    assert answer.status == 413
    assert details(answer) == "waf_over"


def test_where_it_is_written_the_rest_of_a_larger_body_passes_and_is_counted(world: World) -> None:
    before = world.serve.metric("gatewright_process_events_total", event="request_over")
    body = b"q=x&" + b"y" * 5_000
    assert world.front.send("/lenient", body, fields=FORM).status == 200
    assert world.upstream.seen[-1].body == body
    assert world.front.send("/lenient", f"q={SQL}&".encode() + body, fields=FORM).status == 403
    until(
        lambda: (
            world.serve.metric("gatewright_process_events_total", event="request_over")
            >= before + 2
        ),
        10,
    )


def test_a_coding_that_cannot_be_undone_is_refused(world: World) -> None:
    answer = world.front.send("/in", b"no gzip", fields=(("content-encoding", "gzip"),))
    assert answer.status == 415
    assert details(answer).startswith("waf_coding_")


def test_a_body_that_is_not_what_its_type_says_is_refused(world: World) -> None:
    answer = world.front.send("/in", b'{"a": ', fields=JSON)
    assert answer.status == 400
    assert details(answer).startswith("waf_1100020_")


def test_a_response_is_looked_at_where_the_policy_says_so(world: World) -> None:
    # The upstream echoes: it says what was asked for.
    answer = world.front.send("/in/secret-sauce")
    assert answer.status == 502
    assert details(answer).startswith("waf_5002_")
    assert world.front.send("/lenient/secret-sauce").status == 200


def test_a_path_that_can_be_read_in_two_ways_is_refused(world: World) -> None:
    # The face of authorization refuses it before.
    assert world.front.send("/lenient/%2e%2e/in").status == 400


def test_where_no_policy_inspects_nothing_is_looked_at_and_no_body_asked_for(world: World) -> None:
    before = world.serve.metric("gatewright_process_unjudged_total", reason="no_policy")
    body = b"q=1 union  select 2&" + b"x" * 3_000_000
    answer = world.front.send(f"/out?q={SQL}", body, fields=FORM)
    assert answer.status == 200
    assert world.upstream.seen[-1].body == body
    until(
        lambda: (
            world.serve.metric("gatewright_process_unjudged_total", reason="no_policy")
            == before + 1
        ),
        10,
    )


def test_the_audit_log_has_what_rules_matched_in_and_no_secrets(world: World) -> None:
    fields = (("cookie", "sid=hush"), ("authorization", "Bearer hush"))
    for target in ("/in?fine=1&mark=7301", f"/in?password=hush&mark=7302&q={SQL}"):
        world.front.send(target, fields=fields)
    until(lambda: world.audited("mark=7302") != [], 10)

    (entry,) = world.audited("mark=73")
    assert entry["interruption"] == {"action": "deny", "status": 403, "rule": 5001}
    assert [each["details"]["ruleId"] for each in entry["messages"]] == ["5001"]
    assert entry["client_ip"] == "127.0.0.1"
    assert "hush" not in world.log.read_text()


def test_in_shadow_the_audit_log_says_what_would_have_been(world: World) -> None:
    world.front.send(f"/shadow?mark=7303&q={SQL}")
    until(lambda: world.audited("mark=7303") != [], 10)

    (entry,) = world.audited("mark=7303")
    assert entry["interruption"] is None
    assert entry["would_have"]["rule"] == 5001


def test_rules_that_match_and_bytes_that_nobody_saw_are_counted(world: World) -> None:
    def counted(name: str, **labels: str) -> float:
        return world.serve.metric(f"gatewright_waf_{name}_total", **labels)

    hits = counted("rule_hits", rule="5001")
    unseen = counted("uninspected_bytes", side="request")
    world.front.send(f"/in?q={SQL}")
    world.front.send("/lenient", b"x" * 5_000, fields=FORM)

    until(lambda: counted("rule_hits", rule="5001") >= hits + 1, 10)
    # Of the 5,000 bytes, 1,024 are looked at.
    until(lambda: counted("uninspected_bytes", side="request") >= unseen + 5_000 - 1_024, 10)
    assert counted("nominated") >= counted("confirmed") > 0


def test_rules_that_do_not_load_replace_nothing_and_those_that_do_decide_at_once(
    world: World,
) -> None:
    rules = world.bundle / "waf/own.conf"
    digest = world.serve.config()["digest"]
    rules.write_text(RULES + 'SecRule ARGS "@rx (" "id:5003,phase:2,deny"\n')
    until(lambda: "waf/own.conf:4" in json.dumps(world.serve.config()["problems"]), 20)
    assert world.serve.config()["digest"] == digest
    assert world.front.send(f"/in?q={SQL}").status == 403
    rules.write_text(RULES.replace("5001", "5009").replace("union", "uniform"))
    until(lambda: world.front.send("/in?q=uniform%20select").status == 403, 20)
    assert world.front.send("/in?q=union%20select").status == 200
    rules.write_text(RULES)
    until(lambda: world.front.send(f"/in?q={SQL}").status == 403, 20)


def test_rules_are_run_by_workers_of_their_own(world: World) -> None:
    assert world.serve.config()["workers"].keys() == {"0", "1"}
    (listening,) = world.serve.said("listening")
    assert listening["process"] != listening["grpc"]
