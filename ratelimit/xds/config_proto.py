"""`ratelimit.config.ratelimit.v3.RateLimitConfig`, the message that a management server sends.

xds-protos has no copy of rls_conf.proto (envoyproxy/ratelimit, `api/`; generated for Go in
go-control-plane), and what protoc generates for it would be imported as `ratelimit.config...`:
the name of our own package, whose `config` is another module. So its four messages are described
here, with the numbers of that file, and built in a pool of their own: another program part that
brings the same file into the default pool disturbs nothing.

It has no `value_to_metric`, `share_threshold`, `metadata` or `unit_multiplier`.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "ratelimit.config.ratelimit.v3"
MESSAGE: Final = f"{PACKAGE}.RateLimitConfig"
TYPE_URL: Final = f"type.googleapis.com/{MESSAGE}"

_Field = descriptor_pb2.FieldDescriptorProto
_UNITS: Final = ("UNKNOWN", "SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR", "WEEK")
"""In the order of their numbers."""
_MESSAGES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "RateLimitConfig": (
        ("name", "string"),
        ("domain", "string"),
        ("descriptors", "*RateLimitDescriptor"),
    ),
    "RateLimitDescriptor": (
        ("key", "string"),
        ("value", "string"),
        ("rate_limit", "RateLimitPolicy"),
        ("descriptors", "*RateLimitDescriptor"),
        ("shadow_mode", "bool"),
        ("detailed_metric", "bool"),
        ("quota_mode", "bool"),
    ),
    "RateLimitPolicy": (
        ("unit", "RateLimitUnit"),
        ("requests_per_unit", "uint32"),
        ("unlimited", "bool"),
        ("name", "string"),
        ("replaces", "*RateLimitReplace"),
    ),
    "RateLimitReplace": (("name", "string"),),
}
"""Fields in the order of their numbers, which begin at 1; `*` is repeated."""
_SCALARS: Final = {
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "uint32": _Field.TYPE_UINT32,
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="ratelimit/config/ratelimit/v3/rls_conf.proto", package=PACKAGE, syntax="proto3"
    )
    units = file.enum_type.add(name="RateLimitUnit")
    for number, unit in enumerate(_UNITS):
        units.value.add(name=unit, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, written) in enumerate(fields, start=1):
            kind = written.removeprefix("*")
            added = message.field.add(
                name=field,
                number=number,
                label=_Field.LABEL_REPEATED if kind != written else _Field.LABEL_OPTIONAL,
            )
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _Field.TYPE_MESSAGE if kind in _MESSAGES else _Field.TYPE_ENUM
                added.type_name = f".{PACKAGE}.{kind}"
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())

RateLimitConfig: Final[Any] = message_factory.GetMessageClass(_pool.FindMessageTypeByName(MESSAGE))
"""The class of the message."""


def unit_name(number: int) -> str:
    """As rls_conf.proto names it; a number that it does not know stays one."""
    return _UNITS[number] if 0 <= number < len(_UNITS) else str(number)
