"""A small world for the service: one policy, an engine that answers as told, an observer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format

from callout.config.policies import Effective, Found, Mode, PolicyIndex, UnknownPolicy
from callout.config.snapshot import Snapshot
from callout.grpc.call import Call
from callout.http.path import STRICT, PathRules, canonical
from callout.observe.decision import Decision
from extauthz.compiled import Authenticated, ByOpa, ByRego, CompiledAuth, Decider
from extauthz.emit import AuthPart
from extauthz.identity import keys as jwk
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.identity.contract import Identifier
from extauthz.identity.jwt import JwtEntry, JwtRules
from extauthz.identity.keys import ALGORITHMS, KeySet
from extauthz.input import InputBuilder
from extauthz.service import AuthorizationService
from tests.extauthz.tokens import ISSUER, NOW, jwks
from tests.extauthz.tokens import jwk as as_jwk

HOST = "shop.example"


class ScriptedEngine:
    """Answers `answer`, or awaits it, and keeps what it was asked about, and until when."""

    def __init__(self, answer: object = True, *, later: bool = False) -> None:
        self.answer = answer
        self.later = later
        self.documents: list[dict[str, Any]] = []
        self.deadlines: list[float | None] = []

    def decide(self, document: dict[str, Any], deadline: float | None) -> Any:
        self.documents.append(document)
        self.deadlines.append(deadline)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self._later() if self.later else self.answer

    async def _later(self) -> object:
        if isinstance(self.answer, Awaitable):
            return await self.answer
        return self.answer


class NoKeys:
    """A key source that has nothing, or one set, at once or later."""

    def __init__(self, keys: KeySet | None = None, later: Awaitable[Any] | None = None) -> None:
        self.keys = keys
        self.later = later
        self.asked = 0

    def get(self, url: str, kid: str | None, now: float) -> Any:
        self.asked += 1
        return self.later if self.later is not None else self.keys

    def current(self, url: str, now: float) -> KeySet | None:
        return self.keys


class Recorder:
    """An observer that keeps what it is told."""

    def __init__(self, wants_text: bool = True) -> None:
        self.decisions: list[Decision] = []
        self._wants_text = wants_text

    def sample(self, *_: object) -> float:
        return 1.0

    def decided(self, decision: Decision) -> None:
        self.decisions.append(decision)

    @property
    def wants_text(self) -> bool:
        return self._wants_text


class OnePolicy:
    """A PolicyIndex of one policy for one host."""

    def __init__(self, effective: Effective | None, host: str = HOST) -> None:
        self.effective = effective
        self.host = host
        self.has_paths = False

    def find(self, host: str, raw_path: str, method: str, named: str | None = None) -> Found:
        effective: Effective | UnknownPolicy | None
        effective = self.effective if host == self.host else None
        if named is not None:
            same = self.effective is not None and named == self.effective.name
            effective = self.effective if same else UnknownPolicy(named)
        rules = effective.path_rules if isinstance(effective, Effective) else PathRules()
        return Found(effective, canonical(raw_path, method, rules))

    def choose(
        self, host: str, path: str, method: str, named: str | None = None
    ) -> Effective | UnknownPolicy | None:
        return self.find(host, path or "/", method or "GET", named).effective

    def names_paths(self, host: str) -> bool:
        return self.has_paths


def key_set(*names: str) -> KeySet:
    found = jwk.parse(jwks(*map(as_jwk, names)))
    assert isinstance(found, KeySet)
    return found


def jwt_entry(*keys: str, issuer: str = ISSUER, audience: str = "shop", url: str = "") -> JwtEntry:
    rules = JwtRules(issuer, frozenset({audience}), frozenset(ALGORITHMS))
    return JwtEntry(rules, None if url else key_set(*(keys or ("ec",))), url)


PART = AuthPart(("x-org", "x-role", "x-user"), ("org.id", "sub"))
"""Some policy of the bundle emits `x-role`; the one here does not."""


def auth(
    *entries: Identifier,
    decider: Decider | None = None,
    on_error: int | None = 503,
    emit: Mapping[str, str] | None = None,
    engine: Any = None,
) -> CompiledAuth:
    entries = entries or (jwt_entry(), AnonymousEntry())
    if decider is None:
        decider = ByRego(engine or ScriptedEngine(), InputBuilder())
    table = {"x-user": "sub", "x-org": "org.id"} if emit is None else emit
    return CompiledAuth(
        identity=entries,
        scope=f"scope of {[id(entry) for entry in entries]}",
        takes_tokens=any(isinstance(entry, JwtEntry) for entry in entries),
        decider=decider,
        emit=tuple(sorted(table.items())),
        on_error=on_error,
    )


AUTHENTICATED = Authenticated()
OPA = ByOpa("shop/allow")


class Answered:
    """A CheckResponse, taken apart."""

    def __init__(self, reply: bytes) -> None:
        message: Any = external_auth_pb2.CheckResponse.FromString(reply)
        self.allowed = message.status.code == 0
        assert message.status.code in (0, 7)
        assert message.WhichOneof("http_response") == (
            "ok_response" if self.allowed else "denied_response"
        )
        self.status = 0 if self.allowed else message.denied_response.status.code
        changed = message.ok_response if self.allowed else message.denied_response
        self.headers = {one.header.key: one.header.value for one in changed.headers}
        self.removed = sorted(message.ok_response.headers_to_remove)
        self.body = message.denied_response.body
        self.metadata: dict[str, Any] = json_format.MessageToDict(message.dynamic_metadata)
        assert len(self.metadata.pop("decision_id")) == 36


class World:
    """One service over one policy; `ask` gives the answer and the decision."""

    def __init__(
        self,
        block: CompiledAuth | None = None,
        *,
        mode: Mode = "enforce",
        keys: Any = None,
        opa: Callable[[str], Any] | None = None,
        rules: PathRules = STRICT,
        wants_text: bool = True,
    ) -> None:
        blocks = {"auth": block} if block is not None else {}
        effective = Effective(("base", "shop"), blocks, {"auth": mode}, rules)
        self.snapshot: Snapshot | None = Snapshot(
            "digest", cast(PolicyIndex, OnePolicy(effective)), {"auth": PART}, ()
        )
        self.observer = Recorder(wants_text)
        self.keys = keys or NoKeys()
        self.now = NOW
        self.clock = 100.0
        self.service = AuthorizationService(
            lambda: self.snapshot,
            self.observer,
            self.keys,
            opa,
            now=lambda: self.now,
            clock=lambda: self.clock,
        )

    def check(self, message: Any, deadline: float | None = None) -> bytes | Awaitable[bytes]:
        data = message if isinstance(message, bytes) else message.SerializeToString()
        return self.service.check(data, Call((), deadline, "test"))

    def ask(self, message: Any, deadline: float | None = None) -> tuple[Answered, Decision]:
        """Ask what needs no waiting."""
        before = len(self.observer.decisions)
        reply = self.check(message, deadline)
        assert isinstance(reply, bytes), "the answer should need no waiting"
        assert len(self.observer.decisions) == before + 1
        return Answered(reply), self.observer.decisions[-1]

    async def ask_later(
        self, message: Any, deadline: float | None = None
    ) -> tuple[Answered, Decision]:
        """Ask what needs waiting."""
        before = len(self.observer.decisions)
        reply = self.check(message, deadline)
        assert not isinstance(reply, bytes), "the answer should need waiting"
        answered = Answered(await reply)
        assert len(self.observer.decisions) == before + 1
        return answered, self.observer.decisions[-1]
