"""A file of envoyproxy/ratelimit over the wire, with counters in memory and in Redis."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.grpc_client import Client
from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

EDGE = """domain: edge
descriptors:
  - key: tenant
    rate_limit: {unit: year, requests_per_unit: 3}
    descriptors:
      - key: path
        value: /search*
        rate_limit: {unit: year, requests_per_unit: 2}
      - key: path
        value: /trial
        rate_limit: {unit: year, requests_per_unit: 1}
        shadow_mode: true
      - key: method
        descriptors:
          - {key: path, value: /deep, rate_limit: {unit: year, requests_per_unit: 1}}
  - key: tenant
    value: internal
    rate_limit: {unlimited: true}
  - key: tenant
    value: big
    rate_limit: {unit: year, requests_per_unit: 5}
"""
OTHER = """domain: other
descriptors:
  - {key: tenant, rate_limit: {unit: year, requests_per_unit: 1}}
"""
OK, OVER = 1, 2


@pytest.fixture(scope="module", params=["memory", "redis", "two-workers"])
def serve(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: RedisServer,
) -> Iterator[Serve]:
    folder = tmp_path_factory.mktemp("domains")
    files = {
        "ratelimit/edge.yaml": EDGE,
        "ratelimit/other.yml": OTHER,
        "all.yaml": policy("all", OPEN),
        **EVERYBODY,
    }
    bundle = write_bundle(folder / "bundle", files)
    redis_server.flush()
    flags = {
        "memory": [],
        "redis": ["--redis", redis_server.url, "--workers", "1"],
        "two-workers": ["--redis", redis_server.unix_url, "--workers", "2"],
    }[request.param]
    with closing(Serve(folder, bundle, *flags)) as running:
        yield running


@pytest.fixture
def clients(serve: Serve) -> Iterator[list[Client]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serve.client()) for _ in range(4)]


class Asking:
    """Each call on the next connection."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients
        self._next = 0

    def __call__(
        self, *descriptors: dict[str, str], domain: str = "edge", hits: int = 0
    ) -> "rls_pb2.RateLimitResponse":
        self._next += 1
        client = self._clients[self._next % len(self._clients)]
        return client.should_rate_limit(rate_limit_request(domain, *descriptors, hits_addend=hits))

    def codes(self, times: int, *descriptors: dict[str, str], **how: int | str) -> list[int]:
        return [self(*descriptors, **how).overall_code for _ in range(times)]  # type: ignore[arg-type]  # as above


@pytest.fixture
def ask(clients: list[Client]) -> Asking:
    return Asking(clients)


def test_any_value_counts_by_itself_and_says_what_is_left(ask: Asking) -> None:
    answers = [ask({"tenant": "ann"}) for _ in range(4)]
    assert [each.overall_code for each in answers] == [OK, OK, OK, OVER]
    first = answers[0].statuses[0]
    assert (first.current_limit.requests_per_unit, first.current_limit.unit) == (3, 6)
    assert [each.statuses[0].limit_remaining for each in answers] == [2, 1, 0, 0]
    assert 0 < first.duration_until_reset.seconds <= 366 * 86_400
    assert ask.codes(1, {"tenant": "bob"}) == [OK]


def test_the_named_value_wins_over_any(ask: Asking) -> None:
    assert ask.codes(6, {"tenant": "big"}) == [OK] * 5 + [OVER]


def test_unlimited_is_never_over(ask: Asking) -> None:
    answer = ask({"tenant": "internal"}, hits=2**32 - 1)
    assert answer.overall_code == OK
    assert answer.statuses[0].limit_remaining == 2**32 - 1
    assert ask.codes(20, {"tenant": "internal"}) == [OK] * 20


def test_nested_descriptors_count_apart_from_what_they_are_in(ask: Asking) -> None:
    deep = {"tenant": "cid", "method": "GET", "path": "/deep"}
    assert ask.codes(2, deep) == [OK, OVER]
    assert ask.codes(1, {**deep, "method": "PUT"}) == [OK]
    # Half of the way is no rule, and the tenant's own count is untouched.
    assert ask.codes(5, {"tenant": "cid", "method": "GET"}) == [OK] * 5
    assert ask.codes(4, {"tenant": "cid"}) == [OK, OK, OK, OVER]


def test_a_wildcard_takes_what_begins_so(ask: Asking) -> None:
    def searching(path: str) -> list[int]:
        return ask.codes(3, {"tenant": "dan", "path": path})

    assert searching("/search") == [OK, OK, OVER]
    assert searching("/search/tea") == [OK, OK, OVER]
    assert searching("/sear") == [OK, OK, OK]


def test_shadow_lets_pass_and_is_counted(ask: Asking, serve: Serve) -> None:
    def would_have() -> float:
        return serve.metric(
            "gatewright_decisions_total", face="limit", verdict="deny", shadow="true"
        )

    before = would_have()
    assert ask.codes(3, {"tenant": "eve", "path": "/trial"}) == [OK] * 3
    until(lambda: would_have() == before + 2)


def test_one_descriptor_over_is_over_for_all_and_each_has_its_status(ask: Asking) -> None:
    answers = [ask({"tenant": "fay"}, {"tenant": "gil", "path": "/search"}) for _ in range(3)]
    assert [each.overall_code for each in answers] == [OK, OK, OVER]
    assert [each.code for each in answers[2].statuses] == [OK, OVER]


def test_hits_count_as_many(ask: Asking) -> None:
    assert ask.codes(2, {"tenant": "hal"}, hits=2) == [OK, OVER]


def test_domains_are_apart_and_an_unknown_one_limits_nothing(ask: Asking) -> None:
    assert ask.codes(2, {"tenant": "ida"}, domain="other") == [OK, OVER]
    assert ask.codes(1, {"tenant": "ida"}) == [OK]
    assert ask.codes(3, {"tenant": "ida"}, domain="nowhere") == [OK] * 3
    assert ask.codes(3, {"nothing": "x"}) == [OK] * 3


def test_no_rule_of_ours_is_a_way_around_the_error_for_no_descriptor(clients: list[Client]) -> None:
    with pytest.raises(grpc.RpcError) as error:
        clients[0].should_rate_limit(rate_limit_request("edge"))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
