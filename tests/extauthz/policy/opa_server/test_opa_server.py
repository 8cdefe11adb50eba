"""The engine that asks an OPA server, against a real one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal
from typing import Any

import pytest

from callout.testing.plugin import StartOpa
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.policy.opa_server.servers import OpaServers

REGO = """package shop
default allow := false
allow if input.user == data.staff[_]
echo := input.x
none if input.x == 1
broken := x if { some x in [1, 2] }
large := concat("", [s | some _ in numbers.range(1, 20000); s := "TEXT"])
""".replace("TEXT", "0123456789" * 10)


@pytest.fixture
async def server(opa_server: StartOpa) -> AsyncIterator[Any]:
    running = opa_server({"shop.rego": REGO}, {"staff": ["bob"]})
    ours = OpaServers([running.url])
    yield running, ours
    await ours.close()


async def ask(ours: OpaServers, path: str, document: Any, seconds: float | None = None) -> Any:
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
    answer = ours.engine(path).decide(document, deadline)
    return await answer if isinstance(answer, Awaitable) else answer


async def test_it_gives_the_document(server: Any) -> None:
    _, ours = server
    assert await ask(ours, "shop/allow", {"user": "bob"}) is True
    assert await ask(ours, "shop/allow", {"user": "eve"}) is False


async def test_no_value_is_undefined(server: Any) -> None:
    _, ours = server
    assert await ask(ours, "shop/none", {"x": 2}) is UNDEFINED
    assert await ask(ours, "shop/nowhere", {}) is UNDEFINED


@pytest.mark.parametrize(
    "value", [2**70, Decimal("0.1"), Decimal("10.50"), 0, None, [1, {"a": "é"}]], ids=str
)
async def test_numbers_stay_exact_both_ways(server: Any, value: Any) -> None:
    _, ours = server
    answer = await ask(ours, "shop/echo", {"x": value})
    assert answer == value
    assert type(answer) is type(value)
    assert str(answer) == str(value)


async def test_an_error_of_the_policy_is_a_failure(server: Any) -> None:
    _, ours = server
    answer = await ask(ours, "shop/broken", {})
    assert answer == PolicyFailed("opa_error", "the OPA server answered 500")


async def test_an_answer_that_is_too_large_is_a_failure(server: Any) -> None:
    _, ours = server
    answer = await ask(ours, "shop/large", {})
    assert answer == PolicyFailed("opa_error", "no usable JSON: ValueError")


async def test_many_decisions_share_connections(server: Any) -> None:
    _, ours = server
    asked = [ask(ours, "shop/allow", {"user": "bob"}) for _ in range(300)]
    assert await asyncio.gather(*asked) == [True] * 300
    assert len(ours.all[0]._client._client._connector._conns) <= 1
    assert sum(map(len, ours.all[0]._client._client._connector._conns.values())) <= 100


async def test_a_server_that_does_not_answer_costs_no_more_than_the_deadline(server: Any) -> None:
    running, ours = server
    assert await ask(ours, "shop/allow", {"user": "bob"}) is True
    running.stop()
    try:
        started = time.monotonic()
        answer = await ask(ours, "shop/allow", {"user": "bob"}, seconds=0.2)
        assert time.monotonic() - started < 2
    finally:
        running.cont()
    assert answer == PolicyFailed("opa_unavailable", "the OPA server did not answer in time", True)
    assert await ask(ours, "shop/allow", {"user": "bob"}) is True


async def test_a_deadline_that_has_passed_is_a_failure(server: Any) -> None:
    _, ours = server
    answer = await ask(ours, "shop/allow", {"user": "bob"}, seconds=-1)
    assert isinstance(answer, PolicyFailed)
    assert answer.reason == "opa_unavailable"


async def test_a_server_that_is_gone_is_a_failure(server: Any) -> None:
    running, ours = server
    assert await ask(ours, "shop/allow", {"user": "bob"}) is True
    running.close()
    answer = await ask(ours, "shop/allow", {"user": "bob"})
    assert isinstance(answer, PolicyFailed)
    assert answer.reason == "opa_unavailable"


@pytest.mark.parametrize(
    "path", ["", "/", "../x", "shop/allow?x=1", "shop//allow", "shop.allow", "shop/allow/", "a b"]
)
def test_only_paths_of_names_are_asked(path: str) -> None:
    with pytest.raises(ValueError, match="expected a path"):
        OpaServers(["http://127.0.0.1:8181"]).engine(path)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1", "ftp://a", "http://", "http://a/b", "http://u:p@a", "http://a?x"]
)
def test_only_addresses_of_servers_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        OpaServers([url])
