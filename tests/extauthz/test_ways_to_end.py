"""All ways in which a Check can end, and what Envoy is told at each: nothing passes by accident.

The ways are found in the code: each outcome, refusal or failure that is made anywhere below
`AuthorizationService.check` names its reason. One without a row here fails, and so does a row that
is nowhere in the code.
"""

import ast
import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from callout.config.policies import Mode
from callout.config.problems import Problem
from callout.http.path import _FORBIDDEN_REASONS
from callout.observe.decision import Decision, Verdict
from callout.testing.requests import check_request
from extauthz import service
from extauthz.answer import respond
from extauthz.bodies.contract import BodyRules
from extauthz.compiled import ByRego
from extauthz.decide import overdue
from extauthz.identity import jwt
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.identity.contract import BadCredential, IdentityFailed
from extauthz.input import InputBuilder, InputRules
from extauthz.outcome import Allow, Deny, Failed
from extauthz.policy import budget
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from tests.extauthz.tokens import claims, token
from tests.extauthz.world import (
    AUTHENTICATED,
    OPA,
    Answered,
    ScriptedEngine,
    World,
    auth,
    jwt_entry,
)

ROOT = Path(__file__).resolve().parents[2]

# --- the ways, as the code has them ---

MADE: Final = {
    "Allow": "allow",
    "BadCredential": "deny",
    "BadInput": "deny",
    "Deny": "deny",
    "Failed": "error",
    "IdentityFailed": "error",
    "PolicyFailed": "error",
    "RefusedPath": "deny",
    "RegoError": "error",
    "Unreadable": "deny",
    "_Wrong": "error",
}
"""What is made at the end of a way, and what it means: allowed, refused, or we could not decide."""

HANDED_ON: Final = frozenset(
    {
        "allow.reason",
        "answer.reason",
        "error.reason",
        "found.reason",
        "outcome.reason",
        "reason",
        "sent.reason",
        "str(wrong)",
        "unreadable.reason",
    }
)
"""Reasons that somebody else gave, who is found himself."""


def _written(file: str) -> set[str]:
    return set(re.findall(r'\(answer, "([a-z_]+)"', (ROOT / "extauthz" / file).read_text()))


def _claims() -> set[str]:
    tree = ast.parse(Path(jwt.__file__).read_text())
    (function,) = (node for node in ast.walk(tree) if getattr(node, "name", "") == "_wrong_claim")
    returns = (node.value for node in ast.walk(function) if isinstance(node, ast.Return))
    texts = (node.value for node in returns if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and text}


CHOSEN: Final[dict[tuple[str, str], set[str]]] = {
    ("path.py", "reason"): {*_FORBIDDEN_REASONS.values(), "bad_character"},
    ("result.py", "reason"): {"rego", "opa"},
    ("result.py", "f'result_{field}'"): {f"result_{name}" for name in _written("result.py")},
    ("jwt.py", "wrong"): _claims(),
    ("bind.py", "REASON"): {budget.REASON},
    ("budget.py", "REASON"): {budget.REASON},
}
"""Reasons that are one of several, by the file and the expression."""


def found() -> Iterator[tuple[str, str]]:
    """Each way: what it means, and the reason."""
    for file in sorted([*(ROOT / "extauthz").rglob("*.py"), ROOT / "callout/http/path.py"]):
        if "decision_logs" in file.parts or "opa" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            meaning = MADE.get(node.func.id)
            if meaning is None or not node.args:
                continue
            reason = node.args[0]
            text = ast.unparse(reason)
            if isinstance(reason, ast.Constant):
                yield meaning, str(reason.value)
            elif (file.name, text) in CHOSEN:
                yield from ((meaning, each) for each in CHOSEN[file.name, text])
            else:
                assert text in HANDED_ON, f"{file}: where does {text} come from?"


# --- the rows ---


class Setup(NamedTuple):
    """What the operator wrote."""

    mode: Mode = "enforce"
    on_error: int | None = 503


Asked = tuple[Answered, Decision]


@dataclass(frozen=True)
class Way:
    """One way to end."""

    status: int
    """HTTP, under `mode: enforce` and `onError: deny(503)`; 0: allowed."""
    ask: Callable[[Setup], Asked]
    verdict: Verdict = "deny"
    before: bool = False
    """It ends before a policy's `auth` can speak: neither `shadow` nor `onError` lets it pass."""
    unanswered: bool = False
    """Somebody did not answer: `onError: allow` lets it pass."""


def ask(setup: Setup, message: Any = None, *entries: Any, **more: Any) -> Asked:
    block = auth(*(entries or (AnonymousEntry(),)), on_error=setup.on_error, **more)
    return World(block, mode=setup.mode).ask(check_request() if message is None else message)


def answers(status: int, answer: Any, verdict: Verdict, **more: Any) -> Way:
    """The policy's engine gives `answer`."""
    return Way(status, lambda setup: ask(setup, engine=ScriptedEngine(answer)), verdict, **more)


def fails(reason: str, unanswered: bool = False) -> Way:
    """The engine says that it failed; where each comes from is tested beside the engines."""
    return answers(503, PolicyFailed(reason, "", unanswered), "error", unanswered=unanswered)


def result(**fields: Any) -> Way:
    return answers(503, {"allowed": True, **fields}, "error")


def denial(**fields: Any) -> Way:
    return answers(503, {"allowed": False, **fields}, "error")


class _Says:
    """An entry that applies, and finds this."""

    def __init__(self, finds: Any) -> None:
        self.finds = finds

    def applies(self, token: Any) -> bool:
        return True

    def identify(self, token: Any, keys: Any, now: float) -> Any:
        return self.finds

    def overdue(self, keys: Any, now: float) -> Any:
        return self.finds


def proves_nothing(reason: str) -> Way:
    """An entry says so; where each comes from is tested beside the entries."""
    return Way(401, lambda setup: ask(setup, None, _Says(BadCredential(reason))))


def asks(status: int, message: Any, **more: Any) -> Way:
    return Way(status, lambda setup: ask(setup, message), **more)


def path(raw: str, **more: Any) -> Way:
    return asks(400, check_request(path=raw), before=True, **more)


def body(status: int, text: str, header: str = "accept", value: str = "*/*") -> Way:
    """A policy that reads bodies, and denies with 413 one that is not all there."""
    builder = InputBuilder(rules=InputRules(body=BodyRules(over=413)))
    message = check_request(headers={"content-type": "application/json", header: value}, body=text)
    decider = ByRego(ScriptedEngine(True), builder)
    return Way(status, lambda setup: ask(setup, message, decider=decider))


def world(change: Callable[[World], None], block: bool = True, **more: Any) -> Any:
    """A way that needs another world; `change` makes it."""

    def asked(setup: Setup) -> Asked:
        made = World(
            auth(AnonymousEntry(), on_error=setup.on_error) if block else None,
            mode=setup.mode,
            **more,
        )
        change(made)
        return made.ask(check_request())

    return asked


def by_opa(answer: Any) -> Any:
    def asked(setup: Setup) -> Asked:
        block = auth(AnonymousEntry(), on_error=setup.on_error, decider=OPA)
        made = World(block, mode=setup.mode, opa=lambda _: ScriptedEngine(answer))
        return made.ask(check_request())

    return asked


def _invalid(made: World) -> None:
    assert made.snapshot is not None
    wrong = (Problem("shop.yaml", 1, 1, "auth", "expected"),)
    cast(Any, made.snapshot.policies).effective.invalid = wrong


def _no_snapshot(made: World) -> None:
    made.snapshot = None


class _FullLog:
    full = True


def _full_log(made: World) -> None:
    made.service._log = cast(Any, _FullLog())


def _overloaded(verdict: Literal["deny", "allow"]) -> Callable[[Setup], Asked]:
    def asked(setup: Setup) -> Asked:
        del setup
        (method,) = World(auth()).service.face(verdict).methods
        decided = Decision("authz", verdict, "", "overload", "", "", 0.0)
        return Answered(cast(Any, method).overloaded), decided

    return asked


def _unsafe(setup: Setup) -> Asked:
    del setup
    reply = respond(Allow("rego", ((":path", "/hijack"),)), "shop", "", "0" * 36)
    return Answered(reply), Decision("authz", "deny", "", "unsafe_answer", "", "", 0.0)


def _late(setup: Setup) -> Asked:
    made = World(auth(AnonymousEntry(), on_error=setup.on_error), mode=setup.mode)
    return made.ask(check_request(), deadline=made.clock - 1)


def _number(value: float) -> Any:
    message = check_request()
    message.attributes.metadata_context.filter_metadata["a"]["b"] = value
    return message


def _bearer(text: str) -> Any:
    return check_request(headers={"authorization": f"Bearer {text}"})


DEEP: Any = 1
for _ in range(40):
    DEEP = [DEEP]

WAYS: Final[dict[tuple[str, str], Way]] = {
    # allowed
    ("allow", "authenticated"): Way(
        0, lambda setup: ask(setup, _bearer(token()), jwt_entry(), decider=AUTHENTICATED), "allow"
    ),
    ("allow", "off"): Way(0, lambda setup: ask(setup._replace(mode="off")), "allow"),
    ("allow", "opa"): Way(0, by_opa(True), "allow"),
    ("allow", "overload"): Way(0, _overloaded("allow"), "allow"),
    ("allow", "rego"): answers(0, True, "allow"),
    # refused before a policy's auth
    ("deny", "malformed"): asks(400, b"\xff", before=True),
    ("deny", "too_many_headers"): asks(
        431, check_request(headers={f"x-{number}": "" for number in range(1001)}), before=True
    ),
    ("deny", "not_ready"): Way(503, world(_no_snapshot), "error", before=True),
    ("deny", "decision_log_full"): Way(503, world(_full_log), "error", before=True),
    ("deny", "internal"): answers(503, RuntimeError("a bug"), "error", before=True),
    ("deny", "overload"): Way(503, _overloaded("deny"), before=True),
    ("deny", "unsafe_answer"): Way(500, _unsafe, before=True),
    ("deny", "no_policy"): Way(403, world(lambda _: None, block=False), before=True),
    ("deny", "unknown_policy"): asks(
        403, check_request(context_extensions={"policy": "nobody"}), before=True
    ),
    ("deny", "policy_invalid"): Way(503, world(_invalid), "error", before=True),
    ("deny", "above_root"): path("/.."),
    ("deny", "backslash"): path("/a\\b"),
    ("deny", "bad_character"): path("/a b"),
    ("deny", "bad_escape"): path("/%zz"),
    ("deny", "dot_segments"): path("/a/../b"),
    ("deny", "encoded_backslash"): path("/%5c"),
    ("deny", "encoded_null"): path("/%00"),
    ("deny", "encoded_slash"): path("/%2F"),
    ("deny", "fragment"): path("/a#b"),
    ("deny", "not_absolute"): path("a"),
    ("deny", "not_utf8"): path("/%FF"),
    ("deny", "query_too_long"): path("/?" + "a" * 65537),
    ("deny", "too_long"): path("/" + "a" * 100_000),
    # refused: of such a request there is no document
    ("deny", "query"): asks(400, check_request(path="/?a;b")),
    ("deny", "path_escape"): Way(
        400,
        lambda setup: World(
            replace(
                auth(
                    AnonymousEntry(),
                    on_error=setup.on_error,
                    decider=ByRego(ScriptedEngine(), InputBuilder(rules=InputRules(compat=True))),
                ),
                compat=True,
            ),
            mode=setup.mode,
        ).ask(check_request(path="/%zz")),
        before=True,
    ),
    ("deny", "body"): body(400, "{"),
    ("deny", "content_length"): body(400, "{}", "content-length", "x"),
    ("deny", "body_incomplete"): body(413, "{}", "x-envoy-auth-partial-body", "true"),
    ("deny", "attributes"): asks(400, _number(float("nan"))),
    # refused: the caller
    ("deny", "no_credential"): Way(401, lambda setup: ask(setup, None, jwt_entry())),
    ("deny", "not_authenticated"): Way(401, lambda setup: ask(setup, decider=AUTHENTICATED)),
    **{
        ("deny", reason): proves_nothing(reason)
        for reason in (
            "algorithm",
            "audience",
            "claims",
            "critical",
            "duplicate_credential",
            "expired",
            "issuer",
            "no_expiry",
            "not_yet_valid",
            "signature",
            "token_malformed",
            "token_too_large",
            "unknown_issuer",
            "unknown_key",
        )
    },
    # refused: the policy
    ("deny", "rego"): answers(403, False, "deny"),
    ("deny", "opa"): Way(403, by_opa(False)),
    # we could not decide, and nobody else is to blame
    ("error", "undefined"): answers(503, UNDEFINED, "error"),
    ("error", "result_type"): answers(503, 1, "error"),
    ("error", "result_allowed"): answers(503, {"allowed": 1}, "error"),
    ("error", "result_body"): denial(body=1),
    ("error", "result_dynamic_metadata"): result(dynamic_metadata=DEEP),
    ("error", "result_headers"): result(headers={"x-a": 1}),
    ("error", "result_http_status"): denial(http_status=999),
    ("error", "result_query_parameters_to_remove"): result(query_parameters_to_remove="a"),
    ("error", "result_query_parameters_to_set"): result(query_parameters_to_set="a"),
    ("error", "result_request_headers_to_remove"): result(request_headers_to_remove="a"),
    ("error", "result_response_headers_to_add"): result(response_headers_to_add="a"),
    ("error", "emit_value"): Way(
        503,
        lambda setup: ask(setup, _bearer(token(claims(sub="a\nb"))), jwt_entry()),
        "error",
    ),
    ("error", "opa_not_configured"): Way(503, lambda setup: ask(setup, decider=OPA), "error"),
    **{
        ("error", reason): fails(reason)
        for reason in (
            "budget",
            "opa_error",
            "rego_builtin",
            "rego_conflict",
            "rego_internal",
            "rego_number",
            "rego_range",
            "rego_too_deep",
        )
    },
    # somebody did not answer
    ("error", "opa_unavailable"): fails("opa_unavailable", unanswered=True),
    ("error", "opa_overloaded"): fails("opa_overloaded", unanswered=True),
    ("error", "rego_overloaded"): fails("rego_overloaded", unanswered=True),
    ("error", "deadline"): Way(503, _late, "error", unanswered=True),
    ("error", "keys_unavailable"): Way(
        503,
        lambda setup: ask(setup, None, _Says(IdentityFailed("keys_unavailable"))),
        "error",
        unanswered=True,
    ),
}


def name(way: tuple[str, str]) -> str:
    return " ".join(way)


def test_every_way_that_the_code_has_is_a_row() -> None:
    ways = set(found())

    assert ways - set(WAYS) == set(), "a new way to end needs a row"
    assert set(WAYS) - ways == set(), "a row for what cannot happen"
    assert len(WAYS) == 78


@pytest.mark.parametrize("way", WAYS, ids=name)
def test_each_way_ends_with_its_status(way: tuple[str, str]) -> None:
    row = WAYS[way]

    answer, decision = row.ask(Setup())

    assert (answer.allowed, answer.status) == (row.status == 0, row.status)
    assert (decision.reason, decision.verdict) == (way[1], row.verdict)


@pytest.mark.parametrize("way", WAYS, ids=name)
def test_on_error_allow_lets_pass_only_where_somebody_did_not_answer(
    way: tuple[str, str],
) -> None:
    row = WAYS[way]

    answer, decision = row.ask(Setup(on_error=None))

    assert answer.allowed == (row.status == 0 or row.unanswered)
    assert decision.verdict == row.verdict


@pytest.mark.parametrize("way", WAYS, ids=name)
def test_shadow_lets_pass_what_a_policy_refuses_and_nothing_else(way: tuple[str, str]) -> None:
    row = WAYS[way]

    answer, decision = row.ask(Setup(mode="shadow"))

    assert answer.allowed == (not row.before)
    assert decision.verdict == row.verdict


def test_the_outcomes_are_the_three_that_are_walked() -> None:
    from extauthz import outcome

    assert outcome.Outcome == Allow | Deny | Failed


def test_a_wait_that_is_too_long_is_our_failure() -> None:
    block = auth(_Says(IdentityFailed("deadline")))

    assert overdue(block, None, cast(Any, None), 0.0) == IdentityFailed("deadline")
    assert overdue(auth(jwt_entry()), None, cast(Any, None), 0.0) == IdentityFailed("deadline")


class _Broken:
    """An observer, or a decision log, with a bug."""

    full = False
    wants_text = False

    def decided(self, *_: Any) -> None:
        raise RuntimeError("a bug")

    record = decided


@pytest.mark.parametrize("whose", ["_observer", "_log"])
@pytest.mark.parametrize("answer", [True, False, UNDEFINED, RuntimeError("another")], ids=repr)
def test_when_whoever_is_told_of_decisions_breaks_it_is_a_denial(whose: str, answer: Any) -> None:
    """An exception would become a gRPC error, which `failure_mode_allow` lets through."""
    for later in (False, True):
        made = World(auth(AnonymousEntry(), engine=ScriptedEngine(answer, later=later)))
        setattr(made.service, whose, _Broken())

        reply = made.check(check_request())

        if not isinstance(reply, bytes):
            reply = asyncio.run(_awaited(reply))
        assert Answered(reply).status == 503


async def _awaited(reply: Any) -> bytes:
    data: bytes = await reply
    return data


SETUPS: Final = (Setup(), Setup(on_error=None), Setup("shadow"))


@pytest.fixture(scope="module")
def all_sent() -> list[tuple[Allow | Deny, bytes]]:
    """Whatever is answered on any way, under any setup: the outcome, and its bytes."""
    sent: list[tuple[Allow | Deny, bytes]] = []

    def recording(outcome: Allow | Deny, *rest: str) -> bytes:
        reply = respond(outcome, *rest)
        sent.append((outcome, reply))
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "respond", recording)
        for row in WAYS.values():
            for setup in SETUPS:
                row.ask(setup)
    return sent


def is_let_through(message: Any) -> bool:
    """Envoy looks at this, and at nothing else (extauthz.md 5.1 and 5.2)."""
    return bool(message.status.code == 0)


def test_no_answer_is_empty_and_only_an_allowance_is_let_through(
    all_sent: list[tuple[Allow | Deny, bytes]],
) -> None:
    assert len(all_sent) > len(WAYS)
    for outcome, reply in all_sent:
        assert reply
        message = external_auth_pb2.CheckResponse.FromString(reply)
        assert is_let_through(message) == (type(outcome) is Allow)


_DEFAULTS: Final[tuple[Any, ...]] = ("", 0, (), None, False, {})


def test_no_field_of_an_outcome_at_its_default_makes_a_denial_an_allowance(
    all_sent: list[tuple[Allow | Deny, bytes]],
) -> None:
    tried = 0
    for outcome in {repr(each): each for each, _ in all_sent if type(each) is Deny}.values():
        for field in Deny._fields:
            for default in _DEFAULTS:
                changed: Any = cast(Any, outcome)._replace(**{field: default})
                try:
                    reply = respond(changed, "shop", "", "0" * 36)
                except (TypeError, AttributeError):
                    continue  # no answer: the service makes a denial of that
                tried += 1
                assert not is_let_through(external_auth_pb2.CheckResponse.FromString(reply))
    assert tried > 500


def test_no_field_of_a_message_but_the_status_makes_a_denial_an_allowance(
    all_sent: list[tuple[Allow | Deny, bytes]],
) -> None:
    """The status is all that Envoy reads: so it is set first, in one place, and is never OK there
    before everything else has been looked at."""
    cleared = set()
    for reply in {reply for outcome, reply in all_sent if type(outcome) is Deny}:
        whole = external_auth_pb2.CheckResponse.FromString(reply)
        for steps in list(_fields(whole)):
            changed = external_auth_pb2.CheckResponse.FromString(reply)
            inside: Any = changed
            for step in steps[:-1]:
                inside = getattr(inside, step)
            inside.ClearField(steps[-1])
            cleared.add(steps)
            assert is_let_through(changed) == (steps in (("status",), ("status", "code")))
    assert ("denied_response", "status", "code") in cleared
    assert len(cleared) >= 8


def _fields(message: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field, value in message.ListFields():
        yield (*above, field.name)
        if field.message_type is not None and not field.is_repeated:
            yield from _fields(value, (*above, field.name))
