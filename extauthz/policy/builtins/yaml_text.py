"""`yaml.unmarshal` and `yaml.is_valid` (internal/yaml): YAML as go-yaml v3 reads it for OPA.

libyaml scans and parses, as in go-yaml, which is a translation of it; what a scalar is, is
go-yaml's (YAML 1.2's core types, with 1.1's octal numbers). Only the first document
counts, but all must be well-formed. Nothing is called for a tag.
"""

import base64
import binascii
import re
import struct
from decimal import Decimal
from typing import Any, Final

import yaml

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.floats import json_float, shortest
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import go_bytes, go_string

MAX_DEPTH: Final = 10_000
"""go-yaml's own bound."""
_LOW, _HIGH = 400_000, 4_000_000
"""Between these many values go-yaml lowers the part of them that may come from aliases."""
_PREFIX: Final = "tag:yaml.org,2002:"
_WORDS: Final[dict[str, Value]] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
}  # fmt: skip
_INFINITE: Final = re.compile(r"[+-]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER: Final = re.compile(
    r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII
)
_SLASH: Final = re.compile(r"(?:[^\\]|\\[^/])*+\\/")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)


def yaml_unmarshal(text: Value) -> Value:
    """`yaml.unmarshal(text)`."""
    return read(operands.string(text, 1))


def yaml_is_valid(text: Value) -> bool:
    """`yaml.is_valid(text)`."""
    if type(text) is not str:
        return False
    try:
        read(text)
    except BuiltinError:
        return False
    return True


def read(text: str) -> Value:
    """The value of the first document; null if there is none.

    Raises:
        BuiltinError: it is not YAML, or nothing that JSON can say.
    """
    reader = _Reader()
    slashes = "\\/" in text
    try:
        for event in yaml.parse(go_bytes(text), Loader=yaml.CSafeLoader):
            if slashes and _has_slash(event, text):
                raise BuiltinError("yaml: found unknown escape character")
            reader.take(event)
    except yaml.YAMLError as error:
        raise BuiltinError(f"yaml: {_message(error)}") from None
    return reader.documents[0] if reader.documents else None


def _has_slash(event: Any, text: str) -> bool:
    """Whether it is a string with an escaped slash: YAML 1.2 has that, go-yaml has not."""
    if not isinstance(event, yaml.ScalarEvent) or event.style != '"':
        return False
    start, end = event.start_mark, event.end_mark
    return bool(start and end and _SLASH.match(text, start.index, end.index))


def _message(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(getattr(error, "reason", error))
    marks = [mark.line for mark in (error.context_mark, error.problem_mark) if mark is not None]
    line = next((line for line in marks if line), 0)
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    return f"line {line}: {error.problem}" if line else str(error.problem)


class _Open:
    """A sequence or mapping that is being read."""

    def __init__(self, event: Any) -> None:
        self.is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.anchor = event.anchor
        self.items: list[Value] = []
        """Of a mapping: key, value, key, value."""
        self.merges: set[int] = set()
        """Which of the items are the key `<<`."""
        self.size = 1
        """How many values it is, those of aliases once for each use."""
        self.aliased = 0
        """How many of them come from aliases."""


class _Reader:
    """Makes values of the parser's events, without recursion."""

    def __init__(self) -> None:
        self.documents: list[Value] = []
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Value, int] | None] = {}
        """Values and their sizes; None while they are being read."""

    def take(self, event: Any) -> None:
        """The next event."""
        if isinstance(event, yaml.ScalarEvent):
            self.scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self.alias(str(event.anchor))
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            if len(self.open) >= MAX_DEPTH:
                raise BuiltinError(f"yaml: exceeded max depth of {MAX_DEPTH}")
            if event.anchor:
                self.anchors[event.anchor] = None
            self.open.append(_Open(event))
        elif isinstance(event, yaml.DocumentStartEvent):
            if event.version not in (None, (1, 1)):
                raise BuiltinError("yaml: found incompatible YAML document")
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            done = self.open.pop()
            value = _mapping(done) if done.is_mapping else done.items
            self.add(value, done.anchor, done.size, done.aliased)

    def scalar(self, event: yaml.ScalarEvent) -> None:
        """One scalar; the key `<<` stays what it is."""
        quoted = bool(event.style)
        if event.value == "<<" and not quoted and event.tag is None and self.at_key():
            self.open[-1].merges.add(len(self.open[-1].items))
        self.add(_scalar(event.tag, event.value, quoted), event.anchor, 1, 0)

    def at_key(self) -> bool:
        """Whether the next value is the key of a mapping."""
        return bool(self.open) and self.open[-1].is_mapping and not len(self.open[-1].items) % 2

    def alias(self, name: str) -> None:
        """A value once more."""
        if name not in self.anchors:
            raise BuiltinError(f"yaml: unknown anchor '{name}' referenced")
        found = self.anchors[name]
        if found is None:
            raise BuiltinError(f"yaml: anchor '{name}' value contains itself")
        value, size = found
        self.add(value, None, size + 1, size)

    def add(self, value: Value, anchor: str | None, size: int, aliased: int) -> None:
        """A value is complete."""
        if anchor:
            self.anchors[anchor] = (value, size)
        if not self.open:
            self.documents.append(value)
            return
        inside = self.open[-1]
        inside.items.append(value)
        inside.size += size
        inside.aliased += aliased
        if inside.aliased > 100 and inside.size > 1000:
            share = min(max(inside.size - _LOW, 0) / (_HIGH - _LOW), 1)
            if inside.aliased / inside.size > 0.99 - 0.89 * share:
                raise BuiltinError("yaml: document contains excessive aliasing")


def _mapping(done: _Open) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    merged: list[Value] = []
    for at in range(0, len(done.items), 2):
        key, value = done.items[at : at + 2]
        if at in done.merges:
            merged += value if type(value) is list else [value]
        else:
            fields[_name(key)] = value
    for value in merged:
        if type(value) is not dict:
            raise BuiltinError("yaml: map merge requires map or sequence of maps as the value")
        for name, item in value.items():
            fields.setdefault(name, item)
    return fields


def _name(key: Value) -> str:
    if type(key) is str:
        return key
    if type(key) is bool:
        return "true" if key else "false"
    if type(key) is int:
        return str(key)
    if isinstance(key, Decimal):
        return _short_float(float(key))
    raise BuiltinError("unsupported map key")


def _short_float(value: float) -> str:
    """The shortest digits that mean it in 32 bits, as OPA names a field by a number."""
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return ".inf" if value > 0 else "-.inf"
    digits = next(
        text
        for text in (f"{single:.{count}e}" for count in range(9))
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single
    )
    return shortest(Decimal(digits))


def _scalar(tag: str | None, text: str, quoted: bool) -> Value:
    if tag is None or tag == "!":
        return text if quoted else resolved(text)
    kind = tag.removeprefix(_PREFIX)
    if kind == tag:
        return text
    if kind == "binary":
        try:
            return go_string(base64.b64decode(re.sub("[\r\n]", "", text), validate=True))
        except binascii.Error:
            raise BuiltinError("yaml: !!binary value contains invalid base64 data") from None
    if kind not in ("bool", "int", "float", "null", "timestamp"):
        return text
    value = resolved(text)
    if kind == "timestamp":
        raise RegoError("rego_builtin", "yaml.unmarshal: the tag !!timestamp is not supported")
    found = _kind(value)
    if found != kind and (found, kind) != ("int", "float"):
        raise BuiltinError(f"yaml: cannot decode !!{found} `{text[:80]}` as a !!{kind}")
    return value


def _kind(value: Value) -> str:
    names = {str: "str", bool: "bool", int: "int", type(None): "null"}
    return names.get(type(value), "float")


def resolved(text: str) -> Value:
    """What a plain scalar is: go-yaml's `resolve`.

    Raises:
        BuiltinError: it is no number that JSON has.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INFINITE.fullmatch(text):
        raise BuiltinError("json: unsupported value: infinite or not a number")
    plain = text if text[0] == "." else text.replace("_", "")
    found = _INTEGER.fullmatch(plain)
    if found and len(plain) < 80:
        sign, hexadecimal, binary, octal, decimal = found.groups()
        digits = next(
            (
                int(part, base)
                for part, base in ((hexadecimal, 16), (binary, 2), (octal, 8))
                if part
            ),
            None,
        )
        number = int(decimal) if digits is None else digits
        if -(2**63) <= (number := -number if sign == "-" else number) < (2**63 if sign else 2**64):
            return number
    if _FLOAT.fullmatch(plain):
        value = float(plain)
        if abs(value) != float("inf"):
            return numbers.parse(json_float(value))
    return text
