"""The service with remembered decisions: what attackers try, and what must never be given again."""

import asyncio
import dataclasses
import gc
import random
import tracemalloc
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from callout.config.snapshot import Snapshot
from callout.testing.requests import check_request
from extauthz.cache.decisions import DecisionCache
from extauthz.cache.rules import of_rego, of_server
from extauthz.compiled import ByOpa, ByRego, CompiledAuth
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.input import InputBuilder
from extauthz.outcome import Allow, Deny
from extauthz.policy.engine import PolicyFailed
from extauthz.policy.plan.recording import WHOLE
from extauthz.policy.rego import RegoEngine, load_plan
from tests.extauthz.policy.rego import plan
from tests.extauthz.tokens import NOW, claims, token
from tests.extauthz.world import (
    HOST,
    Answered,
    NoKeys,
    ScriptedEngine,
    World,
    auth,
    jwt_entry,
    key_set,
)

ALICE = token()
ROLE = """
default p := false
p if {
    input.attributes.request.http.method == "GET"
    input.attributes.request.http.headers["x-role"] == "reader"
    input.parsed_path[0] == "books"
}
"""


def remembered(
    rego: str, *entries: Any, ttl: float = 60.0, deny_ttl: float = 10.0, cached: bool = True
) -> CompiledAuth:
    """A policy by Rego whose decisions are remembered, or the same without."""
    engine = load_plan(plan(f"package test\n{rego}"), "test/p", None, recorded=cached)
    assert isinstance(engine, RegoEngine)
    block = auth(*entries, decider=ByRego(engine, InputBuilder(engine.reads)))
    if not cached:
        return block
    assert engine.recorded is not None
    return dataclasses.replace(block, cache=of_rego(ttl, deny_ttl, engine.recorded))


def request(credential: str | None = None, path: str = "/books/1", **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if credential is not None:
        given["authorization"] = f"Bearer {credential}"
    return check_request("GET", path, HOST, given)


def found(world: World) -> dict[str, int]:
    return world.service.decisions.looked_up


def test_the_same_request_is_decided_once() -> None:
    world = World(remembered(ROLE))

    for _ in range(3):
        assert world.ask(request(x_role="reader"))[0].allowed
        assert not world.ask(request(x_role="guest"))[0].allowed

    assert found(world) == {"allow": 2, "deny": 2, "miss": 2}


def test_what_the_policy_does_not_read_does_not_count() -> None:
    world = World(remembered(ROLE))
    world.ask(request(x_role="reader", x_request_id="1"))

    answer, decision = world.ask(request(x_role="reader", x_request_id="2", path="/books/2"))

    assert answer.allowed
    assert (decision.verdict, decision.reason) == ("allow", "rego")
    assert found(world)["allow"] == 1


def test_an_answer_from_memory_is_the_same_but_for_its_number() -> None:
    rego = """
p := {
    "allowed": input.parsed_path[0] == "books",
    "headers": {"x-shelf": "7"},
    "dynamic_metadata": {"shelf": 7},
}
"""
    world, plain = World(remembered(rego)), World(remembered(rego, cached=False))
    for path in ("/books", "/other"):
        first, again = (world.ask(request(ALICE, path=path))[0] for _ in range(2))
        assert vars(first) == vars(again) == vars(plain.ask(request(ALICE, path=path))[0])
    assert found(world) == {"allow": 1, "deny": 1, "miss": 2}


# --- credentials ---


def test_another_credential_is_another_key_also_where_the_policy_reads_nothing_of_it() -> None:
    world = World(remembered("p := true"))
    alice, bob = ALICE, token(claims(sub="bob"))

    answers = [world.ask(request(each))[0] for each in (alice, bob, alice, bob)]

    assert [answer.headers["x-user"] for answer in answers] == ["alice", "bob", "alice", "bob"]
    assert found(world) == {"allow": 2, "deny": 0, "miss": 2}


def test_nobody_is_not_somebody() -> None:
    world = World(remembered("default p := false\np if input.identity.sub"))
    assert world.ask(request(ALICE))[0].allowed
    assert not world.ask(request())[0].allowed
    assert world.ask(request(ALICE))[0].allowed
    assert found(world)["allow"] == 1


def test_two_policies_of_one_engine_do_not_share() -> None:
    """The oathkeeper lesson (GHSA-4mq7-pvjg-xp2r): a key holds all that the decision follows from.

    What an engine's answer means is the policy's affair: under `compat` not all is the same.
    """
    cache = DecisionCache()
    one, other = (of_rego(60.0, 60.0, ()) for _ in range(2))
    cache.get("digest", one, 0, {}, 0.0)
    cache.put("digest", one, 0, {}, (), Allow("rego"), True, 0.0, 60.0)
    assert cache.get("digest", one, 0, {}, 0.0) is not None
    assert cache.get("digest", other, 0, {}, 0.0) is None
    assert cache.get("digest", one, 1, {}, 0.0) is None


def test_a_token_that_has_ended_is_refused_whatever_is_remembered() -> None:
    world = World(remembered("p := true", ttl=3600.0))
    text = token(claims(exp=int(NOW) + 10))
    assert world.ask(request(text))[0].allowed
    world.now = NOW + 71  # and the leeway is over, too
    answer, decision = world.ask(request(text))
    assert (answer.status, decision.reason) == (401, "expired")


def test_a_decision_does_not_outlive_the_token() -> None:
    world = World(remembered("p := true", ttl=3600.0))
    text = token(claims(exp=int(NOW) + 10))
    world.ask(request(text))
    world.clock += 9.9
    world.ask(request(text))
    assert found(world) == {"allow": 1, "deny": 0, "miss": 1}
    world.clock += 0.2  # also where the other clock stood still
    world.ask(request(text))
    assert found(world) == {"allow": 1, "deny": 0, "miss": 2}


def test_nothing_is_remembered_of_a_token_that_lives_by_leeway_only() -> None:
    world = World(remembered("p := true", ttl=3600.0))
    text = token(claims(exp=int(NOW) - 10))
    for _ in range(3):
        assert world.ask(request(text))[0].allowed
    assert found(world) == {"allow": 0, "deny": 0, "miss": 3}


def test_a_token_whose_key_was_withdrawn_is_refused_whatever_is_remembered() -> None:
    keys = NoKeys(key_set("ec"))
    world = World(remembered("p := true", jwt_entry(url="https://idp.example/keys")), keys=keys)
    assert world.ask(request(ALICE))[0].allowed
    assert world.ask(request(ALICE))[0].allowed
    assert found(world)["allow"] == 1

    keys.keys = key_set("ed")

    answer, decision = world.ask(request(ALICE))
    assert (answer.status, decision.reason) == (401, "unknown_key")


def test_a_token_that_is_verified_anew_is_decided_anew() -> None:
    """The keys changed, and it is good by the new ones: that is another verification."""
    keys = NoKeys(key_set("ec"))
    world = World(remembered("p := true", jwt_entry(url="https://idp.example/keys")), keys=keys)
    world.ask(request(ALICE))
    keys.keys = key_set("ec", "ed")
    assert world.ask(request(ALICE))[0].allowed
    assert found(world) == {"allow": 0, "deny": 0, "miss": 2}


# --- what is asked ---


def odd_request(r: random.Random) -> Any:
    """One of few meanings, in one of many spellings."""
    role = r.choice(["reader", "Reader", "reader ", "guest", "", "reader,guest"])
    path = r.choice(["/books/1", "//books", "/books;x/1", "/b%6foks", "/books?x=1", "/", "/shelf"])
    message = check_request(r.choice(["GET", "get", "POST"]), path, HOST)
    http = message.attributes.request.http
    http.id = str(r.random())
    names = r.sample(["x-role", "X-Role", "x-role ", "x_role", "x-other"], r.randint(0, 2))
    if r.random() < 0.5:
        for name in names:
            http.headers[name] = role
    else:
        http.headers.clear()
        for name in [*names, *names[: r.randint(0, 1)]]:
            http.header_map.headers.add(key=name, raw_value=role.encode())
    if r.random() < 0.4:
        who = claims(sub=r.choice(["alice", "bob"]), role=r.choice([1, True, "1", None]))
        http.headers["authorization"] = f"Bearer {TOKENS.setdefault(str(who), token(who))}"
    return message


TOKENS: dict[str, str] = {}
POLICIES = {
    "a role, a method and a path": ROLE,
    "all headers": """
default p := false
p if {
    some name, value in input.attributes.request.http.headers
    startswith(name, "x-")
    value == "reader"
}
""",
    "all there is": """
default p := false
p if { walk(input, [_, value]); value == "reader" }
""",
    "no header of a kind": """
default p := true
p := false if input.attributes.request.http.headers["x-role"]
""",
    "a claim": """
default p := {"allowed": false, "body": "no"}
p := {"allowed": true, "headers": {"x-is": "one"}} if input.identity.role == 1
p := {"allowed": true, "headers": {"x-is": "true"}} if input.identity.role == true
""",
    "what is not there": """
default p := false
p if { not input.identity.role; not input.parsed_query.x; input.path_flags == [] }
""",
}


@pytest.mark.parametrize("name", POLICIES)
def test_with_and_without_memory_the_answers_are_the_same(name: str) -> None:
    entries = (jwt_entry(), AnonymousEntry())
    world = World(remembered(POLICIES[name], *entries))
    plain = World(remembered(POLICIES[name], *entries, cached=False))
    r = random.Random(name)
    for _ in range(1500):
        message = odd_request(r)
        answer, decision = world.ask(message)
        expected, other = plain.ask(message)
        assert vars(answer) == vars(expected), message
        assert decision._replace(id="", seconds=0.0) == other._replace(id="", seconds=0.0)
    if name != "all there is":  # a request has an id of its own
        assert found(world)["allow"] + found(world)["deny"] > 200


def test_a_failure_is_never_remembered() -> None:
    world = World(remembered("p := 1"))
    for _ in range(2):
        assert not world.ask(request())[0].allowed
    assert found(world)["miss"] == 2
    assert world.service.decisions.passed_over["failed"] == 2


def test_what_read_the_clock_is_never_remembered() -> None:
    rego = """
p if { input.parsed_path[0] == "a"; time.now_ns() > 1 }
p := false if input.parsed_path[0] == "b"
"""
    world = World(remembered(rego))
    for path in ("/a", "/a", "/b", "/b"):
        world.ask(request(path=path))
    assert found(world) == {"allow": 0, "deny": 1, "miss": 3}
    assert world.service.decisions.passed_over["impure"] == 2


def test_time_to_live_is_apart_for_denials() -> None:
    world = World(remembered(ROLE, ttl=60.0, deny_ttl=5.0))
    both = (request(x_role="reader"), request(x_role="guest"))
    for message in both:
        world.ask(message)
    world.clock += 5.0
    for message in both:
        world.ask(message)
    assert found(world) == {"allow": 1, "deny": 0, "miss": 3}


def test_no_time_to_live_for_denials_is_none() -> None:
    world = World(remembered(ROLE, deny_ttl=0.0))
    for _ in range(2):
        world.ask(request(x_role="guest"))
    assert found(world)["miss"] == 2


def test_a_reload_forgets_everything() -> None:
    world = World(remembered(ROLE))
    world.ask(request(x_role="reader"))
    assert world.service.decisions.bytes > 0
    before = world.snapshot
    assert before is not None
    world.snapshot = Snapshot("another", before.policies, before.parts, ())

    world.ask(request(x_role="guest", path="/other"))
    world.ask(request(x_role="reader"))

    assert found(world) == {"allow": 0, "deny": 0, "miss": 3}


def test_what_an_older_snapshot_decided_is_not_kept_for_the_new_one() -> None:
    cache = DecisionCache()
    rules = of_rego(60.0, 60.0, ())
    cache.get("old", rules, 0, {}, 0.0)
    cache.get("new", rules, 0, {}, 0.0)
    cache.put("old", rules, 0, {}, (), Allow("rego"), True, 0.0, 60.0)
    assert cache.get("new", rules, 0, {}, 0.0) is None


# --- bounds ---


def test_denials_cannot_push_out_allowances() -> None:
    world = World(remembered(ROLE, ttl=3600.0, deny_ttl=3600.0))
    world.service.decisions = DecisionCache(allows=1 << 20, denials=1 << 20)
    world.ask(request(x_role="reader"))
    for number in range(10_000):
        world.ask(request(x_role=f"garbage {number}"))
    assert world.ask(request(x_role="reader"))[0].allowed
    assert found(world)["allow"] == 1
    assert world.service.decisions.bytes < 1 << 21


def test_memory_is_bounded_whatever_comes() -> None:
    bound = 1 << 20
    cache = DecisionCache(allows=bound, denials=bound)
    rules = of_rego(3600.0, 3600.0, (WHOLE,))
    cache.get("digest", rules, 0, {}, 0.0)
    r = random.Random(4)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(8_000):
            document = {
                "a": f"{number} {'x' * r.randrange(400)}",
                "b": [number + 1000, {"c": None}],
            }
            body = "y" * r.randrange(300)
            outcome = Allow("rego") if number % 2 else Deny("rego", body=body)
            cache.put("digest", rules, number, document, (0,), outcome, {"body": body}, 0.0, 9.0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * bound * 1.2
    assert cache.bytes <= 2 * bound


@pytest.mark.parametrize(
    "document",
    [
        {"a": "x" * 100_000},
        {"a": list(range(20_000))},
        {"a": {str(n): n for n in range(20_000)}},
    ],
    ids=["a long text", "a long array", "a large object"],
)
def test_large_keys_are_not_kept(document: dict[str, Any]) -> None:
    cache = DecisionCache()
    rules = of_rego(60.0, 60.0, (WHOLE,))
    assert cache.get("digest", rules, 0, document, 0.0) is None
    cache.put("digest", rules, 0, document, (0,), Allow("rego"), True, 0.0, 60.0)
    assert cache.get("digest", rules, 0, document, 0.0) is None
    assert cache.passed_over["large"] == 1


def test_a_deep_document_is_not_kept() -> None:
    document: Any = {}
    for _ in range(5_000):
        document = {"a": document}
    cache = DecisionCache()
    rules = of_rego(60.0, 60.0, (WHOLE,))
    cache.get("digest", rules, 0, document, 0.0)
    cache.put("digest", rules, 0, document, (0,), Allow("rego"), True, 0.0, 60.0)
    assert cache.get("digest", rules, 0, document, 0.0) is None


# --- an OPA server ---


def by_server(ignored: tuple[tuple[str, ...], ...]) -> CompiledAuth:
    block = auth(decider=ByOpa("shop/allow"))
    return dataclasses.replace(block, cache=of_server(60.0, 10.0, ignored))


async def test_an_opa_server_is_asked_once_for_the_same_document() -> None:
    engine = ScriptedEngine(True, later=True)
    ignored = (("attributes", "request", "time"), ("attributes", "request", "http", "id"))
    world = World(by_server(ignored), opa=lambda _: engine)
    for number in range(3):
        message = request(x_role="reader")
        message.attributes.request.http.id = str(number)
        message.attributes.request.time.seconds = number
        reply = world.check(message)
        assert Answered(reply if isinstance(reply, bytes) else await reply).allowed
    other = world.check(request(x_role="guest"))
    assert not isinstance(other, bytes)
    await other
    assert len(engine.documents) == 2
    assert "time" in engine.documents[0]["attributes"]["request"]
    assert found(world) == {"allow": 2, "deny": 0, "miss": 2}


async def test_many_at_once_ask_an_opa_server_once() -> None:
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    engine = ScriptedEngine(answer, later=True)
    world = World(by_server(()), opa=lambda _: engine)

    waiting = [asyncio.ensure_future(_later(world.check(request(ALICE)))) for _ in range(10)]
    other = asyncio.ensure_future(_later(world.check(request(token(claims(sub="bob"))))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(engine.documents) == 2, "one for each credential"
    waiting[0].cancel()
    answer.set_result(True)

    assert all(Answered(reply).allowed for reply in await asyncio.gather(*waiting[1:], other))
    assert world.service.flights.shared == 9
    assert len(world.service.flights) == 0


async def test_a_failure_is_nobody_elses() -> None:
    answers: list[object] = [PolicyFailed("opa_unavailable", "", True), *[True] * 3]
    engine = ScriptedEngine(later=True)

    async def later() -> object:
        await asyncio.sleep(0)
        return answers.pop(0)

    engine._later = later  # type: ignore[method-assign]
    world = World(by_server(()), opa=lambda _: engine)
    replies = await asyncio.gather(*[_later(world.check(request())) for _ in range(3)])
    assert [Answered(reply).allowed for reply in replies] == [False, True, True]
    assert len(engine.documents) == 3


async def _later(reply: Any) -> bytes:
    return reply if isinstance(reply, bytes) else await reply


def test_an_empty_message_is_no_reason_to_remember() -> None:
    world = World(remembered("p := true"))
    world.ask(external_auth_pb2.CheckRequest())
    assert found(world) == {"allow": 0, "deny": 0, "miss": 0}
