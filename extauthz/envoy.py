"""The only file that knows protobuf: CheckRequest bytes in, CheckResponse bytes out.

Chapter 5 of what Envoy does with them decides every line here. Above all: an *empty*
CheckResponse is an allowance, so one function builds them all, and it starts from a denial.
"""

import base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct

from callout.grpc.call import Code
from extauthz.check import ABSENT, CheckInput, Malformed, NetworkCheck, TooManyHeaders
from extauthz.exact_json import exact
from extauthz.header_rules import is_value, why_not_settable
from extauthz.outcome import STATUSES, Allow, Deny, Headers

SERVICE = "envoy.service.auth.v3.Authorization"

MOST_HEADERS = 1000
"""In one request. Envoy takes 100 unless told otherwise; a policy may look at each of them."""

_OK: Final = int(Code.OK)
_DENIED: Final = int(Code.PERMISSION_DENIED)

_parse = external_auth_pb2.CheckRequest.FromString


# --- requests ---------------------------------------------------------------------------------


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
    if not attributes.HasField("request"):
        return NetworkCheck()
    if not attributes.request.HasField("http"):
        return NetworkCheck()
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
        http.raw_body or http.body.encode(),
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
        whole = _plain(node)
        if path in _ABOVE_HEADERS and self._headers:
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
    Struct is unwrapped.
    """
    if isinstance(message, Struct):
        return {name: _struct_value(value) for name, value in message.fields.items()}
    return {field.json_name: _plain_field(field, value) for field, value in message.ListFields()}


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.has_presence:
        return bool(message.HasField(field.name))
    value = getattr(message, field.name)
    return bool(len(value) if field.is_repeated else value)


def _plain_field(field: FieldDescriptor, value: Any) -> Any:
    if not field.is_repeated:
        return _plain_value(value)
    if isinstance(value, Mapping):
        return {str(name): _plain_value(value[name]) for name in value}
    return [_plain_value(one) for one in value]


def _plain_value(value: Any) -> Any:
    if isinstance(value, Message):
        return _plain(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return exact(value)
    return value


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


# --- responses --------------------------------------------------------------------------------

OUR_METADATA = frozenset({"policy", "id", "decision_id"})
"""Names in the dynamic metadata that later filters trust."""

_UNSAFE = Deny("unsafe_answer", 500)
_SMALL = 4096
"""Characters of an answer that is worth remembering."""


def respond(sent: Allow | Deny, policy: str, identity: str, decision_id: str) -> bytes:
    """Build the CheckResponse, every one of them.

    Args:
        sent: the answer. Only an `Allow` gives the status OK; an `Allow` that holds something
            that Envoy must not be told to do becomes a denial.
        policy: the effective policy's name, for the dynamic metadata; empty: none.
        identity: the encoded identity fields, for the dynamic metadata; empty: none.
        decision_id: `DECISION_ID_LENGTH` ASCII characters.

    Returns:
        The serialized message. What repeats from request to request is remembered (1 us instead
        of 8 to 20); the decision's id is a second piece of the same message: protobuf merges
        what is concatenated ("Last One Wins", maps united).
    """
    if sent.metadata is None and (type(sent) is Allow or len(sent.body) < _SMALL):
        whole = _remembered(type(sent) is Allow, sent, policy, identity)
    else:
        whole = _build(sent, policy, identity)
    return whole + _ID_PREFIX + decision_id.encode("ascii")


@lru_cache(maxsize=1024)
def _remembered(_is_allow: bool, sent: Allow | Deny, policy: str, identity: str) -> bytes:
    # `_is_allow` keeps the two apart: named tuples of equal content are equal to each other
    return _build(sent, policy, identity)


def _build(sent: Allow | Deny, policy: str, identity: str) -> bytes:
    response = external_auth_pb2.CheckResponse()
    response.status.code = _DENIED  # first, and for everything: zero would be an allowance
    if type(sent) not in (Allow, Deny) or not _is_safe(sent):
        sent = _UNSAFE
    if type(sent) is Allow:
        _allow(response, sent)
        response.status.code = _OK
    else:
        _deny(response, sent)
    metadata = response.dynamic_metadata
    if sent.metadata is not None:
        # without our own names: no policy output may say who the caller is
        metadata.update({name: sent.metadata[name] for name in sent.metadata.keys() - OUR_METADATA})
    if policy:
        metadata.fields["policy"].string_value = policy
    if identity:
        metadata.fields["id"].string_value = identity
    data: bytes = response.SerializeToString()
    return data


def _allow(response: Any, sent: Allow) -> None:
    ok = response.ok_response
    ok.SetInParent()
    for name, value in sent.headers:
        # both words for it: old Envoys read `append`, new ones `append_action`, whose zero value
        # would append to what a client sent (5.6)
        option = ok.headers.add()
        option.header.key = name
        option.header.value = value
        option.append.value = False
        option.append_action = _OVERWRITE
    ok.headers_to_remove.extend(sent.remove)
    for name, value in sent.response_headers:
        option = ok.response_headers_to_add.add()
        option.header.key = name
        option.header.value = value
        # unset means a second line beside the upstream's own (5.7); cookies are meant to be so
        option.append_action = _APPEND if name == "set-cookie" else _OVERWRITE
    for name, value in sent.query_set:
        # Envoy pastes both as they are: `x&y=z` would be two parameters (5.11)
        parameter = ok.query_parameters_to_set.add()
        parameter.key = quote(name, safe="")
        parameter.value = quote(value, safe="")
    ok.query_parameters_to_remove.extend(quote(name, safe="") for name in sent.query_remove)


def _deny(response: Any, sent: Deny) -> None:
    denied = response.denied_response
    denied.status.code = sent.status
    for name, value in sent.headers:
        option = denied.headers.add()
        option.header.key = name
        option.header.value = value
        option.append_action = _APPEND
    denied.body = sent.body


_ACTIONS = external_auth_pb2.OkHttpResponse.DESCRIPTOR.fields_by_name[
    "headers"
].message_type.enum_types_by_name["HeaderAppendAction"]
_APPEND: Final = _ACTIONS.values_by_name["APPEND_IF_EXISTS_OR_ADD"].number
_OVERWRITE: Final = _ACTIONS.values_by_name["OVERWRITE_IF_EXISTS_OR_ADD"].number


def _is_safe(sent: Allow | Deny) -> bool:
    """The last look at what policies wrote; `result` has said so already, in better words."""
    if type(sent) is Deny:
        return sent.status in STATUSES and _are_safe(sent.headers) and _has_utf8(sent.body)
    names = [name for name, _ in sent.headers]
    return (
        _are_safe(sent.headers)
        and _are_safe(sent.response_headers)
        and len(set(names)) == len(names)
        and not set(names) & set(sent.remove)  # removal would win, after setting (5.8)
        and all(name and _has_utf8(name) for name in sent.remove)
        and all(_has_utf8(name + value) for name, value in sent.query_set)
        and all(map(_has_utf8, sent.query_remove))
    )


def _are_safe(headers: Headers) -> bool:
    return all(
        name == name.lower() and not why_not_settable(name) and is_value(value)
        for name, value in headers
    )


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


DECISION_ID_LENGTH: Final = 32
"""Characters; constant, so that the piece that holds it has constant lengths."""


def _id_prefix() -> bytes:
    piece = external_auth_pb2.CheckResponse()
    piece.dynamic_metadata.fields["decision_id"].string_value = "0" * DECISION_ID_LENGTH
    data: bytes = piece.SerializeToString()
    return data[:-DECISION_ID_LENGTH]


_ID_PREFIX: Final = _id_prefix()
