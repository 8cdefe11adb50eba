"""The service with its real neighbours: an identity provider over HTTP, an OPA server."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from callout.config.bundle import Bundle
from callout.config.snapshot import Snapshot, build
from callout.grpc.call import Call
from callout.testing.plugin import StartOpa
from callout.testing.requests import check_request
from extauthz.config import AuthSection
from extauthz.identity.jwks_fetch import FetchLimits, JwksFetcher
from extauthz.policy.opa_server.servers import OpaServers
from extauthz.service import AuthorizationService
from tests.extauthz.tokens import NOW, claims, jwk, jwks, token
from tests.extauthz.world import Answered, Recorder

REGO = """package shop

import rego.v1

default allow := false

allow := {"allowed": true, "headers": {"x-spent": sprintf("%v", [input.identity.budget])}} if {
	input.identity.sub == "alice"
	input.parsed_path[0] == "orders"
	input.attributes.request.http.method == "GET"
}
"""

POLICY = """
apiVersion: bundle/v1
kind: Policy
name: shop
on: [{{host: "*"}}]
auth:
  identity:
    - jwt: {{issuer: https://idp.example/, audience: [shop], jwks: {{url: "{url}"}}}}
  decide: {{opa: {opa}}}
  emit: {{x-user: sub}}
  onError: {on_error}
"""


class Issuer:
    """An identity provider whose keys can change and that can be told to fail."""

    def __init__(self) -> None:
        self.names = ["ec"]
        self.status = 200
        self.url = ""
        self.answers = asyncio.Event()
        self.answers.set()

    async def answer(self, request: web.Request) -> web.Response:
        await self.answers.wait()
        return web.Response(status=self.status, body=jwks(*map(jwk, self.names)))


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    app = web.Application()
    app.router.add_get("/keys", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield made
    await runner.cleanup()


class Gate:
    """The service over a bundle, and its connections."""

    def __init__(self, issuer: Issuer, opa: str, on_error: str, path: str) -> None:
        text = POLICY.format(url=issuer.url, opa=path, on_error=on_error)
        found = build(Bundle({"shop.yaml": text.encode()}), [AuthSection()])
        assert isinstance(found, Snapshot), found
        self.now = NOW
        self.recorder = Recorder()
        self.keys = JwksFetcher(FetchLimits(timeout=2))
        self.opa = OpaServers([opa])
        self.service = AuthorizationService(
            lambda: found, self.recorder, self.keys, self.opa.engine, now=lambda: self.now
        )

    async def ask(
        self, bearer: str | None, path: str = "/orders/1", seconds: float | None = None
    ) -> tuple[Answered, str]:
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        message = check_request("GET", path, headers=headers).SerializeToString()
        deadline = None if seconds is None else time.monotonic() + seconds
        reply = self.service.check(message, Call((), deadline, "test"))
        answered = Answered(reply if isinstance(reply, bytes) else await reply)
        return answered, self.recorder.decisions[-1].reason

    async def close(self) -> None:
        await self.keys.close()
        await self.opa.close()


def gate(issuer: Issuer, opa: str, on_error: str = "deny(503)", path: str = "shop/allow") -> Gate:
    return Gate(issuer, opa, on_error, path)


async def test_a_real_opa_server_decides_by_a_token_that_fetched_keys_verify(
    issuer: Issuer, opa_server: StartOpa
) -> None:
    made = gate(issuer, opa_server({"shop.rego": REGO}).url)
    good = token(claims(budget=12345678901234567890))

    answer, reason = await made.ask(good)
    assert (answer.allowed, reason) == (True, "opa")
    assert answer.headers == {"x-user": "alice", "x-spent": "12345678901234567890"}

    assert (await made.ask(good, "/admin"))[0].status == 403
    assert (await made.ask(token(claims(sub="bob", budget=1))))[0].status == 403
    assert (await made.ask(token(key="other-ec", kid="ec")))[1] == "signature"
    assert (await made.ask(None))[0].status == 401
    await made.close()


async def test_an_undefined_document_is_our_failure(issuer: Issuer, opa_server: StartOpa) -> None:
    made = gate(issuer, opa_server({"shop.rego": REGO}).url, path="shop/nothing")

    answer, reason = await made.ask(token())

    assert (answer.status, reason) == (503, "undefined")
    await made.close()


@pytest.mark.parametrize(("on_error", "status"), [("deny(503)", 503), ("allow", 0)])
async def test_an_opa_server_that_is_gone_is_our_failure(
    issuer: Issuer, on_error: str, status: int
) -> None:
    made = gate(issuer, "http://127.0.0.1:1", on_error)

    answer, reason = await made.ask(token())

    assert answer.status == status
    assert reason.startswith("opa_")
    assert made.recorder.decisions[-1].verdict == "error"
    await made.close()


async def test_a_withdrawn_key_ends_its_tokens_after_the_next_refresh(
    issuer: Issuer, opa_server: StartOpa
) -> None:
    made = gate(issuer, opa_server({"shop.rego": REGO}).url)
    good = token(claims(budget=1))
    assert (await made.ask(good))[0].allowed
    issuer.names = ["ed"]

    made.now = NOW + 300
    for _ in range(200):
        answer, reason = await made.ask(good)
        if not answer.allowed:
            break
        await asyncio.sleep(0.01)

    assert (answer.status, reason) == (401, "unknown_key")
    await made.close()


@pytest.mark.parametrize(("on_error", "status"), [("deny(503)", 503), ("allow", 0)])
async def test_an_identity_provider_that_is_gone_is_our_failure(
    issuer: Issuer, on_error: str, status: int
) -> None:
    issuer.status = 500
    made = gate(issuer, "http://127.0.0.1:1", on_error)

    answer, reason = await made.ask(token())

    assert (answer.status, reason) == (status, "keys_unavailable")
    assert answer.headers == {}
    assert "id" not in answer.metadata
    await made.close()


async def test_an_identity_provider_that_stalls_costs_no_more_than_the_callers_deadline(
    issuer: Issuer, opa_server: StartOpa
) -> None:
    made = gate(issuer, opa_server({"shop.rego": REGO}).url)
    good = token(claims(budget=1))
    issuer.answers.clear()
    began = time.monotonic()
    answers = await asyncio.gather(*(made.ask(good, seconds=0.3) for _ in range(50)))
    # The fetch itself may take two seconds.
    assert time.monotonic() - began < 1.5
    assert {(each.status, reason) for each, reason in answers} == {(503, "deadline")}
    issuer.answers.set()
    answer, reason = await made.ask(good, seconds=5.0)
    assert (answer.allowed, reason) == (True, "opa")
    await made.close()


async def test_an_opa_server_that_stalls_costs_the_deadline_a_few_times_and_then_nothing(
    issuer: Issuer, opa_server: StartOpa
) -> None:
    opa = opa_server({"shop.rego": REGO})
    made = gate(issuer, opa.url)
    good = token(claims(budget=1))
    assert (await made.ask(good))[0].allowed
    opa.stop()
    try:
        took, reasons = 1.0, [""]
        for _ in range(40):
            began = time.monotonic()
            answers = await asyncio.gather(*(made.ask(good, seconds=0.2) for _ in range(50)))
            took = time.monotonic() - began
            assert took < 2.0
            assert {each.status for each, _ in answers} == {503}
            reasons = [reason for _, reason in answers]
            assert set(reasons) <= {"opa_unavailable", "deadline"}
            if took < 0.1 and set(reasons) == {"opa_unavailable"}:
                break
        assert took < 0.1, "each waited"
        assert set(reasons) == {"opa_unavailable"}
    finally:
        opa.cont()
    for _ in range(500):
        answer, _reason = await made.ask(good, seconds=5.0)
        if answer.allowed:
            break
        await asyncio.sleep(0.01)
    assert answer.allowed
    assert [(await made.ask(good, seconds=5.0))[0].allowed for _ in range(8)] == [True] * 8
    await made.close()
