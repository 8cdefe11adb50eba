"""Schemas that make sense (gqlparser's validator/schema.go)."""

from dataclasses import dataclass, field
from typing import Final, NoReturn

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.errors import schema_error
from extauthz.policy.builtins.graphql.nodes import (
    ArgumentDefinition,
    Definition,
    Directive,
    DirectiveDefinition,
    FieldDefinition,
    Position,
    Type,
    named,
)
from extauthz.policy.builtins.graphql.prelude import prelude
from extauthz.policy.errors import RegoError
from extauthz.policy.values.text import quoted

MAX_FIELDS: Final = 20_000
"""Fields, values and members of one schema's types: more would take seconds."""
_OUTPUT: Final = ("SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM")
_INPUT: Final = ("SCALAR", "ENUM", "INPUT_OBJECT")
_REDECLARED: Final = ("include", "skip", "deprecated", "specifiedBy", "defer", "oneOf")
"""Directives of the prelude, which a schema may declare once more."""


@dataclass(slots=True)
class Schema:
    """A schema, looked up by name. Not changed after it was made."""

    types: dict[str, Definition] = field(default_factory=dict)
    directives: dict[str, DirectiveDefinition] = field(default_factory=dict)
    roots: dict[str, Definition] = field(default_factory=dict)
    """By operation: `query`, `mutation`, `subscription`."""
    possible_types: dict[str, list[Definition]] = field(default_factory=dict)
    fields: dict[str, dict[str, FieldDefinition]] = field(default_factory=dict)
    """Of each type, by name."""

    def field_of(self, parent: Definition | None, name: str) -> FieldDefinition | None:
        """A field of a type."""
        return self.fields[parent.name].get(name) if parent else None


def make_schema(document: nodes.SchemaDocument) -> Schema:
    """The schema of a document, which it changes: extensions go into the types.

    Raises:
        BuiltinError: it makes no sense.
    """
    builtin = prelude()
    definitions = builtin.definitions + document.definitions
    schema = Schema()
    for definition in definitions:
        if definition.name in schema.types:
            _fail(definition.position, f"Cannot redeclare type {definition.name}.")
        schema.types[definition.name] = definition
    for extension in document.extensions:
        definitions += _extend(schema, extension)
    for definition in definitions:
        _add_possible(schema, definition)
    _add_directives(schema, builtin.directives + document.directives)
    if len(document.schema) > 1:
        message = "Cannot have multiple schema entry points, consider schema extensions instead."
        _fail(document.schema[1].position, message)
    for entry in document.schema + document.schema_extension:
        _add_roots(schema, entry)
    checker = _Checker(schema)
    checker.check()
    if not document.schema:
        for operation, name in _ROOTS.items():
            if name in schema.types:
                schema.roots.setdefault(operation, schema.types[name])
    if "query" in schema.roots:
        schema.roots["query"].fields += _introspection()
    for definition in schema.types.values():
        by_name = schema.fields[definition.name] = {}
        for each in definition.fields:
            by_name.setdefault(each.name, each)
    return schema


_ROOTS: Final = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}


def _introspection() -> list[FieldDefinition]:
    name = ArgumentDefinition(name="name", type=Type("String", non_null=True))
    return [
        FieldDefinition(name="__schema", type=Type("__Schema", non_null=True)),
        FieldDefinition(name="__type", type=Type("__Type"), arguments=[name]),
    ]


def _fail(position: Position | None, message: str) -> NoReturn:
    raise schema_error(message, position)


def _extend(schema: Schema, extension: Definition) -> list[Definition]:
    """Put an extension into its type; gives the type, if there was none."""
    name, made = extension.name, []
    base = schema.types.get(name)
    if base is None:
        base = Definition(extension.kind, name=name, position=extension.position)
        schema.types[name] = base
        made.append(base)
    if base.kind != extension.kind:
        message = f"Cannot extend type {name} because the base type is a {base.kind}"
        _fail(extension.position, f"{message}, not {extension.kind}.")
    base.directives = base.directives + extension.directives
    base.interfaces = base.interfaces + extension.interfaces
    base.fields = base.fields + extension.fields
    base.types = base.types + extension.types
    base.enum_values = base.enum_values + extension.enum_values
    return made


def _add_possible(schema: Schema, definition: Definition) -> None:
    possible = schema.possible_types
    if definition.kind == "UNION":
        for name in definition.types:
            if name in schema.types:
                possible.setdefault(definition.name, []).append(schema.types[name])
    elif definition.kind in ("OBJECT", "INPUT_OBJECT", "INTERFACE"):
        for name in definition.interfaces:
            possible.setdefault(name, []).append(definition)
        if definition.kind != "INTERFACE":
            possible.setdefault(definition.name, []).append(definition)


def _add_directives(schema: Schema, directives: list[DirectiveDefinition]) -> None:
    for directive in directives:
        if directive.name in schema.directives and directive.name not in _REDECLARED:
            _fail(directive.position, f"Cannot redeclare directive {directive.name}.")
        schema.directives[directive.name] = directive


def _add_roots(schema: Schema, entry: nodes.SchemaDefinition) -> None:
    for root in entry.operation_types:
        if root.type not in schema.types:
            message = f"Schema root {root.operation} refers to a type {root.type}"
            _fail(root.position, f"{message} that does not exist.")
        if root.operation in _ROOTS:
            schema.roots[root.operation] = schema.types[root.type]
    _Checker(schema).directives(entry.directives, "SCHEMA")


class _Checker:
    """Looks at every type and directive of a schema, by name."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def check(self) -> None:
        """All of it."""
        types = [self.schema.types[name] for name in sorted(self.schema.types)]
        size = sum(len(t.fields) + len(t.types) + len(t.enum_values) for t in types)
        if size > MAX_FIELDS:
            raise RegoError("rego_range", f"a GraphQL schema of more than {MAX_FIELDS} fields")
        for definition in types:
            self.definition(definition)
        self.no_cycles(types)
        for name in sorted(self.schema.directives):
            directive = self.schema.directives[name]
            self.name(directive.position, name)
            self.arguments(directive.arguments, directive)

    def name(self, position: Position | None, name: str) -> None:
        if name.startswith("__"):
            message = f'Name "{name}" must not begin with "__", which is reserved'
            _fail(position, f"{message} by GraphQL introspection.")

    def type(self, found: Type) -> Definition:
        definition = self.schema.types.get(found.name)
        if definition is None:
            _fail(found.position, f"Undefined type {found.name}.")
        return definition

    def definition(self, definition: Definition) -> None:
        kind, name, position = definition.kind, definition.name, definition.position
        location = "INPUT_FIELD_DEFINITION" if kind == "INPUT_OBJECT" else "FIELD_DEFINITION"
        for each in definition.fields:
            self.name(each.position, each.name)
            self.type(each.type)
            self.arguments(each.arguments, None)
            self.directives(each.directives, location)
        for member in definition.types:
            found = self.schema.types.get(member)
            if found is None:
                _fail(position, f"Undefined type {quoted(member)}.")
            if found.kind != "OBJECT":
                _fail(position, f"{kind} type {quoted(member)} must be OBJECT.")
        for interface in definition.interfaces:
            self.implements(definition, interface)
        self.content(definition)
        self.once(definition)
        if not definition.built_in:
            self.name(position, name)
        # one list of all extensions: a directive may stand there more than once
        self.directives(definition.directives, kind, once=False)

    def content(self, definition: Definition) -> None:
        """What a type of its kind must have."""
        kind, name, position = definition.kind, definition.name, definition.position
        if kind in ("OBJECT", "INTERFACE", "INPUT_OBJECT"):
            is_input = kind == "INPUT_OBJECT"
            if not definition.fields:
                what = "input fields" if is_input else "fields"
                _fail(position, f"{kind} {name}: must define one or more {what}.")
            allowed = _INPUT if is_input else _OUTPUT
            for each in definition.fields:
                found = self.type(each.type)
                if found.kind not in allowed:
                    what = f"{found.kind} {each.name}" if is_input else f"{kind} {name}"
                    _fail(each.position, f"{what}: field must be one of {', '.join(allowed)}.")
        elif kind == "ENUM":
            if not definition.enum_values:
                _fail(position, f"{kind} {name}: must define one or more unique enum values.")
            for value in definition.enum_values:
                if value.name in ("true", "false", "null"):
                    _fail(position, f"{kind} {name}: non-enum value {value.name}.")
                self.directives(value.directives, "ENUM_VALUE")

    def once(self, definition: Definition) -> None:
        """Nothing is in a type twice."""
        name = definition.name
        for what, items in (("Field", definition.fields), ("Enum value", definition.enum_values)):
            seen: set[str] = set()
            for item in items:
                if item.name in seen:
                    message = f"{what} {name}.{item.name} can only be defined once."
                    _fail(item.position, message)
                seen.add(item.name)
        if len(set(definition.types)) < len(definition.types):
            _fail(definition.position, f"Union type {name} can only include a type once.")

    def arguments(
        self, arguments: list[ArgumentDefinition], directive: DirectiveDefinition | None
    ) -> None:
        for argument in arguments:
            self.name(argument.position, argument.name)
            found = self.type(argument.type)
            if not found.is_input:
                message = f"cannot use {argument.type} as argument {argument.name} because"
                _fail(argument.position, f"{message} {found.kind} is not a valid input type")
            self.directives(argument.directives, "ARGUMENT_DEFINITION", directive)

    def directives(
        self,
        directives: list[Directive],
        location: str,
        inside: DirectiveDefinition | None = None,
        once: bool = True,
    ) -> None:
        """Directives at a location; `inside` the definition of one they must not refer to it."""
        seen: set[str] = set()
        for directive in directives:
            name, position = directive.name, directive.position
            self.name(position, name)
            if inside is not None and name == inside.name:
                _fail(position, f"Directive {name} cannot refer to itself.")
            definition = self.schema.directives.get(name)
            if definition is None:
                _fail(position, f"Undefined directive {name}.")
            if once and name in seen and not definition.is_repeatable:
                _fail(position, f"The directive {name} can only be used once at this location.")
            seen.add(name)
            if location not in definition.locations:
                _fail(position, f"Directive {name} is not applicable on {location}.")
            for argument in directive.arguments:
                if named(definition.arguments, argument.name) is None:
                    message = f"Undefined argument {argument.name} for directive {name}."
                    _fail(argument.position, message)
            for needed in definition.arguments:
                if needed.type.non_null and needed.default_value is None:
                    argument = named(directive.arguments, needed.name)
                    if argument is None or argument.value.kind == nodes.NULL:
                        message = f"Argument {needed.name} for directive {name} cannot be null."
                        _fail(position, message)

    def implements(self, definition: Definition, name: str) -> None:
        """A type has all that its interface says."""
        interface = self.schema.types.get(name)
        if interface is None:
            _fail(definition.position, f"Undefined type {quoted(name)}.")
        if interface.kind != "INTERFACE":
            message = f"{quoted(name)} is a non interface type {interface.kind}."
            _fail(definition.position, message)
        start = f"For {definition.name} to implement {name}"
        fields = {each.name: each for each in reversed(definition.fields)}
        for required in interface.fields:
            found = fields.get(required.name)
            if found is None:
                message = f"{start} it must have a field called {required.name}."
                _fail(definition.position, message)
            if not self.is_covariant(required.type, found.type):
                message = f"{start} the field {required.name} must have type {required.type}."
                _fail(found.position, message)
            self.implements_arguments(start, required, found)
        for transitive in interface.interfaces:
            if transitive in definition.interfaces:
                continue
            if transitive == definition.name:
                message = f"Type {definition.name} cannot implement {name} because"
                _fail(definition.position, f"{message} it would create a circular reference.")
            message = f"Type {definition.name} must implement {transitive} because"
            _fail(definition.position, f"{message} it is implemented by {name}.")

    def implements_arguments(
        self, start: str, required: FieldDefinition, found: FieldDefinition
    ) -> None:
        same = f"{start} the field {required.name} must have the same arguments but"
        for argument in required.arguments:
            other = named(found.arguments, argument.name)
            if other is None:
                _fail(found.position, f"{same} it is missing {argument.name}.")
            if not argument.type.is_compatible(other.type):
                _fail(other.position, f"{same} {argument.name} has the wrong type.")
        for argument in found.arguments:
            needed = argument.type.non_null and argument.default_value is None
            if needed and named(required.arguments, argument.name) is None:
                message = f"{start} any additional arguments on {found.name} must be optional"
                message = f"{message} or have a default value but {argument.name} is required."
                _fail(argument.position, message)

    def is_covariant(self, required: Type, actual: Type) -> bool:
        if required.non_null and not actual.non_null:
            return False
        if required.named_type:
            if required.named_type == actual.named_type:
                return True
            possible = self.schema.possible_types.get(required.named_type, [])
            return any(each.name == actual.named_type for each in possible)
        if required.elem is None or actual.elem is None:
            return False
        return self.is_covariant(required.elem, actual.elem)

    def no_cycles(self, types: list[Definition]) -> None:
        """No input object needs itself."""
        visited: set[str] = set()
        path: list[FieldDefinition] = []
        started: dict[str, int] = {}

        def visit(definition: Definition) -> None:
            if definition.name in visited:
                return
            visited.add(definition.name)
            started[definition.name] = len(path)
            for each in definition.fields:
                inner = self.schema.types.get(each.type.named_type)
                if not each.type.non_null or inner is None or inner.kind != "INPUT_OBJECT":
                    continue
                path.append(each)
                if inner.name in started:
                    cycle = path[started[inner.name] :]
                    names = quoted(".".join(one.name for one in cycle))
                    message = f"Cannot reference Input Object {quoted(inner.name)} within itself"
                    message = f"{message} through a series of non-null fields: {names}."
                    _fail(cycle[0].position, message)
                visit(inner)
                path.pop()
            del started[definition.name]

        for definition in types:
            if definition.kind == "INPUT_OBJECT":
                visit(definition)
