"""`gatewright ratelimit try` and `keys`: what they say, and that they count nothing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from callout.testing.redis import RedisServer
from gatewright.cli.main import main

EDGE = """domain: edge
descriptors:
  - key: tenant
    rate_limit: {unit: hour, requests_per_unit: 2}
    descriptors:
      - {key: path, value: /trial*, shadow_mode: true, rate_limit: {unit: day}}
  - {key: tenant, value: internal, rate_limit: {unlimited: true}}
"""
SHOP = """apiVersion: bundle/v1
kind: Policy
name: shop
on: [{host: shop.example}]
limits:
  - {name: everybody, rate: 1000/hour}
  - {name: per-user, by: [identity.sub], rate: 3/hour}
"""
VISIT = "host=shop.example,path=/search,method=GET,remote_address=192.0.2.1"


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    (tmp_path / "ratelimit").mkdir()
    (tmp_path / "ratelimit/edge.yaml").write_text(EDGE)
    (tmp_path / "shop.yaml").write_text(SHOP)
    return str(tmp_path)


class Tried:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, status: int, *arguments: str) -> str:
        assert main(["ratelimit", *arguments]) == status, self._capsys.readouterr()
        out, err = self._capsys.readouterr()
        return out if status < 2 else err

    def json(self, status: int, *arguments: str) -> Any:
        return json.loads(self(status, *arguments, "--json"))


@pytest.fixture
def tried(capsys: pytest.CaptureFixture[str]) -> Tried:
    return Tried(capsys)


def edge(*descriptors: str) -> list[str]:
    return ["--domain", "edge", *(f"--descriptor={each}" for each in descriptors)]


def test_a_rule_is_told_with_its_place_its_counter_and_what_would_happen(
    tried: Tried, bundle: str
) -> None:
    told = tried(0, "try", bundle, *edge("tenant=ann"))
    first, entries, limit, outcome, counter = told.splitlines()
    assert first == "OK (within_limit)"
    assert entries == "  tenant=ann"
    assert limit == "    2/hour, ratelimit/edge.yaml:3"
    assert outcome == "      within: 0 before, 1 after"
    assert counter.startswith("      counter rl:d:4:edge3600s:6:tenant3:ann@")


def test_more_hits_than_a_limit_has_are_over_it(tried: Tried, bundle: str) -> None:
    told = tried.json(1, "try", bundle, *edge("tenant=ann"), "--hits", "3")
    assert (told["code"], told["reason"]) == ("OVER_LIMIT", "over_limit")
    (limit,) = told["descriptors"][0]["limits"]
    assert (limit["before"], limit["hits"], limit["over"]) == (0, 3, True)


def test_equal_descriptors_each_count(tried: Tried, bundle: str) -> None:
    told = tried.json(1, "try", bundle, *edge("tenant=ann", "tenant=ann"), "--hits", "2")
    assert [each["code"] for each in told["descriptors"]] == ["OK", "OVER_LIMIT"]


def test_what_is_in_shadow_unlimited_or_unknown_is_said_to_be(tried: Tried, bundle: str) -> None:
    shadow = tried(0, "try", bundle, *edge("tenant=ann,path=/trial/7"))
    assert shadow.startswith("OK (over_limit, but the limit is in shadow)\n")
    assert "0/day (shadow), ratelimit/edge.yaml:6" in shadow
    assert "unlimited, ratelimit/edge.yaml:7" in tried(0, "try", bundle, *edge("tenant=internal"))
    assert "no limit counts" in tried(0, "try", bundle, *edge("other=x"))
    none = tried(0, "try", bundle, "--domain", "nobody", "--descriptor", "a=b")
    assert none.startswith("OK (unknown_domain)\n")


def test_limits_of_policies_are_told_with_theirs(tried: Tried, bundle: str) -> None:
    told = tried(0, "try", bundle, "--descriptor", VISIT, "--identity", "sub=ann")
    assert "everybody: 1000/hour, shop.yaml:6" in told
    assert "per-user: 3/hour, shop.yaml:7" in told
    assert "12:identity.sub3:ann" in told
    nobody = tried(0, "try", bundle, "--descriptor", VISIT)
    assert "7:address9:192.0.2.1" in nobody


def test_a_folder_of_envoyproxy_ratelimit_is_enough(tried: Tried, bundle: str) -> None:
    folder = f"{bundle}/ratelimit"
    assert "ratelimit/edge.yaml:3" in tried(0, "try", "--er-config", folder, *edge("tenant=ann"))


def test_its_counters_are_named_as_there(
    tried: Tried, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_KEY_PREFIX", "edge:")
    folder = f"{bundle}/ratelimit"
    told = tried.json(0, "try", "--er-config", folder, *edge("tenant=ann"))
    counter = told["descriptors"][0]["limits"][0]["counter"]
    assert re.fullmatch("edge:edge_tenant_ann_[0-9]+", counter)
    monkeypatch.setenv("REDIS_PERSECOND", "maybe")
    assert "REDIS_PERSECOND" in tried(2, "try", "--er-config", folder, *edge("tenant=ann"))


def test_a_request_as_json_is_the_message_itself(tried: Tried, bundle: str, tmp_path: Path) -> None:
    entries = [{"key": "tenant", "value": "a,b=c"}]
    message = {"domain": "edge", "descriptors": [{"entries": entries}], "hitsAddend": 5}
    (tmp_path / "request.json").write_text(json.dumps(message))
    told = tried.json(1, "try", bundle, "--input", str(tmp_path / "request.json"))
    assert told["descriptors"][0]["entries"] == [["tenant", "a,b=c"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "rate limit descriptor list must not be empty"),
        (["--descriptor", "host=a"], "lacks path, method"),
        (["--descriptor", "a=b", "--hits", "-1"], "expected --hits from 0 to 2^64-1"),
        (["--input", "nowhere.json"], "nowhere.json: No such file"),
        (["--input", "x", "--hits", "0"], "found both"),
        (["--descriptor", VISIT, "--redis", "http://x"], "expected the URL of a Redis server"),
        (["--descriptor", VISIT, "--redis", "unix:///no/such"], "the counters are not available"),
    ],
)
def test_what_cannot_be_asked_ends_with_2(
    tried: Tried, bundle: str, arguments: list[str], message: str
) -> None:
    assert message in tried(2, "try", bundle, *arguments)


def test_counters_in_redis_are_looked_at_and_not_counted(
    tried: Tried, bundle: str, redis_server: RedisServer
) -> None:
    redis_server.flush()
    asked = ["try", bundle, "--redis", redis_server.url, *edge("tenant=ann")]
    for _ in range(3):
        told = tried.json(0, *asked)
    assert redis_server.client().dbsize() == 0
    counter = told["descriptors"][0]["limits"][0]["counter"]
    redis_server.client().set(counter, 2, ex=3600)
    told = tried.json(1, *asked)
    assert told["descriptors"][0]["limits"][0]["before"] == 2
    assert redis_server.client().get(counter) == b"2"


def test_a_counter_is_inspected_and_set_back(
    tried: Tried, bundle: str, redis_server: RedisServer
) -> None:
    redis_server.flush()
    database = redis_server.client()
    database.set("rl:d:one@0", 41, ex=3600)
    database.hset("rl:d:other", "field", "1")
    database.set("session:ann", "secret")
    flags = ["--redis", redis_server.url]
    assert tried(0, "keys", "rl:d:one@0", *flags) == "rl:d:one@0  41, kept for 3600 s\n"
    assert "of another kind" in tried(0, "keys", "rl:d:other", *flags)
    assert "not there" in tried(1, "keys", "rl:d:one@60", *flags)
    assert tried(0, "keys", "rl:d:one@0", "--reset", *flags) == "rl:d:one@0  41, was reset\n"
    assert not database.exists("rl:d:one@0")
    # Whatever else is in that Redis is nobody's business here.
    database.hincrby("rl:replicas", "w", 1)
    for other in ("session:ann", "rl:replicas", "rl:r:00ff"):
        assert "begin with `rl:d:`" in tried(2, "keys", "rl:d:one@0", other, "--reset", *flags)
    assert database.exists("session:ann", "rl:replicas") == 2
    assert "expected --redis" in tried(2, "keys", "rl:d:one@0")
    assert "not available" in tried(2, "keys", "rl:d:one@0", "--redis", "unix:///no/such")


def test_a_counter_shared_with_envoyproxy_ratelimit_is_inspected(
    tried: Tried, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_server.flush()
    database = redis_server.client()
    database.set("edge:d_k_v_60", 7, ex=100)
    database.set("edge:session", "secret")
    monkeypatch.setenv("CACHE_KEY_PREFIX", "edge:")
    monkeypatch.setenv("REDIS_SOCKET_TYPE", "tcp")
    monkeypatch.setenv("REDIS_URL", redis_server.address)
    assert tried(0, "keys", "--er-config", "edge:d_k_v_60") == "edge:d_k_v_60  7, kept for 100 s\n"
    for foreign in ("edge:session", "d_k_v_60", "edge:1"):
        assert "`edge:` and end in" in tried(2, "keys", "--er-config", "--reset", foreign)
    assert "begin with `rl:d:`, `rl:p:`, `rl:h:`\n" in tried(
        2, "keys", "--redis", "redis://x", "edge:d_k_v_60"
    )
    assert database.dbsize() == 2


def test_check_puts_a_domain_of_several_files_together_where_the_settings_do(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "domain: edge\ndescriptors:\n  - {key: more, rate_limit: {unlimited: true}}\n"
    (Path(bundle) / "ratelimit/more.yaml").write_text(more)
    assert main(["check", bundle]) == 1
    assert "ratelimit/more.yaml:1:9: domain: duplicate domain 'edge'" in capsys.readouterr().err
    settings = tmp_path / "settings" / "gatewright.yaml"
    settings.parent.mkdir()
    settings.write_text("limits: {merge_domains: true}\n")
    assert main(["check", bundle, "--settings", str(settings)]) == 0
    (Path(bundle) / "ratelimit/again.yaml").write_text(more)
    assert main(["check", bundle, "--settings", str(settings)]) == 1
    assert "duplicate descriptor composite key 'edge.more'" in capsys.readouterr().err
    settings.write_text("limits: {merge: true}\n")
    assert main(["check", bundle, "--settings", str(settings)]) == 1
    assert "gatewright.yaml:1:10" in capsys.readouterr().err


def test_check_tells_of_traps_in_those_files(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "  - {key: tenant, value: big, rate_limit: {unit: hour, requests_per_unit: 9}}\n"
    (Path(bundle) / "ratelimit/edge.yaml").write_text(EDGE + more)
    assert main(["check", "--strict", bundle]) == 1
    assert "ratelimit/edge.yaml:8:5: warning: descriptors[2]: the rules below" in (
        capsys.readouterr().err
    )


def test_all_limits_are_in_shadow_or_in_quota_mode_as_the_settings_say(
    tried: Tried, bundle: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = tmp_path_factory.mktemp("settings") / "gatewright.yaml"
    asked = ("try", bundle, "--settings", str(settings), "--hits", "3", *edge("tenant=ann"))
    settings.write_text("limits: {shadow: true}\n")
    told = tried.json(0, *asked)
    assert (told["code"], told["shadow"], told["descriptors"][0]["code"]) == (
        "OK", True, "OVER_LIMIT"
    )  # fmt: skip

    settings.write_text("limits: {quota: true}\n")
    assert tried.json(1, *asked)["descriptors"][0]["limits"][0]["mode"] == "quota"
    # Of a descriptor without a limit something is always left.
    assert tried.json(0, *asked, "--descriptor=other=x")["code"] == "OK"


def test_what_spares_its_other_limits_is_told_where_the_settings_say_so(
    tried: Tried, bundle: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = tmp_path_factory.mktemp("settings") / "gatewright.yaml"
    wide = "  - {key: wide, rate_limit: {unit: hour, requests_per_unit: 100}}\n"
    (Path(bundle) / "ratelimit/edge.yaml").write_text(EDGE + wide)
    asked = ("try", bundle, "--settings", str(settings), "--hits", "3")
    for setting, expected in (("false", [True, True]), ("true", [True, False])):
        settings.write_text(f"limits: {{stop_when_over: {setting}}}\n")
        found = tried.json(1, *asked, *edge("tenant=ann", "wide=x"))["descriptors"]
        assert [each["limits"][0]["counted"] for each in found] == expected
    # In shadow nothing is refused.
    settings.write_text("limits: {stop_when_over: true, shadow: true}\n")
    found = tried.json(0, *asked, *edge("tenant=ann", "wide=x"))["descriptors"]
    assert [each["limits"][0]["counted"] for each in found] == [True, True]


def test_an_id_of_a_request_that_may_come_again_is_no_part_of_its_descriptor(
    tried: Tried, bundle: str, tmp_path: Path
) -> None:
    asked = edge("tenant=ann,request_id=r1")
    assert tried.json(0, "try", bundle, *asked)["reason"] == "no_limit"
    settings = tmp_path / "settings" / "gatewright.yaml"
    settings.parent.mkdir()
    settings.write_text("limits: {retries: {by: request_id}}")
    found = tried.json(0, "try", bundle, "--settings", str(settings), *asked)
    assert found["reason"] == "within_limit"
    assert found["descriptors"][0]["entries"] == [["tenant", "ann"]]
