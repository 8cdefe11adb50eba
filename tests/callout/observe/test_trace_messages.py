"""The table of OTLP's fields beside the messages that Envoy's package brings of OTLP.

Those are of a version before 1.0: what came later is listed here, with its place in OTLP 1.x.
"""

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from callout.observe.traces.otlp import FIELDS, ExportTraceServiceRequest

RENAMED = {
    "ScopeSpans": "InstrumentationLibrarySpans",
    "InstrumentationScope": "InstrumentationLibrary",
    "Link": "Span.Link",
    "scope_spans": "instrumentation_library_spans",
    "scope": "instrumentation_library",
}
"""What OTLP 1.x calls otherwise; numbers and types stayed."""
LATER = {("Span", "flags", 16, "fixed32")}
"""Fields that came later."""
LATER_MESSAGES = {"ExportTracePartialSuccess"}


def known(name: str) -> Any:
    """The descriptor of another hand, under whichever of its names."""
    for module in (trace_service_pb2, trace_pb2, resource_pb2, common_pb2):
        for each in (name, RENAMED.get(name, name)):
            found: Any = module
            for part in each.split("."):
                found = getattr(found, part, None)
            if found is not None:
                return found.DESCRIPTOR
    raise AssertionError(name)


def kind_of(field: Any) -> str:
    """As the table writes it."""
    if field.type == Field.TYPE_ENUM:
        return "int32"
    if field.message_type is None:
        return Field.Type.Name(field.type).removeprefix("TYPE_").lower()
    renamed = {new.rpartition(".")[2]: old for old, new in RENAMED.items()}
    name = renamed.get(field.message_type.name, field.message_type.name)
    return f"[{name}]" if field.is_repeated else str(name)


@pytest.mark.parametrize("message", sorted(set(FIELDS) - LATER_MESSAGES))
def test_every_field_has_the_number_and_the_type_that_otlp_gives_it(message: str) -> None:
    fields = {each.number: each for each in known(message).fields}
    for name, number, kind in FIELDS[message]:
        if number not in fields:
            assert (message, name, number, kind) in LATER or message == "ExportTraceServiceResponse"
            continue
        assert fields[number].name in (name, RENAMED.get(name))
        assert kind_of(fields[number]) == kind


def test_what_is_written_is_read_by_messages_of_another_hand() -> None:
    ours = ExportTraceServiceRequest()
    group = ours.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    span = group.scope_spans.add().spans.add(trace_id=b"t" * 16, name="check", kind=2, flags=0x101)
    span.status.code = 2
    span.attributes.add(key="number").value.int_value = -7
    theirs = trace_service_pb2.ExportTraceServiceRequest.FromString(ours.SerializeToString())
    assert theirs.SerializeToString(deterministic=True) == ours.SerializeToString(
        deterministic=True
    )
    (group,) = theirs.resource_spans
    assert group.resource.attributes[0].value.string_value == "shop"
