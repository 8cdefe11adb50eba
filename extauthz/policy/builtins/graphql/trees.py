"""Syntax trees as values of a policy, and back (v1/topdown/graphql.go, gqlparser's ast/decode.go).

OPA writes gqlparser's structures as JSON, and drops positions, nulls and what is empty.
"""

import dataclasses
from functools import cache
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.representation import Value

_LEFT_OUT: Final = "position"


def to_value(node: Any) -> Value:
    """A document as a policy sees it."""
    if isinstance(node, str | bool | int):
        return node
    found: dict[str, Value] = {}
    kind: Any = type(node)
    for part in _parts(kind):
        inner = getattr(node, part.attribute)
        if isinstance(inner, list):
            items = [to_value(item) for item in inner]
            if items:
                found[part.name] = items
        elif inner is not None:
            value = to_value(inner)
            if value != {}:
                found[part.name] = value
    return found


class _Part(NamedTuple):
    attribute: str
    name: str
    """Go's."""
    type: Any
    """Of the field, or of the list's members."""
    is_list: bool


@cache
def _parts(kind: Any) -> tuple[_Part, ...]:
    hints = get_type_hints(kind)
    found = []
    for each in dataclasses.fields(kind):
        if each.name.startswith("_") or each.name == _LEFT_OUT:
            continue
        name = "".join(word.capitalize() for word in each.name.rstrip("_").split("_"))
        hint = hints[each.name]
        arguments = get_args(hint)
        is_list = getattr(hint, "__origin__", None) is list
        inner = arguments[0] if arguments else hint
        found.append(_Part(each.name, name, inner, is_list))
    return tuple(found)


def query_of(value: dict[Any, Value]) -> nodes.QueryDocument:
    """The query whose tree this is.

    Raises:
        BuiltinError: it is none.
    """
    return _node(value, nodes.QueryDocument)  # type: ignore[no-any-return]


def schema_of(value: dict[Any, Value]) -> nodes.SchemaDocument:
    """The schema whose tree this is.

    Raises:
        BuiltinError: it is none.
    """
    return _node(value, nodes.SchemaDocument)  # type: ignore[no-any-return]


_EXACT: Final = (
    nodes.FragmentDefinition, nodes.InlineFragment, nodes.OperationDefinition, nodes.Field,
)  # fmt: skip
"""Whose fields' names gqlparser reads exactly; elsewhere Go ignores case, and takes comments."""


def _node(value: Value, kind: Any) -> Any:
    if type(value) is not dict:
        raise _mismatch(value, kind)
    made = kind()
    exact = kind in _EXACT
    fields = value if exact else {str(name).lower(): item for name, item in value.items()}
    for part in _parts(kind):
        found = fields.get(part.name if exact else part.name.lower())
        if found is None or (exact and part.name == "Comment"):
            continue
        setattr(made, part.attribute, _part(found, part))
    if isinstance(made, nodes.Type) and not made.named_type and made.elem is None:
        raise BuiltinError("a type of a GraphQL tree has neither a name nor elements")
    if (needed := _NEEDED.get(kind)) and not fields.get(needed if exact else needed.lower()):
        raise BuiltinError(f"a {kind.__name__} of a GraphQL tree has no {needed}")
    return made


_NEEDED: Final[dict[Any, str]] = {
    nodes.VariableDefinition: "Type",
    nodes.ArgumentDefinition: "Type",
    nodes.FieldDefinition: "Type",
    nodes.Argument: "Value",
    nodes.ChildValue: "Value",
}
"""Without which OPA panics."""


def _part(value: Value, part: _Part) -> Any:
    if not part.is_list:
        return _one(value, part.type)
    if type(value) is not list:
        raise _mismatch(value, list)
    if part.attribute == "selection_set":
        return [found for item in value if (found := _selection(item)) is not None]
    return [_one(item, part.type) for item in value]


def _one(value: Value, kind: Any) -> Any:
    if kind in (str, bool, int):
        if type(value) is not kind:
            raise _mismatch(value, kind)
        return value
    return _node(value, kind)


def _selection(value: Value) -> nodes.Selection | None:
    """The first kind that fits, as gqlparser does it: nearly always a field."""
    for kind in (nodes.Field, nodes.FragmentSpread, nodes.InlineFragment):
        try:
            return _node(value, kind)  # type: ignore[no-any-return]
        except BuiltinError:
            continue
    return None


def _mismatch(value: Value, kind: Any) -> BuiltinError:
    return BuiltinError(f"json: cannot unmarshal {type(value).__name__} into {kind.__name__}")
