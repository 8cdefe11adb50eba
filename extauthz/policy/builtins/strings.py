"""Strings (v1/topdown/strings.go). Characters are code points, as Go's runes are."""

from collections.abc import Callable
from fractions import Fraction
from math import trunc
from typing import Final

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, OperandError, RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import RegoSet, Value, decode, ordered
from extauthz.policy.values.text import go_bytes, go_string, term

GO_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Go's white space. Python's `strip()` would also take U+001C to U+001F."""


def startswith(text: Value, prefix: Value) -> bool:
    """`startswith(text, prefix)`."""
    return operands.string(text, 1).startswith(operands.string(prefix, 2))


def endswith(text: Value, suffix: Value) -> bool:
    """`endswith(text, suffix)`."""
    return operands.string(text, 1).endswith(operands.string(suffix, 2))


def contains(text: Value, part: Value) -> bool:
    """`contains(text, part)`."""
    return operands.string(part, 2) in operands.string(text, 1)


def count_of(text: Value, part: Value) -> int:
    """`strings.count(text, part)`: without overlap."""
    return operands.string(text, 1).count(operands.string(part, 2))


def lower(text: Value) -> str:
    """`lower(text)`: one character for one, so `İ` is `i`, and Σ is σ at the end of a word too."""
    source = operands.string(text, 1)
    if source.isascii():
        return source.lower()
    return "".join("i" if char == "İ" else char.lower() for char in source)


def upper(text: Value) -> str:
    """`upper(text)`: one character for one, so `ß` stays."""
    source = operands.string(text, 1)
    return source.upper() if source.isascii() else "".join(map(_upper, source))


def _upper(char: str) -> str:
    for raised in (char.upper(), char.title()):
        if len(raised) == 1:
            return raised
    return char


def split(text: Value, delimiter: Value) -> list[str]:
    """`split(text, delimiter)`; an empty delimiter splits between characters."""
    source, mark = operands.string(text, 1), operands.string(delimiter, 2)
    return source.split(mark) if mark else list(source)


def split_n(text: Value, delimiter: Value, count: Value) -> list[str]:
    """`strings.split_n(text, delimiter, count)`: the first parts, or with -n the last."""
    parts = split(text, delimiter)
    number = operands.machine_integer(count, 3)
    return parts[:number] if number >= 0 else parts[max(len(parts) + number, 0) :]


def concat(delimiter: Value, collection: Value) -> str:
    """`concat(delimiter, collection)`."""
    mark = operands.string(delimiter, 1)
    return mark.join(operands.strings(collection, 2, "set", "array"))


def indexof(text: Value, part: Value) -> int:
    """`indexof(text, part)`; -1: not there."""
    source, wanted = operands.string(text, 1), _wanted(part)
    return source.find(wanted)


def indexof_n(text: Value, part: Value) -> list[int]:
    """`indexof_n(text, part)`: all places, overlapping ones too."""
    source, wanted = operands.string(text, 1), _wanted(part)
    found = []
    at = source.find(wanted)
    while at >= 0:
        found.append(at)
        at = source.find(wanted, at + 1)
    return found


def _wanted(part: Value) -> str:
    wanted = operands.string(part, 2)
    if not wanted:
        raise BuiltinError("empty search character")
    return wanted


def substring(text: Value, offset: Value, length: Value) -> str:
    """`substring(text, offset, length)`; a negative length: to the end."""
    source = operands.string(text, 1)
    start, count = operands.machine_integer(offset, 2), operands.machine_integer(length, 3)
    if start < 0:
        raise BuiltinError("negative offset")
    return source[start:] if count < 0 else source[start : start + count]


def reverse(text: Value) -> str:
    """`strings.reverse(text)`."""
    return operands.string(text, 1)[::-1]


def trim(text: Value, cutset: Value) -> str:
    """`trim(text, cutset)`."""
    return operands.string(text, 1).strip(operands.string(cutset, 2))


def trim_left(text: Value, cutset: Value) -> str:
    """`trim_left(text, cutset)`."""
    return operands.string(text, 1).lstrip(operands.string(cutset, 2))


def trim_right(text: Value, cutset: Value) -> str:
    """`trim_right(text, cutset)`."""
    return operands.string(text, 1).rstrip(operands.string(cutset, 2))


def trim_prefix(text: Value, prefix: Value) -> str:
    """`trim_prefix(text, prefix)`."""
    return operands.string(text, 1).removeprefix(operands.string(prefix, 2))


def trim_suffix(text: Value, suffix: Value) -> str:
    """`trim_suffix(text, suffix)`."""
    return operands.string(text, 1).removesuffix(operands.string(suffix, 2))


def trim_space(text: Value) -> str:
    """`trim_space(text)`."""
    return operands.string(text, 1).strip(GO_SPACE)


def replace(text: Value, old: Value, new: Value) -> str:
    """`replace(text, old, new)`."""
    source, before, after = (operands.string(v, i) for i, v in enumerate((text, old, new), 1))
    return source.replace(before, after) if before else _replace_all(source, {before: after})


def replace_n(patterns: Value, text: Value) -> str:
    """`strings.replace_n(patterns, text)`: in one pass; the lesser pattern is tried first."""
    fields, source = operands.object_(patterns, 1), operands.string(text, 2)
    for key in ordered(map(decode, fields)):
        if type(key) is not str:
            raise OperandError("operand 1 non-string key found in pattern object")
        if type(fields[key]) is not str:
            raise OperandError("operand 1 non-string value found in pattern object")
    return _replace_all(source, {key: fields[key] for key in ordered(fields)})


def _replace_all(text: str, pairs: dict[str, str]) -> str:
    """Go's generic Replacer: byte by byte, the first pattern that fits."""
    source = go_bytes(text)
    patterns = [(go_bytes(old), go_bytes(new)) for old, new in pairs.items()]
    result = bytearray()
    at = last = 0
    was_empty = False
    while at <= len(source):
        found = next(
            (p for p in patterns if source.startswith(p[0], at) and (p[0] or not was_empty)), None
        )
        was_empty = found is not None and not found[0]
        if found is None:
            at += 1
            continue
        result += source[last:at] + found[1]
        at += len(found[0])
        last = at
    return go_string(bytes(result + source[last:]))


def any_prefix_match(texts: Value, prefixes: Value) -> bool:
    """`strings.any_prefix_match(texts, prefixes)`: each a string, an array or a set."""
    return _any_match(texts, prefixes, str.startswith)


def any_suffix_match(texts: Value, suffixes: Value) -> bool:
    """`strings.any_suffix_match(texts, suffixes)`."""
    return _any_match(texts, suffixes, str.endswith)


def _any_match(texts: Value, parts: Value, fits: Callable[[str, tuple[str, ...]], bool]) -> bool:
    sources = [texts] if type(texts) is str else _strings(texts, 1)
    wanted = (parts,) if type(parts) is str else tuple(_strings(parts, 2))
    return any(fits(source, wanted) for source in sources)


def _strings(value: Value, position: int) -> list[str]:
    return operands.strings(value, position, "string", "set", "array")


_BASES: Final = {2: "b", 8: "o", 10: "d", 16: "x"}


def format_int(number: Value, base: Value) -> str:
    """`format_int(number, base)`; a fraction is cut off."""
    value, radix = operands.number(number, 1), operands.number(base, 2)
    if type(radix) is not int or radix not in _BASES:
        raise OperandError("operand 2 must be one of {2, 8, 10, 16}")
    if type(value) is not int:
        value = trunc(Fraction(numbers.to_float(value)))
    return format(numbers.bounded(value), _BASES[radix])


def template_string(parts: Value) -> str:
    """What a template string (`$"{x}"`) is compiled to: its parts, each in a set if it may fail."""
    pieces = []
    for part in operands.array(parts, 1):
        if type(part) in (list, dict):
            raise RegoError("rego_internal", "internal.template_string: illegal argument type")
        if type(part) is not RegoSet:
            pieces.append(_printed(part))
        elif len(part) > 1:
            raise RegoError("rego_conflict", "template-strings must not produce multiple outputs")
        else:
            pieces.extend(map(_printed, part.values()) if part else ("<undefined>",))
    return "".join(pieces)


def _printed(value: Value) -> str:
    return value if type(value) is str else term(value)
