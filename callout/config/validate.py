"""A pydantic model filled from a Source: every problem at once, each with its place.

Values are validated in pydantic's JSON mode: strict (`"1"` is no number), while lists may fill
tuples and texts may fill enumerations, which its Python mode refuses when it is strict.
"""

import difflib
import json
import re
from collections.abc import Iterable
from types import UnionType
from typing import Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
import pydantic
from pydantic.fields import FieldInfo

from callout.config.problems import Problem, Rejected, describe
from callout.config.source import Source, Step

M = TypeVar("M", bound=pydantic.BaseModel)


class Block(pydantic.BaseModel):
    """The base of every model that is read from YAML: strict, frozen, unknown keys refused."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class Secret:
    """Marks a field whose value is never shown: `password: Annotated[str, SECRET]`."""


SECRET: Final = Secret()


def validate(model: type[M], source: Source) -> M | Rejected:
    """Fills `model` from `source`. Never raises.

    A `ValueError` of a model's own validator is shown as it is, so it should say
    `expected ..., found ...`; it must not contain a secret.
    """
    try:
        return model.model_validate_json(_json(source.value))
    except pydantic.ValidationError as error:
        read = [_Error.read(each, source.value) for each in error.errors(include_url=False)]
        found = _without_unions([each for each in read if not _is_echo(each, source)])
        return Rejected(tuple(_problem(model, source, each) for each in found))


def _json(value: Any) -> bytes:
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()  # half of a surrogate pair, from a settings variable


_encode: Final = msgspec.json.Encoder().encode
"""A microsecond for a block; `json.dumps` takes seven."""


def _is_echo(error: "_Error", source: Source) -> bool:
    """Pydantic counts only the good items of a list: a bad one makes the list too short as well."""
    if error.kind != "too_short":
        return False
    return bool(len(source.at(*error.path).value) >= error.context["min_length"])


def suggest(found: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or an empty text."""
    close = difflib.get_close_matches(found, sorted(known), 1, 0.6)
    return close[0] if close else ""


def _has(value: Any, step: Step) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and step < len(value)
    return isinstance(value, dict) and step in value


class _Error(NamedTuple):
    """One of pydantic's errors, its location split into what is in the value and what is not."""

    kind: str
    message: str
    context: dict[str, Any]
    path: tuple[Step, ...]
    labels: tuple[tuple[int, Step], ...]
    """Names of alternatives that pydantic tried, each with the length of the path before it."""
    of_key: bool

    @classmethod
    def read(cls, error: Any, value: Any) -> "_Error":
        path: list[Step] = []
        labels: list[tuple[int, Step]] = []
        names_key = error["type"] in ("missing", "extra_forbidden")
        of_key = error["type"] == "extra_forbidden"
        location = error["loc"]
        for index, step in enumerate(location):
            if _has(value, step):
                value = value[step]
                path.append(step)
            elif names_key and index == len(location) - 1:
                path.append(step)
            elif step == "[key]":
                of_key = True
            else:
                labels.append((len(path), step))
        context = error.get("ctx", {})
        return cls(error["type"], error["msg"], context, tuple(path), tuple(labels), of_key)

    @property
    def is_mismatch(self) -> bool:
        """The value is of a wrong kind altogether, whatever is in it."""
        return self.kind.endswith("_type") or self.kind in ("literal_error", "enum")

    @property
    def expected(self) -> str:
        """What goes after `expected`; empty if the message is a sentence of its own."""
        template = _EXPECTED.get(self.kind)
        return template.format(**self.context) if template else ""


_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "nothing",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "text that matches {pattern}",
}
"""pydantic's error types in our words."""


def _without_unions(errors: list[_Error]) -> list[_Error]:
    """Of the alternatives that pydantic tried, keeps the errors of the one that was meant."""
    kept = [each for each in errors if not each.labels]
    unions: dict[tuple[Step, ...], dict[Step, list[_Error]]] = {}
    for each in errors:
        if each.labels:
            depth, label = each.labels[0]
            members = unions.setdefault(each.path[:depth], {})
            members.setdefault(label, []).append(each._replace(labels=each.labels[1:]))
    for path, members in unions.items():
        candidates = [
            found
            for found in members.values()
            if not any(each.is_mismatch and each.path == path for each in found)
        ]
        if candidates:
            kept += _without_unions(min(candidates, key=len))
        else:
            every = [each for found in members.values() for each in found if each.path == path]
            expected = " or ".join(dict.fromkeys(each.expected for each in every if each.expected))
            kept.append(every[0]._replace(kind="literal_error", context={"expected": expected}))
    return kept


def _problem(model: type[pydantic.BaseModel], source: Source, error: _Error) -> Problem:
    path = error.path
    if error.kind == "missing":
        return source.problem(path[:-1], f"expected the key `{path[-1]}`, found none")
    if error.kind == "extra_forbidden":
        known = _keys(annotations_at(model, path[:-1]))
        message = f"expected one of {', '.join(sorted(known))}; found an unknown key"
        return source.problem(path, message, suggest(str(path[-1]), known), key=True)
    if error.kind in ("value_error", "assertion_error"):
        return source.problem(path, str(error.context.get("error", "")), key=error.of_key)
    if not error.expected:
        return source.problem(path, error.message, key=error.of_key)
    value = path[-1] if error.of_key else source.at(*path).value
    secret = isinstance(value, str) and _is_secret(model, path)
    found = "a value that is not shown" if secret else describe(value)
    hint = ""
    if error.kind in ("literal_error", "enum") and isinstance(value, str) and not secret:
        hint = suggest(value, re.findall(r"'([^']*)'", error.expected))
    return source.problem(path, f"expected {error.expected}, found {found}", hint, key=error.of_key)


def _is_secret(model: type[pydantic.BaseModel], path: tuple[Step, ...]) -> bool:
    return any(
        each is pydantic.SecretStr or isinstance(each, Secret)
        for each in annotations_at(model, path)
    )


def annotations_at(model: type[pydantic.BaseModel], path: tuple[Step, ...]) -> list[Any]:
    """All types, and marks such as `SECRET`, that a model allows at a path."""
    return _annotations([model], path)


def _annotations(candidates: Iterable[Any], path: tuple[Step, ...]) -> list[Any]:
    """All types (and marks) that the schema allows at `path`, alternatives side by side."""
    here = [leaf for each in candidates for leaf in _leaves(each)]
    if not path:
        return here
    below: list[Any] = []
    for each in here:
        if isinstance(each, type) and issubclass(each, pydantic.BaseModel):
            below += _field_types(each, path[0])
        elif get_origin(each) in (list, tuple, set, frozenset) and isinstance(path[0], int):
            below += [arg for arg in get_args(each) if arg is not Ellipsis]
        elif get_origin(each) is dict and isinstance(path[0], str):
            below.append(get_args(each)[1])
    return _annotations(below, path[1:])


def _field_types(model: type[pydantic.BaseModel], key: Step) -> list[Any]:
    return [
        part
        for name, field in model.model_fields.items()
        if key == _key(name, field)
        for part in (field.annotation, *field.metadata)
    ]


def _leaves(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [leaf for each in get_args(annotation) for leaf in _leaves(each)]
    if hasattr(annotation, "__metadata__"):
        return [*_leaves(annotation.__origin__), *annotation.__metadata__]
    if isinstance(annotation, type) and issubclass(annotation, pydantic.RootModel):
        root = annotation.model_fields["root"]
        return [*_leaves(root.annotation), *root.metadata]
    return [annotation]


def _key(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name


def _keys(annotations: list[Any]) -> set[str]:
    return {
        _key(name, field)
        for each in annotations
        if isinstance(each, type) and issubclass(each, pydantic.BaseModel)
        for name, field in each.model_fields.items()
    }
