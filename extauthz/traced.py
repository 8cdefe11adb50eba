"""The authorization service with spans: made in place of the plain one when traces are on."""

import inspect
from collections.abc import Awaitable, Sequence
from typing import Any

from callout.observe.traces.span import Span
from callout.observe.traces.tracer import CURRENT, Tracer
from extauthz import envoy
from extauthz.check import CheckInput, Malformed, NetworkCheck, TooManyHeaders
from extauthz.compiled import ByOpa, ByRego, Decider
from extauthz.identity.contract import Found, Identity
from extauthz.policy.engine import Answer, Engine, PolicyFailed
from extauthz.service import AuthorizationService, _Work


class TracedAuthorizationService(AuthorizationService):
    """Serve its face through `Tracer.face(..., reads_context=True)`."""

    def __init__(self, tracer: Tracer, *arguments: Any, **named: Any) -> None:
        """`tracer`, and then all that the plain service takes."""
        super().__init__(*arguments, **named)
        self._tracer = tracer
        self._read = self._read_with_context

    def _read_with_context(
        self, message: bytes
    ) -> CheckInput | NetworkCheck | TooManyHeaders | Malformed:
        check = envoy.read(message)
        if isinstance(check, CheckInput):
            self._tracer.asked_about(check.headers)
        else:
            self._tracer.asked_about({})
        return check

    def _engine(self, decider: Decider) -> Engine | None:
        engine = super()._engine(decider)
        current = CURRENT.get()
        if engine is None or current is None:
            return engine
        return _TracedEngine(engine, decider, current)

    def _told(
        self, engine: Engine, document: dict[str, Any]
    ) -> tuple[Answer | PolicyFailed, Sequence[int]]:
        if not isinstance(engine, _TracedEngine):
            return super()._told(engine, document)
        span = engine.begin()
        answer, noted = super()._told(engine.plain, document)
        span.end(_failure(answer))
        return answer, noted

    async def _identified_later(self, work: _Work, finding: Awaitable[Found]) -> bytes:
        current = CURRENT.get()
        if current is not None:
            finding = _verified(finding, current.child("identity verification"))
        return await super()._identified_later(work, finding)


class _TracedEngine:
    """An `Engine` whose next answer is a span."""

    def __init__(self, engine: Engine, decider: Decider, current: Span) -> None:
        self.plain = engine
        self._above = current
        self._attributes = _about(decider)

    def begin(self) -> Span:
        """The span of an evaluation."""
        span = self._above.child("policy evaluation")
        span.attributes = self._attributes
        return span

    def decide(
        self, document: dict[str, Any], deadline: float | None
    ) -> Answer | PolicyFailed | Awaitable[Answer | PolicyFailed]:
        span = self.begin()
        answer = self.plain.decide(document, deadline)
        if inspect.isawaitable(answer):
            return _asked(answer, span)
        span.end(_failure(answer))
        return answer


async def _asked(asking: Awaitable[Answer | PolicyFailed], span: Span) -> Answer | PolicyFailed:
    # What is asked meanwhile is a part of this span.
    before = CURRENT.set(span)
    try:
        answer = await asking
        span.end(_failure(answer))
        return answer
    finally:
        CURRENT.reset(before)
        span.end("cancelled")


async def _verified(finding: Awaitable[Found], span: Span) -> Found:
    before = CURRENT.set(span)
    try:
        found = await finding
        if not isinstance(found, Identity):
            span.attributes["gatewright.reason"] = found.reason
        span.end()
        return found
    finally:
        CURRENT.reset(before)
        span.end("cancelled")


def _failure(answer: Answer | PolicyFailed) -> str:
    return answer.reason if isinstance(answer, PolicyFailed) else ""


def _about(decider: Decider) -> dict[str, str | int | bool]:
    if isinstance(decider, ByRego):
        return {"gatewright.engine": "rego", "gatewright.entrypoint": decider.entrypoint}
    assert isinstance(decider, ByOpa)  # noqa: S101  # the third kind has no engine
    return {"gatewright.engine": "opa", "gatewright.entrypoint": decider.path}
