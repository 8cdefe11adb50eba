"""Client spans of HTTP: what a traced call asks of an OPA server or a key server."""

from types import SimpleNamespace
from typing import Any

import aiohttp

from callout.observe.traces.context import traceparent
from callout.observe.traces.span import CLIENT, Span
from callout.observe.traces.tracer import CURRENT


def http_spans(name: str, *, hands_on: bool) -> aiohttp.TraceConfig:
    """For a session of aiohttp: a span for each request, until the answer's headers are there.

    Neither path nor query is in it: both may hold what the operator keeps secret.

    Args:
        name: of the span.
        hands_on: whether the other side is told of the trace, by `traceparent`: for servers that
            are ours, and not for a stranger's.
    """
    config = aiohttp.TraceConfig()

    async def begin(_: Any, context: SimpleNamespace, request: Any) -> None:
        current = CURRENT.get()
        if current is None:
            context.span = None
            return
        context.span = span = current.child(name, CLIENT)
        span.attributes = {
            "http.request.method": request.method,
            "server.address": request.url.host or "",
            "server.port": request.url.port or 0,
        }
        if hands_on:
            trace = span.trace
            request.headers["traceparent"] = traceparent(trace.id, span.id, sampled=True)
            if trace.state:
                request.headers["tracestate"] = trace.state

    async def end(_: Any, context: SimpleNamespace, request: Any) -> None:
        span: Span | None = context.span
        if span is not None:
            status = request.response.status
            span.attributes["http.response.status_code"] = status
            span.end(str(status) if status >= 400 else "")

    async def fail(_: Any, context: SimpleNamespace, request: Any) -> None:
        span: Span | None = context.span
        if span is not None:
            span.end(type(request.exception).__name__)

    config.on_request_start.append(begin)
    config.on_request_end.append(end)
    config.on_request_exception.append(fail)
    return config
