"""The rendered Envoy configuration: accepted by Envoy, and closed where it must be."""

from pathlib import Path
from typing import Any

import pytest

from callout.config.source import Mark, Origin, Source
from callout.testing import tools
from gatewright.envoy import render
from gatewright.envoy.gateway import (
    FailureModes,
    Gateway,
    Upstream,
    failure_modes,
    inspects,
    parse_upstream,
)
from gatewright.envoy.process import EnvoyFailed, EnvoyProcess, validate

CLOSED = FailureModes(auth_allows=False, limits_allow=False)
PLAIN = Upstream("127.0.0.1", 8000, tls=False)


def gateway(
    callout: str = "unix:/run/gatewright.sock",
    upstream: Upstream = PLAIN,
    failure: FailureModes = CLOSED,
    request_id: str = "",
    process: str = "",
) -> Gateway:
    return Gateway("127.0.0.1", 0, callout, upstream, failure, request_id, process)


def filters(rendered: dict[str, Any]) -> list[dict[str, Any]]:
    (listener,) = rendered["resources"]
    manager = listener["filterChains"][0]["filters"][0]["typedConfig"]
    return list(manager["httpFilters"])


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(gateway(), id="unix-socket"),
        pytest.param(gateway(callout="127.0.0.1:9000"), id="tcp"),
        pytest.param(gateway(callout="[::1]:9000"), id="ipv6"),
        pytest.param(gateway(upstream=Upstream("shop.example", 443, tls=True)), id="tls-by-name"),
        pytest.param(gateway(failure=FailureModes(True, True)), id="open"),
        pytest.param(gateway(request_id="call"), id="request-id"),
        pytest.param(gateway(process="127.0.0.1:9002"), id="process"),
        pytest.param(gateway(process="unix:/run/process.sock"), id="process-unix-socket"),
    ],
)
async def test_envoy_accepts_it(each: Gateway, tmp_path: Path) -> None:
    assert await validate(tools.require("envoy"), render.static(each), tmp_path) is None


async def test_what_envoy_refuses_is_told_in_its_words_and_not_applied(tmp_path: Path) -> None:
    envoy = EnvoyProcess(tools.require("envoy"), tmp_path)
    await envoy.apply(gateway())
    before = (tmp_path / "lds.json").read_text()
    with pytest.raises(EnvoyFailed, match="malformed IP address"):
        await envoy.apply(Gateway("nowhere", 0, "127.0.0.1:9000", PLAIN, CLOSED))
    assert (tmp_path / "lds.json").read_text() == before


def test_the_order_is_authorization_then_limits_then_the_router() -> None:
    names = [each["name"] for each in filters(render.listeners(gateway(), "1"))]
    assert names == [
        "envoy.filters.http.ext_authz",
        "envoy.filters.http.ratelimit",
        "envoy.filters.http.router",
    ]


def test_failure_modes_and_time_limits_are_written_out() -> None:
    authz, limit, _ = (each["typedConfig"] for each in filters(render.listeners(gateway(), "1")))
    assert not authz.get("failureModeAllow", False)
    assert authz["grpcService"]["timeout"] == "0.500s"
    assert authz["statusOnError"] == {"code": "ServiceUnavailable"}
    assert limit["failureModeDeny"] is True
    assert limit["timeout"] == limit["rateLimitService"]["grpcService"]["timeout"] == "0.100s"


def actions_of(gateway: Gateway) -> list[dict[str, Any]]:
    (listener,) = render.listeners(gateway, "1")["resources"]
    manager = listener["filterChains"][0]["filters"][0]["typedConfig"]
    (host,) = manager["routeConfig"]["virtualHosts"]
    ((actions,),) = (each.values() for each in host["rateLimits"])
    return list(actions)


def test_an_id_of_each_request_is_sent_only_where_it_is_asked_for() -> None:
    plain = actions_of(gateway())
    assert actions_of(gateway(request_id="call")) == [
        *plain,
        {
            "requestHeaders": {
                "headerName": "x-request-id", "descriptorKey": "call", "skipIfAbsent": True
            }
        },
    ]  # fmt: skip


def test_the_one_descriptor_is_constant() -> None:
    actions = actions_of(gateway())
    kinds = [next(iter(each)) for each in actions]
    assert kinds == ["requestHeaders"] * 3 + ["remoteAddress"] + ["metadata"] * 2
    # Only what an anonymous request lacks may be absent: without it the rest is still counted.
    assert [each["metadata"]["skipIfAbsent"] for each in actions[4:]] == [True, True]
    assert not any(each["requestHeaders"].get("skipIfAbsent") for each in actions[:3])


def policy(**blocks: object) -> Source:
    return Source({"name": "p", **blocks}, Origin(Mark("p.yaml", 1, 1)))


OPEN_AUTH = {"onError": "allow"}
CLOSED_AUTH = {"onError": "deny(503)"}


@pytest.mark.parametrize(
    ("policies", "auth", "limits"),
    [
        pytest.param([], False, False, id="no-policies"),
        pytest.param([policy(auth=OPEN_AUTH)], True, False, id="one-open"),
        pytest.param([policy(auth=OPEN_AUTH), policy(auth={})], False, False, id="one-unsaid"),
        pytest.param(
            [policy(auth=OPEN_AUTH), policy(auth=CLOSED_AUTH)], False, False, id="one-closed"
        ),
        pytest.param(
            [policy(limits=[{"name": "a", "onError": "allow"}])], False, True, id="limit-open"
        ),
        pytest.param(
            [policy(limits=[{"name": "a", "onError": "allow"}, {"name": "b"}])],
            False,
            False,
            id="limit-unsaid",
        ),
        pytest.param(
            [policy(limits=[{"name": "a", "onError": "allow"}, {"name": "b", "off": True}])],
            False,
            True,
            id="limit-off-does-not-count",
        ),
    ],
)
def test_a_filter_fails_open_only_where_every_policy_says_so(
    policies: list[Source], auth: bool, limits: bool
) -> None:
    assert failure_modes(policies) == FailureModes(auth_allows=auth, limits_allow=limits)


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("http://127.0.0.1:8000", Upstream("127.0.0.1", 8000, tls=False)),
        ("http://shop.example/", Upstream("shop.example", 80, tls=False)),
        ("https://shop.example", Upstream("shop.example", 443, tls=True)),
        ("http://[::1]:81", Upstream("::1", 81, tls=False)),
    ],
)
def test_an_upstream_is_read(url: str, upstream: Upstream) -> None:
    assert parse_upstream(url) == upstream


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "ftp://x",
        "http://",
        "http://x/path",
        "http://u@x",
        "http://x:99999",
        "http://[x",
    ],
)
def test_what_is_no_upstream_is_explained(url: str) -> None:
    assert isinstance(parse_upstream(url), str)


def test_what_inspects_comes_last_asks_for_no_body_by_itself_and_fails_closed() -> None:
    assert len(filters(render.listeners(gateway(), "1"))) == 3
    names = []
    for allows in (False, True):
        failure = FailureModes(False, False, allows)
        rendered = filters(render.listeners(gateway(process="a:1", failure=failure), "1"))
        names = [each["name"].rpartition(".")[2] for each in rendered]
        config = rendered[2]["typedConfig"]
        assert config.get("failureModeAllow", False) is allows
        mode = config["processingMode"]
        assert "requestBodyMode" not in mode  # NONE
        assert "responseBodyMode" not in mode
        assert config["allowModeOverride"] is True
    assert names == ["ext_authz", "ratelimit", "ext_proc", "router"]


@pytest.mark.parametrize(
    ("written", "allows"),
    [
        ([], False),
        ([{"onError": "allow"}], True),
        ([{"onError": "allow"}, {"onError": "deny(503)"}], False),
        ([{"onError": "allow"}, {}], False),
    ],
)
def test_envoy_lets_pass_unseen_only_where_every_policy_says_so(
    written: list[dict[str, str]], allows: bool
) -> None:
    sources = [Source({"inspect": each}, Origin(Mark("a", 1, 1))) for each in written]
    assert failure_modes(sources).inspection_allows is allows
    assert inspects(sources) is bool(written)
