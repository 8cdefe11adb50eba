"""One decision by the very service that `serve` runs, with all that is known of it afterwards."""

import time
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, NamedTuple

from callout.config.snapshot import Snapshot
from callout.grpc.call import Call
from callout.observe.decision import Decision
from extauthz import decide
from extauthz.answer import respond
from extauthz.compiled import Authenticated, ByOpa
from extauthz.decide import Chosen
from extauthz.decision_logs.recorder import NOTHING, Record, Recorder
from extauthz.emit import AuthPart
from extauthz.identity.contract import Found, Identity, KeySource, NotPresent
from extauthz.outcome import Allow, Failed
from extauthz.policy.engine import Engine
from extauthz.result import outcome_of
from extauthz.service import AuthorizationService, _Work

_ID = "0" * 36
"""Of a decision that nobody looks up."""


class Evaluation(NamedTuple):
    """A decision, and what it was made of."""

    reply: bytes
    """The CheckResponse."""
    record: Record
    """As decision logs have it, credentials included."""
    found: Found | NotPresent | None
    """What became of the credential; None: it was not looked at."""
    document: dict[str, Any] | None = None
    """The input, if it was given as such."""


class _Nobody:
    """Is told of decisions, and does not listen."""

    wants_text = False

    def decided(self, decision: Decision) -> None:
        pass

    def sample(self, *_: object) -> float:
        return 0.0


class _Watched(AuthorizationService):
    """The service; it tells what became of the credential."""

    found: Found | NotPresent | None = None

    def _identified(self, work: _Work, found: Found | NotPresent) -> bytes | Awaitable[bytes]:
        self.found = found
        return super()._identified(work, found)


async def decide_request(
    message: bytes,
    snapshot: Snapshot,
    keys: KeySource,
    opa: Callable[[str], Engine] | None,
) -> Evaluation:
    """Decide about a CheckRequest as `serve` does.

    Args:
        message: the serialized CheckRequest.
        snapshot: what decides.
        keys: key sets that the bundle names by URL.
        opa: gives the engine that asks an OPA server; None: there is none.
    """
    recorder = Recorder(deny=False)
    service = _Watched(lambda: snapshot, _Nobody(), keys, opa, log=recorder)
    reply = service.check(message, Call((), None, ""))
    if not isinstance(reply, bytes):
        reply = await reply
    record = recorder.take()
    if record is None:
        raise AssertionError("a decision that nobody recorded")
    return Evaluation(reply, record, service.found)


async def decide_document(
    document: dict[str, Any],
    chosen: Chosen,
    snapshot: Snapshot,
    opa: Callable[[str], Engine] | None,
) -> Evaluation | None:
    """Ask a policy about an input document; its `identity` counts as verified.

    None: the policy asks nobody about a document.
    """
    auth = chosen.auth
    part = snapshot.parts["auth"]
    assert isinstance(part, AuthPart)  # noqa: S101
    decider = auth.decider
    if isinstance(decider, Authenticated) or chosen.mode == "off":
        return None
    claims = document.get("identity")
    identity = Identity(claims if isinstance(claims, Mapping) else None)
    answer: object = NOTHING
    word = "opa" if isinstance(decider, ByOpa) else "rego"
    engine = decider.engine if not isinstance(decider, ByOpa) else opa and opa(decider.path)
    if engine is None:
        outcome: Any = Failed("opa_not_configured")
    else:
        asked = engine.decide(document, None)
        answer = await asked if isawaitable(asked) else asked
        outcome = outcome_of(answer, word, auth.compat)
    told = decide.conclude(auth, chosen.mode, part, identity, outcome)
    reply = respond(told.sent, chosen.policy, told.fields, _ID)
    status = 0 if isinstance(told.sent, Allow) else told.sent.status
    # fmt: off
    record = Record(
        time.time(), _ID, snapshot.digest, 0.0, "", 0, None, chosen.policy, auth, None,
        identity.claims, answer, told.verdict, told.reason, told.shadow, status,
    )
    # fmt: on
    return Evaluation(reply, record, identity, document)
