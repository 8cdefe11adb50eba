"""Requests of gRPC as JSON, by a descriptor set (`protoc --include_imports --descriptor_set_out`).

As opa-envoy-plugin reads them: the first message only, uncompressed, by protobuf's JSON mapping
(int64 as a text, bytes as base64, enums by name, unset fields left out).
"""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from extauthz.check import Unreadable
from extauthz.exact_json import exact

_FLOAT: Final = 2**53
_HEAD: Final = 5
"""Bytes before a message: a flag for compression, and the length."""


class Methods:
    """The unary and server-streaming methods of a descriptor set, by path."""

    def __init__(self, descriptors: FileDescriptorSet) -> None:
        """Raises `ValueError`, with a text for the operator, when the set is not complete."""
        self._pool = DescriptorPool()
        for file in _in_order(descriptors):
            try:
                self._pool.Add(file)
            except TypeError as error:
                raise ValueError(f"`{file.name}` is not valid: {error}") from None
        self._inputs: dict[tuple[str, str], type[Message] | None] = {}
        for file in descriptors.file:
            package = f"{file.package}." if file.package else ""
            for service in file.service:
                for method in service.method:
                    kind = None
                    if not method.client_streaming:
                        name = method.input_type.removeprefix(".")
                        kind = GetMessageClass(self._pool.FindMessageTypeByName(name))
                    self._inputs[f"{package}{service.name}", method.name] = kind

    def __len__(self) -> int:
        return len(self._inputs)

    def read(self, body: bytes, segments: list[str], is_alone: bool) -> tuple[Any, str]:
        """Read the first message.

        Args:
            body: with gRPC's five bytes before each message.
            segments: of the path.
            is_alone: refuse another message after it: a method that takes one may get no more,
                and servers differ in which one they take.

        Returns:
            Its JSON, and `parsed`; or None and one of `STATES`.

        Raises:
            Unreadable: no gRPC path, not even the five bytes, or no such message.
        """
        if len(segments) != 2 or len(body) < _HEAD:
            raise Unreadable("body")
        if body[0]:
            return None, "compressed"
        size = int.from_bytes(body[1:_HEAD], "big")
        if size > len(body) - _HEAD:
            return None, "truncated"
        if is_alone and size < len(body) - _HEAD:
            raise Unreadable("body")
        try:
            kind = self._inputs[segments[0], segments[1]]
        except KeyError:
            return None, "unknown_method"
        if kind is None:
            return None, "client_stream"
        try:
            message = kind.FromString(body[_HEAD : _HEAD + size])
            if not message.IsInitialized() or _is_ambiguous(message):
                raise Unreadable("body")
            value = json_format.MessageToDict(message, descriptor_pool=self._pool)
            return _with_exact_numbers(value), "parsed"
        except (DecodeError, json_format.Error, ValueError, TypeError, KeyError):
            # also for text that is not UTF-8, an Any of an unknown type, a time out of range
            raise Unreadable("body") from None


def methods_of(data: bytes) -> Methods:
    """Read a descriptor set.

    Raises:
        ValueError: with a text for the operator: not a descriptor set, or not complete.
    """
    try:
        descriptors = FileDescriptorSet.FromString(data)
    except DecodeError:
        raise ValueError("it is no FileDescriptorSet") from None
    return Methods(descriptors)


def _in_order(descriptors: FileDescriptorSet) -> list[FileDescriptorProto]:
    """Each file after those that it imports."""
    files = {file.name: file for file in descriptors.file}
    ordered: dict[str, FileDescriptorProto] = {}
    for first in files:
        open_: list[str] = [first]  # no recursion: a chain of imports may be long
        while open_:
            name = open_[-1]
            file = files[name]
            missing = [each for each in file.dependency if each not in ordered]
            if name in ordered or not missing:
                ordered[name] = file
                open_.pop()
                continue
            for each in missing:
                if each not in files:
                    raise ValueError(
                        f"`{name}` imports `{each}`, which is not in it (`--include_imports`)"
                    )
                if each in open_:
                    raise ValueError(f"`{each}` imports itself")
            open_.append(missing[0])
    return list(ordered.values())


def _is_ambiguous(message: Message) -> bool:
    """Whether others could read it differently.

    Python leaves out an entry of a map that holds an unknown field, or an enum's unknown number
    (proto2), where Go shows them; a text of proto2 that is not UTF-8 would come out as `b'...'`.
    """
    known, unknown = message.DESCRIPTOR.fields_by_number, UnknownFieldSet(message)
    if any(unknown[index].field_number in known for index in range(len(unknown))):
        return True
    for field, value in message.ListFields():
        if not field.is_repeated:
            values = [value]
        elif isinstance(value, Mapping) and field.message_type is not None:
            if any(type(name) is bytes for name in value):
                return True
            values, field = list(value.values()), field.message_type.fields_by_name["value"]
        else:
            values = list(value)
        if field.type == field.TYPE_STRING and any(type(each) is bytes for each in values):
            return True
        if field.cpp_type == field.CPPTYPE_MESSAGE and any(map(_is_ambiguous, values)):
            return True
    return False


def _with_exact_numbers(value: Any) -> Any:
    """Replace in place what was a float: it breaks Rego's equality.

    Whole numbers beyond `_FLOAT` were one, too: int64 are texts.
    """
    if type(value) is float or (type(value) is int and abs(value) >= _FLOAT):
        return exact(float(value))
    if type(value) is dict:
        for name, each in value.items():
            value[name] = _with_exact_numbers(each)
    elif type(value) is list:
        for index, each in enumerate(value):
            value[index] = _with_exact_numbers(each)
    return value
