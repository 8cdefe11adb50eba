"""Spans as OTLP messages."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError

from callout.observe.traces.otlp import (
    STATUS_ERROR,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from callout.observe.traces.span import SERVER, Span, Value

_SAMPLED: Final = 0x01
_PARENT_IS_KNOWN_LOCAL: Final = 0x100
_PARENT_IS_REMOTE: Final = 0x300
"""SpanFlags: whether the parent is of another process, and that this is known."""


class Message:
    """One message in the making. 21 us a span of seven attributes, with its serialization."""

    def __init__(self, resource: Mapping[str, Value]) -> None:
        self._request = ExportTraceServiceRequest()
        group = self._request.resource_spans.add()
        _put(group.resource.attributes, resource)
        scope = group.scope_spans.add()
        scope.scope.name = "gatewright"
        self._spans = scope.spans

    def add(self, spans: Iterable[Span]) -> None:
        """Appends spans that have ended."""
        for span in spans:
            trace = span.trace
            remote = span.kind == SERVER and span.parent
            written = self._spans.add(
                trace_id=trace.id,
                span_id=span.id,
                trace_state=trace.state,
                parent_span_id=span.parent,
                flags=_SAMPLED | (_PARENT_IS_REMOTE if remote else _PARENT_IS_KNOWN_LOCAL),
                name=span.name,
                kind=span.kind,
                start_time_unix_nano=span.began + trace.offset,
                end_time_unix_nano=span.ended + trace.offset,
            )
            _put(written.attributes, span.attributes)
            if span.link is not None:
                written.links.add(
                    trace_id=span.link.trace, span_id=span.link.span, trace_state=span.link.state
                )
            if span.error:
                written.status.code = STATUS_ERROR
                _put(written.attributes, {"error.type": span.error})

    def serialized(self) -> bytes:
        """An ExportTraceServiceRequest."""
        serialized: bytes = self._request.SerializeToString()
        return serialized


class Encoder:
    """Makes messages of one process."""

    def __init__(self, resource: Mapping[str, Value]) -> None:
        """`resource`: what is the same for all spans, `service.name` among it."""
        self._resource = resource

    def message(self) -> Message:
        """An empty one."""
        return Message(self._resource)


def rejected(response: bytes) -> int:
    """How many spans an ExportTraceServiceResponse says were not taken."""
    try:
        answer = ExportTraceServiceResponse.FromString(response)
    except DecodeError:
        return 0
    count: int = answer.partial_success.rejected_spans
    return max(0, count)


def _put(attributes: Any, values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        pair = attributes.add(key=name).value
        if isinstance(value, bool):
            pair.bool_value = value
        elif isinstance(value, int):
            pair.int_value = value
        else:
            pair.string_value = value
