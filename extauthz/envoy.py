"""CheckRequest bytes in: with `answer`, the other half, all that knows of protobuf.

Chapter 5 of extauthz.md, what Envoy sends, decides every line here.
"""

import base64
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct

from extauthz.check import ABSENT, CheckInput, Malformed, NetworkCheck, TooManyHeaders
from extauthz.exact_json import exact

SERVICE = "envoy.service.auth.v3.Authorization"

MOST_HEADERS = 1000
"""In one request. Envoy takes 100 unless told otherwise; a policy may look at each of them."""

_parse = external_auth_pb2.CheckRequest.FromString


def read(message: bytes) -> CheckInput | NetworkCheck | TooManyHeaders | Malformed:
    """Read a CheckRequest.

    Costs 3 us for 1.2 KB with 16 headers: the header map is handed on as upb has it, since
    copying it into a dict costs as much again, and a policy reads one or two of them.
    """
    try:
        request = _parse(message)
    except DecodeError:  # also for text that is not UTF-8
        return Malformed()
    attributes = request.attributes
    if not attributes.HasField("request") or not attributes.request.HasField("http"):
        if not attributes.HasField("source"):
            return Malformed()  # no connection is without: an empty message asks about nothing
        return NetworkCheck(
            attributes.tls_session.sni,
            attributes.context_extensions.get("policy"),
            MessageAttributes(attributes, attributes.request.http.headers),
        )
    http = attributes.request.http
    headers: Mapping[str, str] = http.headers
    if len(headers) > MOST_HEADERS:
        return TooManyHeaders()
    if http.HasField("header_map"):
        if len(http.header_map.headers) > MOST_HEADERS:
            return TooManyHeaders()
        headers = _merged(headers, http.header_map.headers)
    return CheckInput(
        http.host or headers.get(":authority", ""),
        http.method or headers.get(":method", ""),
        http.path or headers.get(":path", ""),
        headers,
        attributes.context_extensions.get("policy"),
        MessageAttributes(attributes, headers),
    )


def _merged(headers: Mapping[str, str], more: Any) -> dict[str, str]:
    """One map of `headers` and of `header_map`, which Envoy fills *instead* (extauthz.md 5.16).

    A repeated header is joined as Envoy joins it in `headers`, so that two credentials look the
    same to us however they were sent.
    """
    merged = dict(headers)
    lists: dict[str, list[str]] = {}
    for header in more:
        # Envoy writes `!` for what is not UTF-8 in `headers`; there is no text for it here either
        raw = header.raw_value.decode("utf-8", "replace").replace("\ufffd", "!")
        lists.setdefault(header.key.lower(), []).append(raw or header.value)
    for name, values in lists.items():
        joined = ("; " if name == "cookie" else ",").join(values)
        if name in merged and merged[name] != joined:
            joined = f"{merged[name]},{joined}"
        merged[name] = joined
    return merged


class MessageAttributes:
    """`Attributes` over an AttributeContext."""

    __slots__ = ("_headers", "_message")

    def __init__(self, message: Any, headers: Mapping[str, str]) -> None:
        self._message = message
        self._headers = headers

    @property
    def headers(self) -> Mapping[str, str]:
        """See `Attributes.headers`."""
        return self._headers

    def as_sent(self) -> "MessageAttributes":
        """See `Attributes.as_sent`."""
        http = self._message.request.http
        return MessageAttributes(self._message, http.headers) if http.header_map.headers else self

    def bodies(self) -> tuple[str, bytes]:
        """See `Attributes.bodies`."""
        http = self._message.request.http
        return http.body, http.raw_body

    def at(self, path: tuple[str, ...]) -> Any:
        """See `Attributes.at`."""
        if path[:3] == _HEADERS and self._headers:
            return _inside(dict(self._headers), path[3:])
        node: Any = self._message
        for depth, name in enumerate(path):
            field = _fields(node.DESCRIPTOR).get(name)
            if field is None or not _is_set(node, field):
                return ABSENT
            if field.is_repeated or field.type != FieldDescriptor.TYPE_MESSAGE:
                return _inside(_plain_field(field, getattr(node, field.name)), path[depth + 1 :])
            node = getattr(node, field.name)
        whole = _plain(node) if path else _plain_context(node)
        if path in _ABOVE_HEADERS and self._headers and type(self._headers) is dict:
            # merged ones; others are there already, and are not copied twice
            _put_headers(whole, path, dict(self._headers))
        return whole

    def above(self, path: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
        """See `Attributes.above`."""
        node: Any = self._message
        for depth, name in enumerate(path):
            field = _fields(node.DESCRIPTOR).get(name)
            if field is None or not _is_set(node, field):
                return path[:depth], {}
            if field.is_repeated or field.type != FieldDescriptor.TYPE_MESSAGE:
                return _last(_plain_field(field, getattr(node, field.name)), path, depth + 1)
            node = getattr(node, field.name)
        return path, {}


_HEADERS = ("request", "http", "headers")
_ABOVE_HEADERS = (_HEADERS[:0], _HEADERS[:1], _HEADERS[:2])


def _put_headers(whole: dict[str, Any], path: tuple[str, ...], headers: dict[str, str]) -> None:
    for name in _HEADERS[len(path) : -1]:
        whole = whole[name]
    whole["headers"] = headers


def _inside(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _last(value: Any, path: tuple[str, ...], depth: int) -> tuple[tuple[str, ...], Any]:
    while depth < len(path) and isinstance(value, dict) and path[depth] in value:
        value = value[path[depth]]
        depth += 1
    return path[:depth], {} if isinstance(value, dict) else value


@lru_cache(maxsize=64)
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.json_name: field for field in descriptor.fields}


def _plain(message: Message) -> dict[str, Any]:
    """A message as opa-envoy-plugin shows it: only set fields, by protobuf's JSON names.

    But *not* protobuf's JSON values: int64 and enums are numbers, a Timestamp is an object, a
    Struct is unwrapped. What becomes of each field is found once for a type of message: asking
    its descriptor each time costs twice as much.
    """
    kind: Any = type(message)
    if kind is Struct:
        return _struct(message)
    plan = _plan(kind)
    plain = {}
    for field, value in message.ListFields():
        name, convert = plan[field]
        plain[name] = value if convert is None else convert(value)
    return plain


def _plain_context(context: Any) -> dict[str, Any]:
    """As `_plain`; peers, which are the same for all requests of a connection, are remembered."""
    kind: Any = type(context)
    plan = _plan(kind)
    plain = {}
    for field, value in context.ListFields():
        name, convert = plan[field]
        if type(value) is _Peer:
            plain[name] = _plain_peer(value.SerializeToString())
        else:
            plain[name] = value if convert is None else convert(value)
    return plain


_Peer: Final = AttributeContext.Peer


@lru_cache(maxsize=4096)
def _plain_peer(serialized: bytes) -> dict[str, Any]:
    """Nobody changes what it gives."""
    return _plain(_Peer.FromString(serialized))


@lru_cache(maxsize=64)
def _plan(
    kind: type[Message],
) -> dict[FieldDescriptor, tuple[str, Callable[[Any], Any] | None]]:
    fields = cast(list[FieldDescriptor], kind.DESCRIPTOR.fields)
    return {field: (field.json_name, _conversion(field)) for field in fields}


@lru_cache(maxsize=512)
def _conversion(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    """What makes JSON of a field's value; None: it is that already."""
    if not field.is_repeated:
        return _conversion_of_one(field)
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        one = _conversion_of_one(entry.fields_by_name["value"])
        if one is None:
            return _map
        convert = one
        return lambda pairs: {name: convert(pairs[name]) for name in pairs}
    one = _conversion_of_one(field)
    return list if one is None else lambda values: list(map(one, values))


def _map(pairs: Any) -> dict[str, Any]:
    return {name: pairs[name] for name in pairs}  # `dict(pairs)` takes a third longer


def _conversion_of_one(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    match field.type:
        case FieldDescriptor.TYPE_MESSAGE:
            return _plain
        case FieldDescriptor.TYPE_BYTES:
            return _base64
        case FieldDescriptor.TYPE_FLOAT | FieldDescriptor.TYPE_DOUBLE:
            return exact
        case _:
            return None


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.has_presence:
        return bool(message.HasField(field.name))
    value = getattr(message, field.name)
    return bool(len(value) if field.is_repeated else value)


def _plain_field(field: FieldDescriptor, value: Any) -> Any:
    convert = _conversion(field)
    return value if convert is None else convert(value)


def _struct(struct: Any) -> dict[str, Any]:
    return {name: _struct_value(value) for name, value in struct.fields.items()}


def _struct_value(value: Any) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: _struct_value(one) for name, one in value.struct_value.fields.items()}
        case "list_value":
            return [_struct_value(one) for one in value.list_value.values]
        case "number_value":
            return exact(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
