"""Check from bytes to bytes, with everything behind it but the network."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.problems import Problem
from callout.grpc.call import Call, Unary
from callout.http.path import PathRules
from callout.testing.requests import check_request
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from tests.extauthz.tokens import NOW, by_hand, claims, token
from tests.extauthz.world import (
    AUTHENTICATED,
    OPA,
    Answered,
    NoKeys,
    ScriptedEngine,
    World,
    auth,
    jwt_entry,
    key_set,
)

SPOOFED = {"x-user": "root", "x-org": "evil", "x-role": "admin"}


def request(bearer: str | None = None, path: str = "/", **more: Any) -> Any:
    headers = {**SPOOFED, **more.pop("headers", {})}
    if bearer is not None:
        headers["authorization"] = f"Bearer {bearer}"
    return check_request("GET", path, headers=headers, **more)


# --- who ---


def test_a_verified_caller_is_emitted_and_spoofed_headers_do_not_get_through() -> None:
    engine = ScriptedEngine(True)
    world = World(auth(engine=engine))

    answer, decision = world.ask(request(token(claims(org={"id": "acme"}))))

    assert answer.allowed
    assert answer.headers == {"x-user": "alice", "x-org": "acme"}
    assert answer.removed == ["x-role"]
    assert answer.metadata == {"policy": "shop", "id": '{"org.id":"acme","sub":"alice"}'}
    assert engine.documents[0]["identity"]["sub"] == "alice"
    assert decision[:7] == (
        "authz",
        "allow",
        "shop",
        "rego",
        "alice",
        "GET shop.example/",
        0.0,
    )


def test_an_anonymous_caller_is_emitted_as_nobody() -> None:
    engine = ScriptedEngine(True)
    world = World(auth(engine=engine))

    answer, decision = world.ask(request())

    assert answer.allowed
    assert answer.headers == {}
    assert answer.removed == ["x-org", "x-role", "x-user"]
    assert answer.metadata == {"policy": "shop"}
    assert engine.documents[0]["identity"] is None
    assert decision.who == "anonymous"


def test_a_claim_that_is_not_there_is_a_header_taken_off() -> None:
    answer, _ = World(auth()).ask(request(token()))

    assert answer.headers == {"x-user": "alice"}
    assert answer.removed == ["x-org", "x-role"]


BAD_TOKENS = {
    "expired": (token(claims(exp=int(NOW) - 3600)), "expired"),
    "signed by a stranger": (token(key="other-ec", kid="ec"), "signature"),
    "of an unknown issuer": (token(claims(iss="https://evil.example/")), "unknown_issuer"),
    "without issuer": (token(claims(iss=None)), "unknown_issuer"),
    "garbage": ("garbage", "token_malformed"),
    "empty": ("", "token_malformed"),
    "two at once": ("a,Bearer b", "duplicate_credential"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_credential_never_becomes_anonymous(name: str) -> None:
    text, reason = BAD_TOKENS[name]
    engine = ScriptedEngine(True)

    answer, decision = World(auth(engine=engine)).ask(request(text))

    assert (answer.allowed, answer.status) == (False, 401)
    assert answer.headers == {"www-authenticate": 'Bearer error="invalid_token"'}
    assert answer.body == ""
    assert (decision.verdict, decision.reason, decision.who) == ("deny", reason, "")
    assert engine.documents == []


def test_no_credential_is_refused_unless_anonymous_is_listed() -> None:
    answer, decision = World(auth(jwt_entry())).ask(request())

    assert (answer.allowed, answer.status) == (False, 401)
    assert answer.headers == {"www-authenticate": "Bearer"}
    assert decision.reason == "no_credential"


def test_the_first_entry_that_applies_decides_alone() -> None:
    """Same issuer, other audience: the second entry would accept what the first refuses."""
    world = World(auth(jwt_entry(audience="other"), jwt_entry(), AnonymousEntry()))

    assert world.ask(request(token()))[1].reason == "audience"
    # and a token that the second one has verified elsewhere is not taken from memory
    assert world.ask(request(token()))[1].reason == "audience"


def test_the_issuer_chooses_the_entry() -> None:
    other = jwt_entry("ed", issuer="https://partner.example/")
    world = World(auth(jwt_entry(), other))

    good = token(claims(iss="https://partner.example/"), key="ed")
    crossed = token(claims(iss="https://partner.example/"), key="ec")

    assert world.ask(request(good))[0].allowed
    assert world.ask(request(crossed))[1].reason == "unknown_key"


def test_a_policy_that_knows_no_tokens_leaves_them_to_the_upstream() -> None:
    engine = ScriptedEngine(True)

    answer, _ = World(auth(AnonymousEntry(), engine=engine)).ask(request("garbage"))

    assert answer.allowed
    assert engine.documents[0]["identity"] is None


def test_a_token_is_verified_once_and_ends_with_its_expiry() -> None:
    world = World(auth())
    good = request(token(claims(exp=int(NOW) + 100)))
    assert world.ask(good)[0].allowed
    assert len(world.service._tokens) == 1

    world.now = NOW + 99
    assert world.ask(good)[0].allowed
    world.now = NOW + 161
    assert world.ask(good)[1].reason == "expired"
    assert len(world.service._tokens) == 0


def test_a_refused_token_is_not_remembered() -> None:
    world = World(auth())
    for text, _ in BAD_TOKENS.values():
        world.ask(request(text))

    assert len(world.service._tokens) == 0


def test_a_claim_that_no_header_can_carry_is_our_failure() -> None:
    evil = request(token(claims(sub="alice\r\nx-role: admin")))

    answer, decision = World(auth()).ask(evil)
    assert (answer.allowed, answer.status) == (False, 503)
    assert (decision.verdict, decision.reason) == ("error", "emit_value")

    answer, _ = World(auth(on_error=None)).ask(evil)
    assert (answer.allowed, answer.status) == (False, 503)  # whoever sends it chose it
    assert answer.headers == {}
    assert "id" not in answer.metadata


# --- keys that must be fetched ---


URL = "https://idp.example/keys"


def test_known_keys_need_no_waiting() -> None:
    world = World(auth(jwt_entry(url=URL)), keys=NoKeys(key_set("ec")))

    once = request(token())

    assert world.ask(once)[0].allowed
    assert world.ask(once)[0].allowed
    assert world.keys.asked == 1  # the second time the token was remembered


async def test_a_fetch_of_keys_is_waited_for() -> None:
    fetched: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    fetched.set_result(key_set("ec"))
    world = World(auth(jwt_entry(url=URL)), keys=NoKeys(later=fetched))

    answer, decision = await world.ask_later(request(token()))

    assert answer.allowed
    assert answer.headers == {"x-user": "alice"}
    assert decision.who == "alice"


async def test_a_token_with_a_foreign_algorithm_causes_no_fetch() -> None:
    world = World(auth(jwt_entry(url=URL)))

    foreign = by_hand({"alg": "HS256", "kid": "new"}, claims(), b"x")

    assert world.ask(request(foreign))[0].status == 401
    assert world.keys.asked == 0


@pytest.mark.parametrize("on_error", [503, 500, None])
def test_keys_that_cannot_be_had_are_our_failure(on_error: int | None) -> None:
    engine = ScriptedEngine(True)
    world = World(auth(jwt_entry(url=URL), AnonymousEntry(), on_error=on_error, engine=engine))

    answer, decision = world.ask(request(token()))

    assert answer.status == (on_error or 0)
    assert answer.headers == {}
    assert "id" not in answer.metadata
    assert (decision.verdict, decision.reason) == ("error", "keys_unavailable")
    assert engine.documents == []
    if on_error is None:
        assert answer.removed == ["x-org", "x-role", "x-user"]


async def test_a_deadline_ends_the_wait_for_keys() -> None:
    never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    world = World(auth(jwt_entry(url=URL)), keys=NoKeys(later=never))

    answer, decision = await world.ask_later(request(token()), deadline=100.01)

    assert answer.status == 503
    assert (decision.verdict, decision.reason) == ("error", "deadline")


async def test_a_wait_for_a_key_id_that_the_client_made_up_is_not_our_failure() -> None:
    never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    block = auth(jwt_entry(url=URL), AnonymousEntry(), on_error=None)
    world = World(block, keys=NoKeys(key_set("ec"), later=never))

    answer, decision = await world.ask_later(request(token()), deadline=100.01)

    assert answer.status == 401
    assert (decision.verdict, decision.reason) == ("deny", "unknown_key")


# --- may they ---


def test_a_refusal_by_policy() -> None:
    engine = ScriptedEngine({"allowed": False, "http_status": 402, "body": "pay"})

    answer, decision = World(auth(engine=engine)).ask(request(token()))

    assert (answer.status, answer.body) == (402, "pay")
    assert answer.metadata == {"policy": "shop", "id": '{"sub":"alice"}'}
    assert (decision.verdict, decision.reason, decision.who) == ("deny", "rego", "alice")


NOT_DECIDED: dict[str, tuple[object, str]] = {
    "undefined": (UNDEFINED, "undefined"),
    "null": (None, "result_type"),
    "a number": (1, "result_type"),
    "no allowed": ({}, "result_allowed"),
    "failed": (PolicyFailed("rego_conflict", "..."), "rego_conflict"),
}
AWAY = PolicyFailed("opa_unavailable", "...", unanswered=True)


@pytest.mark.parametrize("name", NOT_DECIDED)
@pytest.mark.parametrize("on_error", [503, 500, None])
def test_what_is_no_decision_is_our_failure(name: str, on_error: int | None) -> None:
    given_, reason = NOT_DECIDED[name]
    world = World(auth(engine=ScriptedEngine(given_), on_error=on_error))

    answer, decision = world.ask(request(token()))

    # `onError: allow` is not for this: a client can make a policy fail
    assert answer.status == (on_error or 503)
    assert (decision.verdict, decision.reason) == ("error", reason)


@pytest.mark.parametrize("on_error", [503, 500, None])
def test_an_engine_that_is_away_is_our_failure(on_error: int | None) -> None:
    world = World(auth(engine=ScriptedEngine(AWAY), on_error=on_error))

    answer, decision = world.ask(request(token()))

    assert answer.status == (on_error or 0)
    assert (decision.verdict, decision.reason) == ("error", "opa_unavailable")
    if on_error is None:
        assert answer.headers == {"x-user": "alice"}


def test_an_exception_is_a_denial_whatever_the_policy_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = ValueError("Bearer abc.def.ghi")

    for on_error in (503, None):
        world = World(auth(engine=ScriptedEngine(secret), on_error=on_error))
        answer, decision = world.ask(request(token()))

        assert (answer.allowed, answer.status) == (False, 503)
        assert (decision.verdict, decision.reason) == ("error", "internal")
    out = capsys.readouterr()
    assert "ValueError" in out.out + out.err
    assert "abc.def.ghi" not in out.out + out.err


async def test_an_opa_server_is_waited_for() -> None:
    engine = ScriptedEngine({"allowed": True, "headers": {"x-a": "1"}}, later=True)
    asked: list[str] = []

    def opa(path: str) -> Any:
        asked.append(path)
        return engine

    world = World(auth(decider=OPA), opa=opa)

    for _ in range(2):
        answer, decision = await world.ask_later(request(token()))
        assert answer.allowed
        assert answer.headers == {"x-a": "1", "x-user": "alice"}
        assert decision.reason == "opa"
    assert asked == ["shop/allow"]


async def test_a_deadline_ends_the_wait_for_an_opa_server() -> None:
    never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    world = World(auth(decider=OPA), opa=lambda path: ScriptedEngine(never, later=True))

    answer, decision = await world.ask_later(request(token()), deadline=100.01)

    assert answer.status == 503
    assert (decision.verdict, decision.reason) == ("error", "deadline")


async def test_a_policy_that_lets_pass_on_error_is_obeyed_before_the_caller_gives_up() -> None:
    never: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    engine = ScriptedEngine(never, later=True)
    world = World(auth(decider=OPA, on_error=None), opa=lambda path: engine)

    answer, decision = await world.ask_later(request(token()), deadline=100.08)

    assert engine.deadlines == [pytest.approx(100.06)]
    assert answer.allowed
    assert (decision.verdict, decision.reason) == ("error", "deadline")


async def test_an_exception_while_waiting_is_a_denial() -> None:
    async def broken() -> object:
        raise RuntimeError("x")

    world = World(auth(decider=OPA), opa=lambda path: ScriptedEngine(broken(), later=True))
    answer, decision = await world.ask_later(request(token()))
    assert (answer.status, decision.reason) == (503, "internal")

    keys = NoKeys(later=broken())
    answer, decision = await World(auth(jwt_entry(url=URL)), keys=keys).ask_later(request(token()))
    assert (answer.status, decision.reason) == (503, "internal")


def test_an_opa_server_that_settings_do_not_name_is_our_failure() -> None:
    answer, decision = World(auth(decider=OPA)).ask(request(token()))

    assert answer.status == 503
    assert (decision.verdict, decision.reason) == ("error", "opa_not_configured")


def test_authenticated_means_authenticated() -> None:
    world = World(auth(decider=AUTHENTICATED))

    assert world.ask(request(token()))[0].headers == {"x-user": "alice"}
    answer, decision = world.ask(request())
    assert (answer.status, decision.reason) == (401, "not_authenticated")


@pytest.mark.parametrize("on_error", [503, None])
def test_a_deadline_that_has_passed_is_our_failure(on_error: int | None) -> None:
    engine = ScriptedEngine(True)
    world = World(auth(engine=engine, on_error=on_error))

    answer, decision = world.ask(request(token()), deadline=100.0)

    assert answer.status == (on_error or 0)
    assert (decision.verdict, decision.reason) == ("error", "deadline")
    assert answer.headers == {}
    assert engine.documents == []


# --- what a policy may change ---


def test_a_policy_cannot_say_who_the_caller_is() -> None:
    """Neither by a header that another policy emits, nor by taking ours off, nor in metadata."""
    engine = ScriptedEngine(
        {
            "allowed": True,
            "headers": {"X-User": "root", "x-role": "admin", "x-mine": "1"},
            "request_headers_to_remove": ["x-org", "X-User", "x-other"],
            "dynamic_metadata": {"id": "root", "policy": "other", "mine": "1"},
        }
    )

    answer, _ = World(auth(engine=engine)).ask(request(token(claims(org={"id": "acme"}))))

    assert answer.headers == {"x-user": "alice", "x-org": "acme", "x-mine": "1"}
    assert answer.removed == ["x-other", "x-role"]
    assert answer.metadata == {
        "policy": "shop",
        "id": '{"org.id":"acme","sub":"alice"}',
        "mine": "1",
    }


# --- modes ---


def test_off_evaluates_nothing_and_still_removes_identity_headers() -> None:
    engine = ScriptedEngine(False)

    answer, decision = World(auth(engine=engine), mode="off").ask(request("garbage"))

    assert answer.allowed
    assert answer.headers == {}
    assert answer.removed == ["x-org", "x-role", "x-user"]
    assert (decision.verdict, decision.reason, decision.shadow) == ("allow", "off", False)
    assert engine.documents == []


def test_shadow_lets_pass_what_it_would_refuse_and_says_so() -> None:
    engine = ScriptedEngine({"allowed": False, "headers": {"x-a": "1"}, "body": "no"})

    answer, decision = World(auth(engine=engine), mode="shadow").ask(request(token()))

    assert answer.allowed
    assert answer.headers == {"x-user": "alice"}
    assert answer.removed == ["x-org", "x-role"]
    assert (decision.verdict, decision.reason, decision.shadow) == ("deny", "rego", True)


def test_shadow_does_not_apply_the_changes_of_an_allowance() -> None:
    engine = ScriptedEngine(
        {"allowed": True, "headers": {"x-a": "1"}, "request_headers_to_remove": ["x-b"]}
    )

    answer, decision = World(auth(engine=engine), mode="shadow").ask(request(token()))

    assert answer.headers == {"x-user": "alice"}
    assert answer.removed == ["x-org", "x-role"]
    assert (decision.verdict, decision.shadow) == ("allow", False)


def test_shadow_emits_nothing_of_a_bad_credential() -> None:
    answer, decision = World(auth(), mode="shadow").ask(request(token(key="other-ec", kid="ec")))

    assert answer.allowed
    assert answer.headers == {}
    assert answer.removed == ["x-org", "x-role", "x-user"]
    assert "id" not in answer.metadata
    assert (decision.verdict, decision.reason, decision.shadow) == ("deny", "signature", True)


def test_shadow_lets_pass_where_we_fail() -> None:
    world = World(auth(engine=ScriptedEngine(UNDEFINED)), mode="shadow")

    answer, decision = world.ask(request())

    assert answer.allowed
    assert (decision.verdict, decision.reason, decision.shadow) == ("error", "undefined", True)


# --- which policy ---


def test_no_policy_is_a_denial() -> None:
    answer, decision = World(auth()).ask(check_request(host="other.example"))
    assert (answer.status, decision.reason, decision.policy) == (403, "no_policy", "")

    answer, decision = World(None).ask(check_request())
    assert (answer.status, decision.reason, decision.policy) == (403, "no_policy", "shop")


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
def test_policies_that_make_no_valid_policy_together_deny_in_any_mode(mode: Any) -> None:
    world = World(auth(), mode=mode)
    assert world.snapshot is not None
    index: Any = world.snapshot.policies
    index.effective.invalid = (Problem("shop.yaml", 1, 1, "auth", "expected"),)

    answer, decision = world.ask(request(token()))

    assert (answer.status, decision.verdict, decision.reason) == (503, "error", "policy_invalid")


def test_a_route_can_name_the_policy_but_not_an_unknown_one() -> None:
    world = World(auth())

    def named(name: str) -> Any:
        return check_request(host="other.example", context_extensions={"policy": name})

    assert world.ask(named("shop"))[0].allowed
    for name in ("nope", ""):
        answer, decision = world.ask(named(name))
        assert (answer.status, decision.reason) == (403, "unknown_policy")


PATHS = {
    "/../admin": "above_root",
    "/a/../admin": "dot_segments",
    "/a/%2e%2e/admin": "dot_segments",
    "/a%2Fb": "encoded_slash",
    "/a\\b": "backslash",
    "/%zz": "bad_escape",
    "/%00": "encoded_null",
    "admin": "not_absolute",
    "": "not_absolute",
    "/a#b": "fragment",
    "/" + "a" * 10_000_000: "too_long",
    "/?" + "a" * 3_000_000: "query_too_long",
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:20] or "empty")
@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
def test_a_path_without_certain_meaning_is_refused_in_any_mode(path: str, mode: Any) -> None:
    answer, decision = World(auth(), mode=mode).ask(check_request(path=path))

    assert (answer.allowed, answer.status) == (False, 400)
    assert answer.body == f"bad request: {PATHS[path]}\n"
    assert (decision.verdict, decision.reason) == ("deny", PATHS[path])
    assert len(decision.what) <= 200


def test_a_policy_can_allow_one_kind_of_path() -> None:
    engine = ScriptedEngine(True)
    rules = PathRules(allow=frozenset({"encodedSlash"}))

    answer, _ = World(auth(engine=engine), rules=rules).ask(check_request(path="/a%2fb"))

    assert answer.allowed
    assert engine.documents[0]["path"] == "/a%2Fb"
    assert engine.documents[0]["parsed_path"] == ["a", "b"]


def test_a_bad_query_is_a_bad_request() -> None:
    engine = ScriptedEngine(True)

    answer, decision = World(auth(engine=engine)).ask(check_request(path="/?a;b"))

    assert (answer.status, decision.reason) == (400, "query")
    assert engine.documents == []


# --- bad input and broken parts ---


def test_before_there_is_a_snapshot_everything_is_denied() -> None:
    world = World(auth())
    world.snapshot = None

    answer, decision = world.ask(request(token()))

    assert (answer.status, decision.verdict, decision.reason) == (503, "error", "not_ready")


def test_what_is_no_check_request_is_denied() -> None:
    for data in (b"\xff", request().SerializeToString()[:-1]):
        answer, decision = World(auth(), mode="off").ask(data)
        assert (answer.status, decision.reason) == (400, "malformed")


def test_headers_by_the_hundred_are_read_and_by_the_thousand_refused() -> None:
    headers = {f"x-{number}": "v" * 100 for number in range(5000)}

    few = dict(list(headers.items())[:900])
    assert World(auth()).ask(request(headers=few))[0].allowed
    answer, decision = World(auth()).ask(request(headers=headers))
    assert (answer.status, decision.reason) == (431, "too_many_headers")


def test_a_snapshot_without_our_part_denies() -> None:
    world = World(auth())
    assert world.snapshot is not None
    object.__setattr__(world.snapshot, "parts", {})

    assert world.ask(request())[0].status == 503


def test_request_text_is_only_given_to_who_wants_it() -> None:
    world = World(auth(), wants_text=False)

    _, decision = world.ask(request(token(), path="/secret?token=x"))
    assert (decision.who, decision.what, decision.detail) == ("", "", "")

    world = World(auth())
    _, decision = world.ask(request(token(), path="/secret?token=x"))
    assert (decision.who, decision.what) == ("alice", "GET shop.example/secret")


def test_each_decision_has_its_own_id() -> None:
    world = World(auth())
    replies = [world.check(request()) for _ in range(3)]

    found = {
        external_auth_pb2.CheckResponse.FromString(reply)
        .dynamic_metadata.fields["decision_id"]
        .string_value
        for reply in replies
    }

    assert len(found) == 3


def test_the_face_is_envoys_service() -> None:
    face = World(auth()).service.face()

    assert (face.name, face.service) == ("authz", "envoy.service.auth.v3.Authorization")
    assert [method.path for method in face.methods] == [
        "/envoy.service.auth.v3.Authorization/Check"
    ]
    assert isinstance(face.methods[0], Unary)


TEXT = st.text(max_size=30) | st.sampled_from(
    [
        "Bearer",
        "Bearer ",
        f"Bearer {token()}",
        "/",
        "/a/..",
        "shop.example",
        "\r\n",
        "application/json",
    ]
)


@st.composite
def requests(draw: Any) -> Any:
    message = external_auth_pb2.CheckRequest()
    http = message.attributes.request.http
    http.method = draw(st.sampled_from(["GET", "OPTIONS", "", "get", "\0"]))
    http.path = draw(TEXT)
    http.host = draw(st.sampled_from(["shop.example", "SHOP.example.:80", "[::1]:80", "", "a"]))
    names = st.sampled_from(
        ["authorization", "content-type", "content-length", "x-user", "cookie", ":path"]
    )
    for name, value in draw(st.lists(st.tuples(names | TEXT, TEXT), max_size=5)):
        if draw(st.booleans()):
            http.headers[name] = value
        else:
            http.header_map.headers.add(key=name, raw_value=value.encode())
    http.raw_body = draw(st.binary(max_size=20))
    if draw(st.booleans()):
        message.attributes.context_extensions["policy"] = draw(st.sampled_from(["shop", "", "x"]))
    return message


WORLDS = {
    name: World(auth(jwt_entry(), engine=ScriptedEngine(answer)))
    for name, answer in {"false": False, "undefined": UNDEFINED, "nothing": None}.items()
}


@settings(max_examples=200, deadline=None)
@given(requests(), st.sampled_from(sorted(WORLDS)), st.integers(min_value=0), st.binary(max_size=2))
def test_no_request_is_allowed_by_accident(
    message: Any, name: str, place: int, junk: bytes
) -> None:
    world = WORLDS[name]
    data: bytes = message.SerializeToString()

    assert not world.ask(data)[0].allowed
    place %= len(data) + 1
    assert not world.ask(data[:place] + junk + data[place + 1 :])[0].allowed


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_are_allowed_by_accident(data: bytes) -> None:
    reply = WORLDS["false"].service.check(data, Call((), None, ""))

    assert isinstance(reply, bytes)
    assert not Answered(reply).allowed


# --- compat: opa-envoy ---

SAID = {"policy": "p", "id": "root", "mine": True}


def compat(answer: object, **setup: Any) -> Answered:
    block = replace(auth(AnonymousEntry(), engine=ScriptedEngine(answer)), compat=True)
    return World(block, **setup).ask(request())[0]


@pytest.mark.parametrize("allowed", [True, False])
def test_under_compat_policy_and_id_stay_ours_where_somebody_believes_them(allowed: bool) -> None:
    found = compat({"allowed": allowed, "dynamic_metadata": SAID})

    assert found.metadata == {"policy": "shop", "mine": True}


def test_under_compat_shadow_is_the_plugins_dry_run() -> None:
    changed = compat({"allowed": True, "headers": {"x-a": "1"}}, mode="shadow")
    passed = compat({"allowed": False, "dynamic_metadata": {"why": "x"}}, mode="shadow")
    undecided = compat(UNDEFINED, mode="shadow")

    assert (changed.allowed, changed.headers["x-a"]) == (True, "1")
    assert (passed.allowed, passed.metadata["why"]) == (True, "x")
    assert (undecided.allowed, undecided.status) == (False, 503)
