"""A record becomes OPA's decision event (`EventV1` of its v1/plugins/logs), dropped or masked."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import msgspec

from callout.observe.traces.context import parse as parse_context
from extauthz.check import CheckInput, NetworkCheck
from extauthz.compiled import ByOpa, ByRego, CompiledAuth
from extauthz.decision_logs import rules
from extauthz.decision_logs.defaults import Masks
from extauthz.decision_logs.log_rules import LogRules
from extauthz.decision_logs.recorder import NOTHING, Record
from extauthz.decision_logs.rules import Event
from extauthz.input import InputBuilder, InputRules
from extauthz.opa.revisions import revisions
from extauthz.policy.engine import UNDEFINED, Engine, PolicyFailed
from extauthz.policy.values.text import to_json

_EXACT_BYTES: Final = 6
"""Of `req_id`: OPA's is a number, and readers that count in doubles must see it whole."""
_encode = msgspec.json.Encoder(decimal_format="number").encode


class EventMaker:
    """Makes events; use it in one thread."""

    def __init__(
        self,
        labels: Mapping[str, str],
        masks: Masks,
        bundles: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Prepares.

        Args:
            labels: of this process: `id`, `version`, and the operator's.
            masks: what is masked by default.
            bundles: as events tell them, `{name: {"revision": ...}}`; None: one that is named
                `bundle`, its revision the digest of ours.
        """
        self._labels = dict(labels)
        self._masks = masks
        self._bundles = bundles
        self._second, self._second_text = -1, ""
        self.skipped = 0
        """Decisions that `data.system.log.drop` dropped."""
        self.bare = 0
        """Events that hold neither input nor result, because a rule about them failed."""

    def make(self, record: Record) -> bytes | None:
        """The event as JSON; None: the operator's rule dropped it. Never raises."""
        try:
            event = self._event(record)
            log_rules = _log_rules(record.auth)
            if log_rules is not None:
                if log_rules.drop is not None and _answer(log_rules.drop, event) is True:
                    self.skipped += 1
                    return None
                if log_rules.mask is not None:
                    _mask(log_rules.mask, event)
            self._masks.mask(event)
            return encoded(event)
        except Exception:
            # Whatever it is: what cannot be masked is not shown, and that there was a decision is.
            self.bare += 1
            return encoded(self._bare(record))

    def _event(self, record: Record) -> Event:
        event = self._common(record)
        check = record.check
        if check is not None:
            parent = check.headers.get("traceparent")
            if parent and (context := parse_context(parent)) is not None:
                event["trace_id"] = context.trace.hex()
                event["span_id"] = context.span.hex()
            event["input"] = self._input(record, check)
            request_id = check.headers.get("x-request-id")
            if request_id:
                event["req_id"] = req_id(request_id)
        result = record.result
        if isinstance(result, PolicyFailed):
            event["error"] = {"code": result.reason, "message": result.message}
        elif result is not UNDEFINED:
            event["result"] = _told(record) if result is NOTHING else result
        return event

    def _common(self, record: Record) -> Event:
        event: Event = {
            "labels": self._labels,
            "decision_id": record.id,
            "timestamp": self._timestamp(record.at),
            "requested_by": record.peer,
            "metrics": {"timer_server_handler_ns": int(record.seconds * 1e9)},
            "custom": {
                "gatewright": {
                    "policy": record.policy,
                    "verdict": record.verdict,
                    "reason": record.reason,
                    "shadow": record.shadow,
                    "http_status": record.status or 200,
                }
            },
        }
        if self._bundles is not None:
            event["bundles"] = self._bundles
        elif record.digest:
            ours = {"bundle": {"revision": record.digest}}
            event["bundles"] = revisions(record.auth) or ours
        decider = record.auth.decider if record.auth is not None else None
        if isinstance(decider, ByRego):
            event["path"] = decider.entrypoint
        elif isinstance(decider, ByOpa):
            event["path"] = decider.path
        return event

    def _timestamp(self, at: float) -> str:
        second = int(at)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._second_text}{int((at - second) * 1e6):06d}Z"

    def _bare(self, record: Record) -> Event:
        return {**self._common(record), "erased": ["/input", "/result"]}

    def _input(self, record: Record, check: CheckInput | NetworkCheck) -> Any:
        decider = record.auth.decider if record.auth is not None else None
        if isinstance(decider, ByRego | ByOpa):
            # a body that nobody will see is not read again
            reads_body = not self._masks.hides_bodies or _log_rules(record.auth) is not None
            builder = _whole(decider.builder.rules, reads_body)
        else:
            builder = _UNASKED
        document: Any = None
        if isinstance(check, NetworkCheck):
            document = builder.build_of_connection(check, record.claims)
        elif record.path is not None:
            document = builder.build(check, record.path, record.claims)
        if isinstance(document, dict):
            return document
        # No honest document can be made of it, and that is why it was refused.
        return {"attributes": check.attributes.at(())}


@lru_cache(maxsize=64)
def _whole(rules: InputRules, reads_body: bool) -> InputBuilder:
    """What makes whole documents, by what a policy says about them."""
    if not reads_body:
        rules = replace(rules, body=replace(rules.body, parse=False))
    return InputBuilder(None, rules)


_UNASKED: Final = _whole(InputRules(), False)
"""For decisions that no policy was asked about."""


def encoded(event: Event) -> bytes:
    """An event as JSON, numbers exact."""
    try:
        return _encode(event)
    except (OverflowError, UnicodeEncodeError, TypeError):
        # an integer of more than 64 bits, half of a surrogate pair
        return to_json(event).encode()


def req_id(request_id: str) -> int:
    """A number for `x-request-id`: the same for each Check of one request, and never 0."""
    digest = hashlib.blake2b(request_id.encode(errors="replace"), digest_size=_EXACT_BYTES)
    return int.from_bytes(digest.digest(), "big") or 1


def _told(record: Record) -> Any:
    """Instead of a policy's result, where none was asked: what the caller was told."""
    if record.status:
        return {"allowed": False, "http_status": record.status}
    return True


def _log_rules(auth: CompiledAuth | None) -> LogRules | None:
    decider = auth.decider if auth is not None else None
    return decider.log_rules if isinstance(decider, ByRego) else None


def _answer(engine: Engine, event: Event) -> object:
    answer = engine.decide(event, None)
    if isinstance(answer, PolicyFailed):
        raise rules.BadRules(answer.reason)
    return answer


def _mask(engine: Engine, event: Event) -> None:
    answer = _answer(engine, event)
    if answer is UNDEFINED:
        return
    found = rules.read_rules(answer)
    if found:
        for part in ("input", "result"):
            if part in event:
                event[part] = _own(event[part])
        rules.apply(found, event)


def _own(value: Any) -> Any:
    """A copy: claims and results are also others'."""
    kind = type(value)
    if kind is dict:
        return {name: _own(each) for name, each in value.items()}
    if kind is list:
        return [_own(each) for each in value]
    return value
