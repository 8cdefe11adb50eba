"""The rules that a query must keep (gqlparser's validator/rules), beside those on merged fields.

They stand in the order of gqlparser's names for them, since the first one broken is what is said.
Its proposals ("Did you mean ...?") are left out: a policy sees no more than that it failed.
"""

from typing import Any, Final, NoReturn

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.errors import validation_error
from extauthz.policy.builtins.graphql.nodes import Definition, Directive, Position, Selection
from extauthz.policy.builtins.graphql.overlapping import Overlapping
from extauthz.policy.builtins.graphql.values import check_value, check_variable_position
from extauthz.policy.builtins.graphql.walker import Walk
from extauthz.policy.values.text import quoted

MAX_INTROSPECTION: Final = 3
"""Lists of introspection inside each other."""
_LISTS: Final = ("fields", "interfaces", "possibleTypes", "inputFields")


def _fail(position: Position | None, message: str) -> NoReturn:
    raise validation_error(message, position)


class QueryRules:
    """All rules, told of one document."""

    def __init__(self) -> None:
        self.overlapping = Overlapping()
        self.used_fragments: set[str] = set()
        self.in_fragments = False
        """The operations are behind us."""
        self.acyclic: set[str] = set()
        self.fragment_names: set[str] = set()
        self.operation_names: set[str] = set()

    def operation(self, walk: Walk, node: nodes.OperationDefinition) -> None:
        """KnownRootType, LoneAnonymousOperation, NoUnusedVariables, and so on."""
        kind = node.operation or "query"
        if kind not in walk.schema.roots:
            _fail(node.position, f'Schema does not support operation type "{node.operation}"')
        if not node.name and len(walk.document.operations) > 1:
            _fail(node.position, "This anonymous operation must be the only defined operation.")
        for variable in node.variable_definitions:
            if not variable.used:
                inside = f' in operation "{node.name}"' if node.name else ""
                _fail(variable.position, f'Variable "${variable.variable}" is never used{inside}.')
        self.overlapping.check(walk, node.selection_set)
        if kind == "subscription":
            _single_field(node)
        if node.name in self.operation_names:
            _fail(node.position, f'There can be only one operation named "{node.name}".')
        self.operation_names.add(node.name)
        _once(node.variable_definitions, "variable", "variable", "$")
        for variable in node.variable_definitions:
            found = variable._definition
            if found is not None and not found.is_input:
                message = f'Variable "${variable.variable}" cannot be non-input type'
                _fail(variable.position, f'{message} "{variable.type}".')

    def fragment(self, walk: Walk, node: nodes.FragmentDefinition) -> None:
        """FragmentsOnCompositeTypes, KnownTypeNames, NoFragmentCycles, NoUnusedFragments."""
        self.in_fragments = True
        definition = walk.schema.types.get(node.type_condition)
        if definition is not None and node.type_condition and not definition.is_composite:
            message = f'Fragment "{node.name}" cannot condition on non composite type'
            _fail(node.position, f'{message} "{node.type_condition}".')
        if definition is None:
            _fail(node.position, f'Unknown type "{node.type_condition}".')
        self._no_cycles(walk, node, [])
        if node.name not in self.used_fragments:
            _fail(node.position, f'Fragment "{node.name}" is never used.')
        self.overlapping.check(walk, node.selection_set)
        if node.name in self.fragment_names:
            _fail(node.position, f'There can be only one fragment named "{node.name}".')
        self.fragment_names.add(node.name)

    def field(self, walk: Walk, node: nodes.Field) -> None:
        """FieldsOnCorrectType, KnownArgumentNames, MaxIntrospectionDepth, ScalarLeafs."""
        definition, parent = node._definition, node._object
        if definition is None and parent is not None:
            _fail(node.position, f'Cannot query field "{node.name}" on type "{parent.name}".')
        if definition is not None and parent is not None:
            known = {argument.name for argument in definition.arguments}
            for argument in node.arguments:
                if argument.name not in known:
                    message = f'Unknown argument "{argument.name}" on field'
                    _fail(node.position, f'{message} "{parent.name}.{node.name}".')
        if node.name in ("__schema", "__type") and _is_too_deep(walk, [node], 0, {}):
            _fail(node.position, "Maximum introspection depth exceeded")
        if walk.operation is not None:
            self.overlapping.check(walk, node.selection_set)
        if definition is not None:
            _required(node.arguments, definition.arguments, f'Field "{node.name}"', node.position)
            _leafs(walk, node, definition)
        _once(node.arguments, "argument", "name")

    def inline_fragment(self, walk: Walk, node: nodes.InlineFragment) -> None:
        """FragmentsOnCompositeTypes, KnownTypeNames, PossibleFragmentSpreads."""
        name = node.type_condition
        definition = walk.schema.types.get(name)
        if definition is not None and not definition.is_composite:
            _fail(node.position, f'Fragment cannot condition on non composite type "{name}".')
        if name and definition is None:
            _fail(node.position, f'Unknown type "{name}".')
        self.overlapping.check(walk, node.selection_set)
        if not _is_possible(walk, node._object, name):
            _spread_fails("Fragment", node._object, name, node.position)

    def fragment_spread(self, walk: Walk, node: nodes.FragmentSpread) -> None:
        """KnownFragmentNames, PossibleFragmentSpreads."""
        if node._definition is None:
            _fail(node.position, f'Unknown fragment "{node.name}".')
        if not self.in_fragments:
            self.used_fragments.add(node.name)
        name = node._definition.type_condition
        if not _is_possible(walk, node._object, name):
            _spread_fails(f'Fragment "{node.name}"', node._object, name, node.position)

    def directive(self, _: Walk, node: Directive) -> None:
        """KnownArgumentNames, KnownDirectives, ProvidedRequiredArguments."""
        definition = node._definition
        if definition is None:
            _fail(node.position, f'Unknown directive "@{node.name}".')
        known = {argument.name for argument in definition.arguments}
        for argument in node.arguments:
            if argument.name not in known:
                message = f'Unknown argument "{argument.name}" on directive "@{node.name}".'
                _fail(node.position, message)
        if node.location not in definition.locations:
            message = f'Directive "@{node.name}" may not be used on {node.location}.'
            _fail(node.position, message)
        _required(node.arguments, definition.arguments, f'Directive "@{node.name}"', node.position)
        _once(node.arguments, "argument", "name")

    def directives(self, _: Walk, nodes: list[Directive]) -> None:
        """UniqueDirectivesPerLocation."""
        seen: set[str] = set()
        for node in nodes:
            repeatable = node._definition is not None and node._definition.is_repeatable
            if node.name in seen and not repeatable:
                message = f'The directive "@{node.name}" can only be used once at this location.'
                _fail(node.position, message)
            seen.add(node.name)

    def value(self, walk: Walk, node: nodes.Value) -> None:
        """NoUndefinedVariables, UniqueInputFieldNames, ValuesOfCorrectType, and so on."""
        if walk.operation is not None and node.kind == nodes.VARIABLE and node._variable is None:
            name = walk.operation.name
            inside = f' by operation "{name}"' if name else ""
            _fail(node.position, f'Variable "${node.raw}" is not defined{inside}.')
        if node.kind == nodes.OBJECT:
            _once(node.children, "input field", "name")
        check_value(node)
        if walk.operation is not None:
            check_variable_position(node)

    def variable(self, walk: Walk, node: nodes.VariableDefinition) -> None:
        """KnownTypeNames."""
        if node.type.name not in walk.schema.types:
            _fail(node.position, f'Unknown type "{node.type.name}".')

    def _no_cycles(
        self, walk: Walk, fragment: nodes.FragmentDefinition, path: list[nodes.FragmentSpread]
    ) -> None:
        """No fragment is in itself; `path`: the spreads that lead here."""
        if fragment.name in self.acyclic:
            return
        self.acyclic.add(fragment.name)
        self._follow(walk, fragment, path, {fragment.name: len(path)})

    def _follow(
        self,
        walk: Walk,
        fragment: nodes.FragmentDefinition,
        path: list[nodes.FragmentSpread],
        starts: dict[str, int],
    ) -> None:
        for spread in _spreads(walk, fragment.selection_set):
            path.append(spread)
            if spread.name in starts:
                names = [f'"{one.name}"' for one in path[starts[spread.name] : -1]]
                via = f" via {', '.join(names)}" if names else ""
                message = f'Cannot spread fragment "{spread.name}" within itself{via}.'
                _fail(spread.position, message)
            inner = walk.fragments.get(spread.name)
            if inner is not None and inner.name not in self.acyclic:
                self.acyclic.add(inner.name)
                starts[inner.name] = len(path)
                self._follow(walk, inner, path, starts)
                del starts[inner.name]
            path.pop()


def _once(items: Any, what: str, attribute: str, mark: str = "") -> None:
    """No two of `items` have one name."""
    seen: set[str] = set()
    for item in items:
        name = getattr(item, attribute)
        if name in seen:
            _fail(item.position, f'There can be only one {what} named "{mark}{name}".')
        seen.add(name)


def _required(
    given: list[nodes.Argument],
    definitions: list[nodes.ArgumentDefinition],
    what: str,
    position: Position | None,
) -> None:
    names = {argument.name for argument in given}
    for argument in definitions:
        needed = argument.type.non_null and argument.default_value is None
        if needed and argument.name not in names:
            message = f'{what} argument "{argument.name}" of type "{argument.type}" is required'
            _fail(position, f"{message}, but it was not provided.")


def _leafs(walk: Walk, node: nodes.Field, definition: nodes.FieldDefinition) -> None:
    """What has fields is asked for some, what has none for none."""
    found = walk.schema.types.get(definition.type.name)
    if found is None:
        return
    if found.is_leaf and node.selection_set:
        message = f'Field "{node.name}" must not have a selection since type'
        _fail(node.position, f'{message} "{found.name}" has no subfields.')
    if not found.is_leaf and not node.selection_set:
        message = f'Field "{node.name}" of type "{definition.type}"'
        message = f"{message} must have a selection of subfields."
        _fail(node.position, f'{message} Did you mean "{node.name} {{ ... }}"?')


def _single_field(node: nodes.OperationDefinition) -> None:
    """A subscription asks for one field, and not for introspection."""
    fields = _top_fields(node.selection_set, set(), {})
    name = f"Subscription {quoted(node.name)}" if node.name else "Anonymous Subscription"
    if len(fields) > 1:
        _fail(list(fields.values())[1], f"{name} must select only one top level field.")
    for field, position in fields.items():
        if field.startswith("__"):
            _fail(position, f"{name} must not select an introspection top level field.")


def _top_fields(
    selections: list[Selection], walked: set[str], fields: dict[str, Position | None]
) -> dict[str, Position | None]:
    for selection in selections:
        if isinstance(selection, nodes.Field):
            fields.setdefault(selection.name, selection.position)
        elif isinstance(selection, nodes.InlineFragment):
            _top_fields(selection.selection_set, walked, fields)
        elif selection._definition is None:
            break
        elif selection._definition.name not in walked:
            walked.add(selection._definition.name)
            _top_fields(selection._definition.selection_set, walked, fields)
    return fields


def _is_too_deep(
    walk: Walk, selections: list[Selection], depth: int, walked: dict[tuple[str, int], bool]
) -> bool:
    """Whether introspection asks for too many lists inside each other.

    Each fragment is looked at once at each depth, where gqlparser follows every use of it.
    """
    for selection in selections:
        walk.spend()
        if isinstance(selection, nodes.Field):
            inner = depth + (selection.name in _LISTS)
            if inner >= MAX_INTROSPECTION:
                return True
            if _is_too_deep(walk, selection.selection_set, inner, walked):
                return True
        elif isinstance(selection, nodes.InlineFragment):
            if _is_too_deep(walk, selection.selection_set, depth, walked):
                return True
        elif selection._definition is not None and (selection.name, depth) not in walked:
            walked[selection.name, depth] = True
            if _is_too_deep(walk, selection._definition.selection_set, depth, walked):
                return True
    return False


def _spreads(walk: Walk, selections: list[Selection]) -> list[nodes.FragmentSpread]:
    """All uses of fragments inside, as gqlparser finds them."""
    found = []
    pending = [selections]
    while pending:
        for selection in pending.pop():
            walk.spend()
            if isinstance(selection, nodes.FragmentSpread):
                found.append(selection)
            else:
                pending.append(selection.selection_set)
    return found


def _is_possible(walk: Walk, parent: Definition | None, name: str) -> bool:
    """Whether an object can be of both types; also what other rules say more about."""
    fragment = walk.schema.types.get(name)
    if parent is None or not parent.is_composite or fragment is None or not fragment.is_composite:
        return True
    possible = walk.schema.possible_types
    parents = [parent] if parent.kind == "OBJECT" else possible.get(parent.name, [])
    names = {each.name for each in possible.get(name, [])}
    walk.spend(len(parents) + len(names))
    return any(each.name in names for each in parents)


def _spread_fails(
    what: str, parent: Definition | None, name: str, position: Position | None
) -> NoReturn:
    outer = parent.name if parent else ""
    message = f'{what} cannot be spread here as objects of type "{outer}"'
    _fail(position, f'{message} can never be of type "{name}".')
