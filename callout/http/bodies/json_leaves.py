"""JSON as named leaves: `{"a": [{"b": 1}]}` is `json.a.0.b` with `1`.

Names are those of Coraza (ModSecurity 3 writes `json.a.array_0.b`; CRS takes a leading `json.` for
granted and nothing else). Numbers are as written, strings decoded, `null` is empty. Both values of
a key that comes twice are leaves, so there is nothing to choose. An empty object or array under a
key is a leaf without a value, or a rule would never see the key.

What is well-formed is read by the standard library's parser in C, which makes tuples of objects and
bytes of numbers without a call back to Python: 37 KB with 900 leaves take 0.7 ms. All else is read
by `json_scan.py`, which goes on where a parser stops.
"""

import json
from collections.abc import Iterator
from itertools import count
from typing import Final

from callout.http.bodies.json_scan import IMPRECISE, scan
from callout.http.bodies.limits import DEFAULT, Limits
from callout.http.bodies.oddities import Oddity
from callout.http.bodies.pairs import Leaves, Pair


class _Constant(Exception):
    """NaN or Infinity: the scanner names it."""


def _constant(_: str) -> object:
    raise _Constant


_parse: Final = json.JSONDecoder(
    object_pairs_hook=tuple,  # in place of a dict, so that keys may come twice
    parse_int=str.encode,  # in place of int, which takes quadratic time
    parse_float=str.encode,
    parse_constant=_constant,
).decode
_index: Final = b"%d".__mod__
_SURROGATES: Final = (b"\\ud", b"\\uD")


def decode(body: bytes, limits: Limits = DEFAULT) -> Leaves:
    """Gives the leaves in the order of the body."""
    encoding = json.detect_encoding(body)
    if encoding not in ("utf-8", "utf-8-sig"):
        # What Python's own `json.loads` and many others do with bytes, whatever the charset says.
        body = body.decode(encoding, "replace").encode("utf-8", "surrogatepass")
        found = _decode(body, limits)
        return Leaves(found.pairs, found.oddities | {"charset_not_ascii"}, found.arrays)
    return _decode(body, limits)


def _decode(body: bytes, limits: Limits) -> Leaves:
    try:
        root = _parse(body.decode("utf-8"))
    # RecursionError: the parser recurses, and whoever called us may have done so, too.
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, _Constant):
        return scan(body, limits)
    pairs: list[Pair] = []
    arrays: list[bytes] = []
    oddities: set[Oddity] = set()
    _walk(root, limits, pairs, arrays, oddities)
    if any(escape in body for escape in _SURROGATES) and not all(map(_is_utf8, pairs)):
        oddities.add("json_lone_surrogate")
    return Leaves(tuple(pairs), frozenset(oddities), tuple(arrays))


def _walk(
    root: object,
    limits: Limits,
    pairs: list[Pair],
    arrays: list[bytes],
    oddities: set[Oddity],
) -> None:
    """Finds leaves and arrays. Iterative: the depth is the client's choice."""
    # The name and what is still to come of each object and array that is open.
    stack: list[tuple[bytes, Iterator[tuple[bytes, object]]]] = [(b"", iter([(b"json", root)]))]
    while stack:
        prefix, members = stack[-1]
        for key, value in members:
            name = prefix + key
            if type(value) is str:
                leaf = value.encode("utf-8", "surrogatepass")
            elif type(value) is bytes:
                leaf = value
                if len(value) > IMPRECISE:
                    oddities.add("json_number_imprecise")
            elif type(value) is tuple or type(value) is list:
                if len(stack) > limits.json_depth:
                    oddities.add("json_too_deep")
                    continue
                if value:
                    if len(name) > limits.json_name:
                        oddities.add("json_name_too_long")
                        name = name[: limits.json_name]
                    if type(value) is tuple:
                        members = _of_object(value, oddities)
                    else:
                        if len(arrays) == limits.arguments:
                            oddities.add("too_many_arguments")
                            return
                        arrays.append(name)
                        members = zip(map(_index, count()), value, strict=False)
                    stack.append((name + b".", members))
                    break
                if len(stack) == 1:
                    continue
                leaf = b""
            else:
                leaf = b"" if value is None else b"true" if value else b"false"
            if len(name) > limits.json_name:
                oddities.add("json_name_too_long")
                name = name[: limits.json_name]
            if len(pairs) == limits.arguments:
                oddities.add("too_many_arguments")
                return
            pairs.append((name, leaf))
        else:
            stack.pop()


def _of_object(
    value: tuple[tuple[str, object], ...], oddities: set[Oddity]
) -> Iterator[tuple[bytes, object]]:
    if len(dict(value)) != len(value):
        oddities.add("json_duplicate_key")
    return ((key.encode("utf-8", "surrogatepass"), member) for key, member in value)


def _is_utf8(pair: Pair) -> bool:
    try:
        pair[0].decode("utf-8")
        pair[1].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
