"""Spans of calls: begun where a call comes in, found again wherever its work goes on.

The span that work belongs to is a context variable: a task that is started for a call keeps it.
Whoever goes on in another context, such as the callback of a connection that all calls share,
sets it for that time.
"""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from random import Random
from typing import Final, NamedTuple, TypeAlias

from callout.grpc.call import Call, Code, Face, Metadata, Reply, Status, Streaming, Unary
from callout.observe.traces import context
from callout.observe.traces.context import Context
from callout.observe.traces.sampler import Sampler
from callout.observe.traces.span import INTERNAL, SERVER, Span, Trace, new_trace

CURRENT: Final[ContextVar[Span | None]] = ContextVar("gatewright_span", default=None)
"""The span that the work of this moment belongs to; None: the call is not traced."""

_FAILURES: Final = frozenset(
    {
        Code.UNKNOWN,
        Code.DEADLINE_EXCEEDED,
        Code.UNIMPLEMENTED,
        Code.INTERNAL,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    }
)
"""Codes that are the server's failure (OpenTelemetry's conventions for gRPC servers)."""

_chance = Random().random  # noqa: S311  # chooses what is looked at, guards nothing


_Opening: TypeAlias = tuple[str, str, int, Context | None]
"""A call that came in, while it is not known yet whether it is traced: its face and path, when it
came in nanoseconds of the monotonic clock, and the call's own context. A plain tuple: a named one
takes 0.3 us more, of every call."""


class _Opened(NamedTuple):
    """The spans of a call that is traced."""

    server: Span
    decision: Span


class Tracer:
    """Makes the spans of calls. Use it in one event loop."""

    def __init__(self, sampler: Sampler, sink: Callable[[Span], None]) -> None:
        """`sink` takes each span that has ended; it must not wait and must not raise."""
        self._sampler = sampler
        self._sink = sink
        self._opening: _Opening | None = None
        self._opened: _Opened | None = None

    def face(self, face: Face, *, reads_context: bool = False) -> Face:
        """The face, with a server span and a decision span for each unary call that is chosen.

        Args:
            face: what is served.
            reads_context: its handlers call `asked_about` before they do anything else, because
                the request that they are asked about has a context of its own.
        """
        methods = (
            each if isinstance(each, Streaming) else self._unary(each, face.name, reads_context)
            for each in face.methods
        )
        return Face(face.name, face.service, tuple(methods))

    def asked_about(self, headers: Mapping[str, str]) -> None:
        """What the headers of the request that the call is about say of its trace.

        The call's own context is the nearer parent: it is Envoy's span for this very callout, in
        the trace that Envoy began or continued. The request's is the client's span, and the parent
        only where Envoy does not trace; where both are there and are of two traces, it is linked.
        """
        opening, self._opening = self._opening, None
        if opening is not None:
            asked = None
            if traceparent := headers.get("traceparent"):
                asked = context.parse(traceparent, headers.get("tracestate", ""))
            self._open(opening, asked)

    def _unary(self, method: Unary, face: str, reads_context: bool) -> Unary:
        handler, path = method.handler, method.path

        def handle(message: bytes, call: Call) -> Reply | Awaitable[Reply]:
            opening = (face, path, time.monotonic_ns(), _caller(call.metadata))
            if reads_context:
                self._opening = opening
            else:
                self._open(opening, None)
            try:
                reply = handler(message, call)
            except BaseException:
                if self._opened is not None:
                    _end(self._leave(), Code.INTERNAL)
                raise
            if self._opened is None:
                return reply
            if isinstance(reply, bytes | Status):
                _end(self._leave(), Code.OK if isinstance(reply, bytes) else reply.code)
                return reply
            # In a task from here on, so that all of it runs in the context of this call.
            future = asyncio.ensure_future(reply)
            future.add_done_callback(_Waiting(self._leave(), call.deadline))
            return future

        return dataclasses.replace(method, handler=handle)

    def _open(self, opening: _Opening, asked: Context | None) -> None:
        face, path, began, parent = opening
        if parent is None:
            parent = asked
        if not self._sampler.sample(parent, began * 1e-9, _chance()):
            return
        if parent is None:
            trace, above = Trace(new_trace(), "", self._sink), b""
        else:
            trace, above = Trace(parent.trace, parent.state, self._sink), parent.span
        name = path[1:]
        server = Span(trace, above, name, SERVER, began)
        service, _, method = name.rpartition("/")
        server.attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        if asked is not None and asked.trace != trace.id:
            server.link = asked
        decision = Span(trace, server.id, f"{face} decision", INTERNAL, began)
        decision.attributes = {"gatewright.face": face}
        self._opened = _Opened(server, decision)
        CURRENT.set(decision)

    def _leave(self) -> _Opened:
        opened = self._opened
        assert opened is not None  # noqa: S101  # whoever leaves has looked
        self._opened = None
        CURRENT.set(None)
        return opened


class _Waiting:
    """Ends the spans of a call whose answer comes later."""

    __slots__ = ("_deadline", "_opened")

    def __init__(self, opened: _Opened, deadline: float | None) -> None:
        self._opened = opened
        self._deadline = deadline

    def __call__(self, future: "asyncio.Future[Reply]") -> None:
        if future.cancelled():
            late = self._deadline is not None and time.monotonic() >= self._deadline
            code = Code.DEADLINE_EXCEEDED if late else Code.CANCELLED
        elif future.exception() is not None:
            code = Code.INTERNAL
        else:
            reply = future.result()
            code = reply.code if isinstance(reply, Status) else Code.OK
        _end(self._opened, code)


def _end(opened: _Opened, code: Code) -> None:
    server, decision = opened
    # Ended already if there was a decision.
    decision.end("no decision")
    server.attributes["rpc.grpc.status_code"] = int(code)
    server.end(code.name if code in _FAILURES else "")


def _caller(metadata: Metadata) -> Context | None:
    """The context in the call's own headers; one that is there twice is none."""
    parent = None
    for name, value in metadata:
        if name == b"traceparent":
            if parent is not None:
                return None
            parent = value
    if parent is None:
        return None
    states = [value for name, value in metadata if name == b"tracestate"]
    return context.parse(parent.decode("latin-1"), b",".join(states).decode("latin-1"))
