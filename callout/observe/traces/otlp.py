"""The messages of OTLP traces, made from a table of their fields.

Not from `opentelemetry-proto`: xds-protos, which brings Envoy's messages, has modules of the same
names from before 1.0 (no `flags`, no `scope_spans`, no `partial_success`). Both install the same
files, and the one that is installed last wins. Fields of a protocol that is stable are few.
"""

from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "gatewright.otlp"
_NUMBERS: Final = {
    "bool": Field.TYPE_BOOL,
    "bytes": Field.TYPE_BYTES,
    "double": Field.TYPE_DOUBLE,
    "fixed32": Field.TYPE_FIXED32,
    "fixed64": Field.TYPE_FIXED64,
    "int32": Field.TYPE_INT32,
    "int64": Field.TYPE_INT64,
    "string": Field.TYPE_STRING,
}

FIELDS: Final = {
    "ExportTraceServiceRequest": (("resource_spans", 1, "[ResourceSpans]"),),
    "ResourceSpans": (("resource", 1, "Resource"), ("scope_spans", 2, "[ScopeSpans]")),
    "Resource": (("attributes", 1, "[KeyValue]"),),
    "ScopeSpans": (("scope", 1, "InstrumentationScope"), ("spans", 2, "[Span]")),
    "InstrumentationScope": (("name", 1, "string"),),
    "Span": (
        ("trace_id", 1, "bytes"),
        ("span_id", 2, "bytes"),
        ("trace_state", 3, "string"),
        ("parent_span_id", 4, "bytes"),
        ("name", 5, "string"),
        ("kind", 6, "int32"),
        ("start_time_unix_nano", 7, "fixed64"),
        ("end_time_unix_nano", 8, "fixed64"),
        ("attributes", 9, "[KeyValue]"),
        ("links", 13, "[Link]"),
        ("status", 15, "Status"),
        ("flags", 16, "fixed32"),
    ),
    "Link": (("trace_id", 1, "bytes"), ("span_id", 2, "bytes"), ("trace_state", 3, "string")),
    "Status": (("message", 2, "string"), ("code", 3, "int32")),
    "KeyValue": (("key", 1, "string"), ("value", 2, "AnyValue")),
    "AnyValue": (
        ("string_value", 1, "string"),
        ("bool_value", 2, "bool"),
        ("int_value", 3, "int64"),
        ("double_value", 4, "double"),
    ),
    "ExportTraceServiceResponse": (("partial_success", 1, "ExportTracePartialSuccess"),),
    "ExportTracePartialSuccess": (("rejected_spans", 1, "int64"), ("error_message", 2, "string")),
}
"""What we write and read of each message: name, number, type (a list in brackets), as in
`opentelemetry/proto/{collector/trace,trace,resource,common}/v1/*.proto` of opentelemetry-proto 1.x.
Enumerations are `int32`, which is the same on the wire. Fields that are not here are unknown ones,
and are passed over."""

STATUS_ERROR: Final = 2
"""`Status.code` of a span that failed."""


def _messages() -> dict[str, Any]:
    file = FileDescriptorProto(name="gatewright/otlp.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
        for field_name, number, kind in fields:
            single = kind.strip("[]")
            field = message.field.add(
                name=field_name,
                number=number,
                label=Field.LABEL_OPTIONAL if single == kind else Field.LABEL_REPEATED,
            )
            if single in _NUMBERS:
                field.type = _NUMBERS[single]
            else:
                field.type = Field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{single}"
            if name == "AnyValue":
                field.oneof_index = 0
    # A pool of its own: nothing else in the process can have the same names.
    pool = DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in FIELDS}
    return {name: GetMessageClass(each) for name, each in found.items()}


_MESSAGES: Final = _messages()
ExportTraceServiceRequest: Final = _MESSAGES["ExportTraceServiceRequest"]
ExportTraceServiceResponse: Final = _MESSAGES["ExportTraceServiceResponse"]
