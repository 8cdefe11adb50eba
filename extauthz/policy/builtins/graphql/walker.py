"""Walks a query beside its schema (gqlparser's validator/core/walk.go).

It finds what each part means, and tells the rules of each part when all inside was walked. The
first thing that a rule finds wrong ends it. Work is counted: a client wrote the query.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.nodes import Definition, Directive, Selection, named
from extauthz.policy.builtins.graphql.schema import Schema
from extauthz.policy.errors import RegoError

MAX_WORK: Final = 100_000
"""Parts visited and pairs of fields compared for one query: 0.3 s."""
_TYPENAME: Final = nodes.FieldDefinition(name="__typename", type=nodes.Type("String"))


class Rules(Protocol):
    """What is told of each part."""

    def operation(self, walk: "Walk", node: nodes.OperationDefinition, /) -> None:
        """An operation and all in it."""

    def fragment(self, walk: "Walk", node: nodes.FragmentDefinition, /) -> None:
        """A fragment and all in it."""

    def field(self, walk: "Walk", node: nodes.Field, /) -> None:
        """A field that is asked for."""

    def inline_fragment(self, walk: "Walk", node: nodes.InlineFragment, /) -> None:
        """A fragment without a name."""

    def fragment_spread(self, walk: "Walk", node: nodes.FragmentSpread, /) -> None:
        """Where a fragment is used."""

    def directive(self, walk: "Walk", node: Directive, /) -> None:
        """A directive."""

    def directives(self, walk: "Walk", found: list[Directive], /) -> None:
        """All directives at one place."""

    def value(self, walk: "Walk", node: nodes.Value, /) -> None:
        """A literal or variable."""

    def variable(self, walk: "Walk", node: nodes.VariableDefinition, /) -> None:
        """The definition of a variable."""


@dataclass(slots=True)
class Walk:
    """One walk."""

    schema: Schema
    document: nodes.QueryDocument
    rules: Rules
    fragments: dict[str, nodes.FragmentDefinition]
    operation: nodes.OperationDefinition | None = None
    """In which it is; None in the definition of a fragment."""
    variables: dict[str, nodes.VariableDefinition] | None = None
    """Of that operation."""
    walked: set[str] | None = None
    """Fragments that this operation or fragment used."""
    work: int = 0

    def spend(self, work: int = 1) -> None:
        """Count work."""
        self.work += work
        if self.work > MAX_WORK:
            raise RegoError("rego_range", f"a GraphQL query that takes more than {MAX_WORK} steps")


def walk(schema: Schema, document: nodes.QueryDocument, rules: Rules) -> None:
    """Tell `rules` of all in `document`; what they raise ends it."""
    fragments: dict[str, nodes.FragmentDefinition] = {}
    for fragment in document.fragments:
        fragments.setdefault(fragment.name, fragment)
    state = Walk(schema, document, rules, fragments)
    for operation in document.operations:
        state.walked = set()
        _operation(state, operation)
    for fragment in document.fragments:
        state.walked = set()
        parent = schema.types.get(fragment.type_condition)
        _directives(state, fragment.directives, "FRAGMENT_DEFINITION")
        _selections(state, parent, fragment.selection_set)
        rules.fragment(state, fragment)


def _operation(w: Walk, operation: nodes.OperationDefinition) -> None:
    w.operation = operation
    w.variables = {}
    for variable in operation.variable_definitions:
        w.spend()
        w.variables.setdefault(variable.variable, variable)
        variable._definition = w.schema.types.get(variable.type.name)
        w.rules.variable(w, variable)
    for variable in operation.variable_definitions:
        if variable.default_value is not None:
            variable.default_value._expected_type = variable.type
            variable.default_value._definition = variable._definition
            _value(w, variable.default_value)
        _directives(w, variable.directives, "VARIABLE_DEFINITION")
    kind = operation.operation or "query"
    _directives(w, operation.directives, kind.upper())
    _selections(w, w.schema.roots.get(kind), operation.selection_set)
    w.rules.operation(w, operation)
    w.operation = w.variables = None


def _directives(w: Walk, directives: list[Directive], location: str) -> None:
    for directive in directives:
        w.spend()
        definition = w.schema.directives.get(directive.name)
        directive._definition, directive.location = definition, location
        for argument in directive.arguments:
            _argument(w, definition.arguments if definition else [], argument)
        w.rules.directive(w, directive)
    w.rules.directives(w, directives)


def _argument(
    w: Walk, definitions: list[nodes.ArgumentDefinition], argument: nodes.Argument
) -> None:
    definition = named(definitions, argument.name)
    if definition is not None:
        _expect(w, argument.value, definition.type, definition.default_value)
    _value(w, argument.value)


def _expect(w: Walk, value: nodes.Value, kind: nodes.Type, default: nodes.Value | None) -> None:
    value._expected_type = kind
    value.expected_type_has_default = default is not None and default.kind != nodes.NULL
    value._definition = w.schema.types.get(kind.name)


def _value(w: Walk, value: nodes.Value) -> None:
    w.spend()
    if value.kind == nodes.VARIABLE and w.variables is not None:
        value._variable = w.variables.get(value.raw)
        if value._variable is not None:
            value._variable.used = True
    elif value.kind == nodes.OBJECT:
        for child in value.children:
            definition = w.schema.field_of(value._definition, child.name)
            if definition is not None:
                _expect(w, child.value, definition.type, definition.default_value)
            _value(w, child.value)
    elif value.kind == nodes.LIST:
        expected = value._expected_type
        for child in value.children:
            if expected is not None and expected.elem is not None:
                child.value._expected_type = expected.elem
                child.value._definition = value._definition
            _value(w, child.value)
    w.rules.value(w, value)


def _selections(w: Walk, parent: Definition | None, selections: list[Selection]) -> None:
    for selection in selections:
        w.spend()
        selection._object = parent
        if isinstance(selection, nodes.Field):
            _field(w, parent, selection)
        elif isinstance(selection, nodes.InlineFragment):
            inner = parent
            if selection.type_condition:
                inner = w.schema.types.get(selection.type_condition)
            _directives(w, selection.directives, "INLINE_FRAGMENT")
            _selections(w, inner, selection.selection_set)
            w.rules.inline_fragment(w, selection)
        else:
            _spread(w, selection)


def _field(w: Walk, parent: Definition | None, field: nodes.Field) -> None:
    definition = _TYPENAME
    if field.name != "__typename":
        found = w.schema.field_of(parent, field.name)
        field._definition = found
        definition = found or nodes.FieldDefinition()
    else:
        field._definition = _TYPENAME
    for argument in field.arguments:
        _argument(w, definition.arguments, argument)
    _directives(w, field.directives, "FIELD")
    _selections(w, w.schema.types.get(definition.type.name), field.selection_set)
    w.rules.field(w, field)


def _spread(w: Walk, spread: nodes.FragmentSpread) -> None:
    definition = w.fragments.get(spread.name)
    spread._definition = definition
    _directives(w, spread.directives, "FRAGMENT_SPREAD")
    assert w.walked is not None  # noqa: S101
    if definition is not None and definition.name not in w.walked:
        w.walked.add(definition.name)
        inner = w.schema.types.get(definition.type_condition)
        _directives(w, definition.directives, "FRAGMENT_DEFINITION")
        _selections(w, inner, definition.selection_set)
    w.rules.fragment_spread(w, spread)
