"""What a key holds of a document: enough to tell apart all that a policy can tell apart.

Python's equality is too kind for that: there `True`, `1` and `1.0` are one key. What is not there
is not `null`.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from extauthz.policy.plan.recording import Path, Read
from extauthz.policy.values.numbers import number_text

Seen: TypeAlias = object
"""Hashable; two are equal only if the values are the same, to the letter."""
Look: TypeAlias = Callable[[dict[str, Any]], Seen]

MOST: Final = 16_384
"""Characters and values of one part of a document; more is not worth keeping (`TooMuch`)."""


class TooMuch(Exception):
    """A part of a document that is too large for a key."""


class _Mark:
    """Equal to itself only."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


_TRUE: Final = _Mark("true")
_FALSE: Final = _Mark("false")
_NULL: Final = _Mark("null")
_OBJECT: Final = _Mark("object")
_ARRAY: Final = _Mark("array")
_NUMBER: Final = _Mark("number")
ABSENT: Final = _Mark("absent")
PARTS: Final = (_OBJECT, _ARRAY)
"""What `shallow` sees where something may be below."""


def look(read: Read) -> Look:
    """What finds a read's part in a document, as a key holds it."""
    path, whole = read.path, deep if read.deep else shallow
    # an index is a way into arrays only; Python would take it into texts, too
    return _by_names(path, whole) if not _has_index(path) else _by_steps(path, whole)


def _has_index(path: Path) -> bool:
    return any(type(step) is int for step in path)


def _by_names(path: Path, whole: Look) -> Look:
    def find(document: dict[str, Any]) -> Seen:
        value: Any = document
        try:
            for name in path:
                value = value[name]
        except (KeyError, TypeError):
            return ABSENT
        # as all of `shallow` and `deep` for the usual type: 0.1 us less
        return value if type(value) is str else whole(value)

    return find


def _by_steps(path: Path, whole: Look) -> Look:
    steps: list[tuple[Any, object]] = [(step, list if type(step) is int else dict) for step in path]

    def find(document: dict[str, Any]) -> Seen:
        value: Any = document
        for step, kind in steps:
            if type(value) is not kind:
                return ABSENT
            try:
                value = value[step]
            except (KeyError, IndexError):
                return ABSENT
        return value if type(value) is str else whole(value)

    return find


def shallow(value: Any) -> Seen:
    """A value without what is below it."""
    kind = type(value)
    if kind is dict:
        return _OBJECT
    if kind is list:
        return _ARRAY
    return _scalar(value)


def _scalar(value: Any) -> Seen:
    kind = type(value)
    if kind is str or kind is int:
        return value
    if value is None:
        return _NULL
    if kind is bool:
        return _TRUE if value else _FALSE
    if isinstance(value, Decimal):
        # as it is written: a policy can print it, and 1.0 is not 1 then
        return _NUMBER, number_text(value)
    raise TooMuch  # no JSON: nothing is known of it


def deep(value: Any) -> Seen:
    """A value with all that is below it.

    Raises:
        TooMuch: it is larger than `MOST`.
    """
    return _deep(value, [MOST])


def _deep(value: Any, left: list[int]) -> Seen:
    kind = type(value)
    left[0] -= 1 if kind is not str else 1 + len(value)
    if left[0] < 0:
        raise TooMuch
    if kind is dict:
        # objects have no order
        return _OBJECT, frozenset((name, _deep(item, left)) for name, item in value.items())
    if kind is list:
        return _ARRAY, *(_deep(item, left) for item in value)
    return _scalar(value)
