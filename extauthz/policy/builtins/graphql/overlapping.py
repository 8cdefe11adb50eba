"""Fields of one name in an answer must be the same field (overlapping_fields_can_be_merged.go).

The rule compares pairs of fields, and follows fragments. Every pair is compared once here: whoever
comes to it again would find what was found then, and the first conflict ends it all. gqlparser
takes exponential time for some queries.
"""

from typing import TypeAlias

from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.errors import validation_error
from extauthz.policy.builtins.graphql.nodes import Field, FragmentSpread, Position, Selection, Type
from extauthz.policy.builtins.graphql.walker import Walk

_Fields: TypeAlias = dict[str, list[Field]]


class _Conflict(Exception):
    """Two fields conflict. Raised from the inside to the outside of both."""

    def __init__(self, name: str, reason: str, position: Position | None) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason
        self.position = position


class Overlapping:
    """What was compared in one document."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[str, str], bool] = {}
        """Names of fragments that were compared; whether only as exclusive ones."""
        self.compared: set[tuple[int, int, bool]] = set()
        """Pairs of fields, by identity."""

    def check(self, walk: Walk, selections: list[Selection]) -> None:
        """One selection set.

        Raises:
            BuiltinError: fields in it conflict.
        """
        if not selections:
            return
        try:
            self._within(walk, selections)
        except _Conflict as conflict:
            message = f'Fields "{conflict.name}" conflict because {conflict.reason}.'
            message += " Use different aliases on the fields to fetch both if this was intentional."
            raise validation_error(message, conflict.position) from None

    def _within(self, walk: Walk, selections: list[Selection]) -> None:
        fields, spreads = _collect(walk, selections)
        for same in fields.values():
            for at, a in enumerate(same):
                for b in same[at + 1 :]:
                    self._pair(walk, False, a, b)
        seen: set[str] = set()
        for at, spread in enumerate(spreads):
            self._fields_and_fragment(walk, False, fields, spread, seen)
            for other in spreads[at + 1 :]:
                self._fragments(walk, False, spread, other)

    def _fields_and_fragment(
        self, walk: Walk, exclusive: bool, fields: _Fields, spread: FragmentSpread, seen: set[str]
    ) -> None:
        walk.spend()
        if spread.name in seen:
            return
        seen.add(spread.name)
        if spread._definition is None:
            return
        others, spreads = _collect(walk, spread._definition.selection_set)
        if _ids(fields) == _ids(others):
            return
        self._between(walk, exclusive, fields, others)
        for inner in spreads:
            if inner.name != spread.name:
                self._fields_and_fragment(walk, exclusive, fields, inner, seen)

    def _fragments(self, walk: Walk, exclusive: bool, a: FragmentSpread, b: FragmentSpread) -> None:
        walk.spend()
        if a.name == b.name:
            return
        before = self.pairs.get((a.name, b.name))
        if before is not None and (exclusive or not before):
            return
        self.pairs[a.name, b.name] = self.pairs[b.name, a.name] = exclusive
        if a._definition is None or b._definition is None:
            return
        fields_a, spreads_a = _collect(walk, a._definition.selection_set)
        fields_b, spreads_b = _collect(walk, b._definition.selection_set)
        self._between(walk, exclusive, fields_a, fields_b)
        for spread in spreads_b:
            self._fragments(walk, exclusive, a, spread)
        for spread in spreads_a:
            self._fragments(walk, exclusive, spread, b)

    def _between(self, walk: Walk, exclusive: bool, fields_a: _Fields, fields_b: _Fields) -> None:
        for name, same in fields_a.items():
            for b in fields_b.get(name, ()):
                for a in same:
                    self._pair(walk, exclusive, a, b)

    def _pair(self, walk: Walk, exclusive: bool, a: Field, b: Field) -> None:
        """Two fields of one name; `exclusive`: no object can have both."""
        walk.spend()
        if a._object is None or b._object is None:
            return
        exclusive = exclusive or (
            a._object.name != b._object.name
            and a._object.kind == b._object.kind == "OBJECT"
            and a._definition is not None
            and b._definition is not None
        )
        if (id(a), id(b), exclusive) in self.compared:
            return
        self.compared.add((id(a), id(b), exclusive))
        name = a.alias or a.name
        if not exclusive:
            if a.name != b.name:
                reason = f'"{a.name}" and "{b.name}" are different fields'
                raise _Conflict(name, reason, b.position)
            if not _same_arguments(walk, a.arguments, b.arguments):
                raise _Conflict(name, "they have differing arguments", b.position)
        if a._definition is not None and b._definition is not None:
            types = a._definition.type, b._definition.type
            if _do_types_conflict(walk, *types):
                reason = f'they return conflicting types "{types[0]}" and "{types[1]}"'
                raise _Conflict(name, reason, b.position)
        try:
            self._inside(walk, exclusive, a.selection_set, b.selection_set)
        except _Conflict as inner:
            reason = f'subfields "{inner.name}" conflict because {inner.reason}'
            raise _Conflict(name, reason, b.position) from None

    def _inside(self, walk: Walk, exclusive: bool, a: list[Selection], b: list[Selection]) -> None:
        fields_a, spreads_a = _collect(walk, a)
        fields_b, spreads_b = _collect(walk, b)
        self._between(walk, exclusive, fields_a, fields_b)
        for spread in spreads_b:
            self._fields_and_fragment(walk, exclusive, fields_a, spread, set())
        for spread in spreads_a:
            self._fields_and_fragment(walk, exclusive, fields_b, spread, set())
        for one in spreads_a:
            for other in spreads_b:
                self._fragments(walk, exclusive, one, other)


def _collect(walk: Walk, selections: list[Selection]) -> tuple[_Fields, list[FragmentSpread]]:
    """Fields by their name in the answer, and the fragments that are used beside them."""
    fields: _Fields = {}
    spreads: list[FragmentSpread] = []
    pending = [iter(selections)]
    while pending:
        selection = next(pending[-1], None)
        walk.spend()
        if selection is None:
            pending.pop()
        elif isinstance(selection, Field):
            fields.setdefault(selection.alias or selection.name, []).append(selection)
        elif isinstance(selection, FragmentSpread):
            spreads.append(selection)
        else:
            pending.append(iter(selection.selection_set))
    return fields, spreads


def _ids(fields: _Fields) -> list[int]:
    return [id(field) for same in fields.values() for field in same]


def _same_arguments(walk: Walk, a: list[nodes.Argument], b: list[nodes.Argument]) -> bool:
    if len(a) != len(b):
        return False
    walk.spend(len(a) * len(b))
    return all(any(x.name == y.name and _same_value(walk, x.value, y.value) for y in b) for x in a)


def _same_value(walk: Walk, a: nodes.Value, b: nodes.Value) -> bool:
    walk.spend()
    if (a.kind, a.raw, len(a.children)) != (b.kind, b.raw, len(b.children)):
        return False
    children_a, children_b = a.children, b.children
    if a.kind == nodes.OBJECT:
        children_a = sorted(children_a, key=lambda child: child.name)
        children_b = sorted(children_b, key=lambda child: child.name)
    return all(
        x.name == y.name and _same_value(walk, x.value, y.value)
        for x, y in zip(children_a, children_b, strict=True)
    )


def _do_types_conflict(walk: Walk, a: Type, b: Type) -> bool:
    if a.elem is not None and b.elem is not None:
        return _do_types_conflict(walk, a.elem, b.elem)
    if a.elem is not None or b.elem is not None or a.non_null != b.non_null:
        return True
    first, second = walk.schema.types.get(a.named_type), walk.schema.types.get(b.named_type)
    if first is None or second is None or not (first.is_leaf and second.is_leaf):
        return False
    return first.name != second.name
