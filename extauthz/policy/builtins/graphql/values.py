"""Whether literals and variables are of the type that is expected (values_of_correct_type.go)."""

from typing import Final, NoReturn

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.errors import validation_error
from extauthz.policy.builtins.graphql.nodes import Position, Value, named
from extauthz.policy.values.text import quoted

_SCALARS: Final = ("Int", "Float", "String", "Boolean", "ID")
_ALLOWED: Final = {
    nodes.INT: ("Int", "Float", "ID"),
    nodes.FLOAT: ("Float",),
    nodes.STRING: ("String", "ID"),
    nodes.BLOCK: ("String", "ID"),
    nodes.BOOLEAN: ("Boolean",),
}
"""Kind of literal -> scalars that it may be."""
_MESSAGES: Final = {
    "Int": "Int cannot represent non-integer value",
    "Int!": "Int cannot represent non-integer value",
    "String": "String cannot represent a non string value",
    "String!": "String cannot represent a non string value",
    "[String]": "String cannot represent a non string value",
    "Boolean": "Boolean cannot represent a non boolean value",
    "Boolean!": "Boolean cannot represent a non boolean value",
    "Float": "Float cannot represent non numeric value",
    "Float!": "Float cannot represent non numeric value",
    "ID": "ID cannot represent a non-string and non-integer value",
    "ID!": "ID cannot represent a non-string and non-integer value",
}


def _fail(position: Position | None, message: str) -> NoReturn:
    raise validation_error(message, position)


def text(value: Value) -> str:
    """A literal as gqlparser writes it in errors."""
    if value.kind == nodes.VARIABLE:
        return f"${value.raw}"
    if value.kind in (nodes.STRING, nodes.BLOCK):
        return quoted(value.raw)
    if value.kind == nodes.LIST:
        return "[" + ",".join(text(child.value) for child in value.children) + "]"
    if value.kind == nodes.OBJECT:
        return "{" + ",".join(f"{c.name}:{text(c.value)}" for c in value.children) + "}"
    return value.raw


def check_value(value: Value) -> None:
    """A literal is of the type that is expected."""
    definition, expected = value._definition, value._expected_type
    if definition is None or expected is None:
        return
    if value.kind == nodes.NULL:
        if expected.non_null:
            _fail(value.position, f'Expected value of type "{expected}", found {text(value)}.')
        return
    is_enum = definition.kind == "ENUM"
    if definition.kind == "SCALAR" and definition.name not in _SCALARS:
        return
    if not _is_in_range(value):
        _unexpected(value, expected, is_enum)
    if value.kind == nodes.LIST:
        if expected.elem is None:
            _unexpected(value, expected, is_enum)
    elif value.kind in _ALLOWED:
        if is_enum and value.kind in (nodes.STRING, nodes.BLOCK):
            message = f'Enum "{expected}" cannot represent non-enum value: {text(value)}.'
            _fail(value.position, message)
        if definition.name not in _ALLOWED[value.kind]:
            _unexpected(value, expected, is_enum)
    elif value.kind == nodes.ENUM:
        if not is_enum:
            _unexpected(value, expected, is_enum)
        if named(definition.enum_values, value.raw) is None:
            message = f'Value "{text(value)}" does not exist in "{expected}" enum.'
            _fail(value.position, message)
    elif value.kind == nodes.OBJECT:
        _object(value, definition)


def _is_in_range(value: Value) -> bool:
    """Whether Go could read all numbers inside."""
    if value.kind == nodes.INT:
        return len(value.raw) < 21 and -(2**63) <= int(value.raw) < 2**63
    if value.kind == nodes.FLOAT:
        return abs(float(value.raw)) != float("inf")
    return all(_is_in_range(child.value) for child in value.children)


def _unexpected(value: Value, expected: nodes.Type, is_enum: bool) -> NoReturn:
    name, shown = str(expected), text(value)
    if name in _MESSAGES:
        message = f"{_MESSAGES[name]}: {shown}"
        is_digits = value.raw.lstrip("+-").isdigit()
        if (
            name in ("Int", "Int!")
            and is_digits
            and (len(value.raw) > 11 or not -(2**31) <= int(value.raw) < 2**31)
        ):
            message = f"Int cannot represent non 32-bit signed integer value: {shown}"
    elif is_enum:
        message = f'Enum "{name}" cannot represent non-enum value: {shown}.'
    else:
        message = f'Expected value of type "{name}", found {shown}.'
    _fail(value.position, message)


def _object(value: Value, definition: nodes.Definition) -> None:
    name, position = definition.name, value.position
    given = {child.name for child in value.children}
    for each in definition.fields:
        if each.type.non_null and each.name not in given and each.default_value is None:
            message = f'Field "{name}.{each.name}" of required type "{each.type}"'
            _fail(position, f"{message} was not provided.")
    if named(definition.directives, "oneOf") is not None:
        if len(value.children) != 1:
            _fail(position, f'OneOf Input Object "{name}" must specify exactly one key.')
        inner = value.children[0].value
        if inner.kind == nodes.NULL:
            first = definition.fields[0].name
            _fail(inner.position, f'Field "{name}.{first}" must be non-null.')
    known = {each.name for each in definition.fields}
    for child in value.children:
        if child.name not in known:
            _fail(child.position, f'Field "{child.name}" is not defined by type "{name}".')


def check_variable_position(value: Value) -> None:
    """A variable is of the type that is expected (variables_in_allowed_position.go)."""
    variable, expected = value._variable, value._expected_type
    if value.kind == nodes.VARIABLE and variable is not None and expected is not None:
        default = variable.default_value
        optional = value.expected_type_has_default or (
            default is not None and default.kind != nodes.NULL
        )
        wanted = nodes.Type(expected.named_type, expected.elem, expected.non_null and not optional)
        if not variable.type.is_compatible(wanted):
            message = f'Variable "{text(value)}" of type "{variable.type}" used in position'
            _fail(value.position, f'{message} expecting type "{expected}".')
    if value.kind == nodes.OBJECT and value._definition is not None:
        if named(value._definition.directives, "oneOf") is None:
            return
        for child in value.children:
            found = child.value._variable
            if child.value.kind == nodes.VARIABLE and found and not found.type.non_null:
                message = f'Variable "{text(child.value)}" is of type "{found.type}"'
                message = f"{message} but must be non-nullable to be used for OneOf Input Object"
                _fail(found.position, f'{message} "{value._definition.name}".')
