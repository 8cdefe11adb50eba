"""The syntax trees of queries and schemas: gqlparser's structures (its folder `ast`).

A field's name in a policy is Go's: `selection_set` is `SelectionSet`. Fields that begin with an
underscore are found by validation, and are in no policy's tree.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias


class Position(NamedTuple):
    """Where a token begins: line and column, from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Comment:
    """One line of comment, with its `#`."""

    value: str = ""


@dataclass(slots=True)
class CommentGroup:
    """The comments before a token."""

    list_: list[Comment] = field(default_factory=list)


@dataclass(slots=True)
class Type:
    """A name, or a list of a type."""

    named_type: str = ""
    elem: "Type | None" = None
    non_null: bool = False
    position: Position | None = None

    @property
    def name(self) -> str:
        """The name inside all lists."""
        inner = self
        while not inner.named_type and inner.elem is not None:
            inner = inner.elem
        return inner.named_type

    def __str__(self) -> str:
        inner = self.named_type if self.named_type or self.elem is None else f"[{self.elem}]"
        return inner + ("!" if self.non_null else "")

    def is_compatible(self, other: "Type") -> bool:
        """Whether a value of this type may stand where `other` is expected."""
        if self.named_type != other.named_type:
            return False
        if self.elem is not None and (
            other.elem is None or not self.elem.is_compatible(other.elem)
        ):
            return False
        return self.non_null or not other.non_null


VARIABLE, INT, FLOAT, STRING, BLOCK, BOOLEAN, NULL, ENUM, LIST, OBJECT = range(10)
"""Kinds of values, as gqlparser numbers them."""


@dataclass(slots=True)
class ChildValue:
    """A member of a list, or a field of an object."""

    name: str = ""
    value: "Value" = field(default_factory=lambda: Value())
    position: Position | None = None
    comment: CommentGroup | None = None


@dataclass(slots=True)
class Value:
    """A literal or a variable."""

    raw: str = ""
    children: list[ChildValue] = field(default_factory=list)
    kind: int = VARIABLE
    position: Position | None = None
    comment: CommentGroup | None = None
    expected_type_has_default: bool = False
    _definition: "Definition | None" = None
    _variable: "VariableDefinition | None" = None
    _expected_type: Type | None = None


@dataclass(slots=True)
class Argument:
    """`name: value`."""

    name: str = ""
    value: Value = field(default_factory=Value)
    position: Position | None = None
    comment: CommentGroup | None = None


@dataclass(slots=True)
class Directive:
    """`@name(arguments)`."""

    name: str = ""
    arguments: list[Argument] = field(default_factory=list)
    position: Position | None = None
    location: str = ""
    _definition: "DirectiveDefinition | None" = None


@dataclass(slots=True)
class VariableDefinition:
    """`$variable: type = default`."""

    variable: str = ""
    type: Type = field(default_factory=Type)
    default_value: Value | None = None
    directives: list[Directive] = field(default_factory=list)
    position: Position | None = None
    comment: CommentGroup | None = None
    used: bool = False
    _definition: "Definition | None" = None


@dataclass(slots=True)
class Field:
    """A field that a query asks for."""

    alias: str = ""
    name: str = ""
    arguments: list[Argument] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    selection_set: "list[Selection]" = field(default_factory=list)
    position: Position | None = None
    comment: CommentGroup | None = None
    _definition: "FieldDefinition | None" = None
    _object: "Definition | None" = None


@dataclass(slots=True)
class FragmentSpread:
    """`...name`."""

    name: str = ""
    directives: list[Directive] = field(default_factory=list)
    position: Position | None = None
    comment: CommentGroup | None = None
    _definition: "FragmentDefinition | None" = None
    _object: "Definition | None" = None


@dataclass(slots=True)
class InlineFragment:
    """`... on type { }`."""

    type_condition: str = ""
    directives: list[Directive] = field(default_factory=list)
    selection_set: "list[Selection]" = field(default_factory=list)
    position: Position | None = None
    comment: CommentGroup | None = None
    _object: "Definition | None" = None


Selection: TypeAlias = Field | FragmentSpread | InlineFragment


@dataclass(slots=True)
class FragmentDefinition:
    """`fragment name on type { }`."""

    name: str = ""
    variable_definition: list[VariableDefinition] = field(default_factory=list)
    type_condition: str = ""
    directives: list[Directive] = field(default_factory=list)
    selection_set: list[Selection] = field(default_factory=list)
    position: Position | None = None
    comment: CommentGroup | None = None


@dataclass(slots=True)
class OperationDefinition:
    """`query name { }`."""

    operation: str = ""
    name: str = ""
    variable_definitions: list[VariableDefinition] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    selection_set: list[Selection] = field(default_factory=list)
    position: Position | None = None
    comment: CommentGroup | None = None


@dataclass(slots=True)
class QueryDocument:
    """What a client sends."""

    operations: list[OperationDefinition] = field(default_factory=list)
    fragments: list[FragmentDefinition] = field(default_factory=list)
    comment: CommentGroup | None = None


@dataclass(slots=True)
class ArgumentDefinition:
    """An argument that a field or directive takes."""

    description: str = ""
    name: str = ""
    default_value: Value | None = None
    type: Type = field(default_factory=Type)
    directives: list[Directive] = field(default_factory=list)
    position: Position | None = None
    before_description_comment: CommentGroup | None = None
    after_description_comment: CommentGroup | None = None


@dataclass(slots=True)
class FieldDefinition:
    """A field of an object, interface or input object."""

    description: str = ""
    name: str = ""
    arguments: list[ArgumentDefinition] = field(default_factory=list)
    default_value: Value | None = None
    type: Type = field(default_factory=Type)
    directives: list[Directive] = field(default_factory=list)
    position: Position | None = None
    before_description_comment: CommentGroup | None = None
    after_description_comment: CommentGroup | None = None


@dataclass(slots=True)
class EnumValueDefinition:
    """A value of an enumeration."""

    description: str = ""
    name: str = ""
    directives: list[Directive] = field(default_factory=list)
    position: Position | None = None
    before_description_comment: CommentGroup | None = None
    after_description_comment: CommentGroup | None = None


@dataclass(slots=True)
class Definition:
    """A type of a schema."""

    kind: str = ""
    """`SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT`."""
    description: str = ""
    name: str = ""
    directives: list[Directive] = field(default_factory=list)
    interfaces: list[str] = field(default_factory=list)
    fields: list[FieldDefinition] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    enum_values: list[EnumValueDefinition] = field(default_factory=list)
    position: Position | None = None
    built_in: bool = False
    before_description_comment: CommentGroup | None = None
    after_description_comment: CommentGroup | None = None
    end_of_definition_comment: CommentGroup | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether it has no fields to ask for."""
        return self.kind in ("ENUM", "SCALAR")

    @property
    def is_composite(self) -> bool:
        """Whether a fragment may be on it."""
        return self.kind in ("OBJECT", "INTERFACE", "UNION")

    @property
    def is_input(self) -> bool:
        """Whether a variable or an argument may be of it."""
        return self.kind in ("SCALAR", "ENUM", "INPUT_OBJECT")


@dataclass(slots=True)
class DirectiveDefinition:
    """`directive @name(arguments) on LOCATION`."""

    description: str = ""
    name: str = ""
    arguments: list[ArgumentDefinition] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)
    is_repeatable: bool = False
    position: Position | None = None
    before_description_comment: CommentGroup | None = None
    after_description_comment: CommentGroup | None = None


@dataclass(slots=True)
class OperationTypeDefinition:
    """`query: Type` of a schema."""

    operation: str = ""
    type: str = ""
    position: Position | None = None
    comment: CommentGroup | None = None


@dataclass(slots=True)
class SchemaDefinition:
    """`schema { query: Type }`."""

    description: str = ""
    directives: list[Directive] = field(default_factory=list)
    operation_types: list[OperationTypeDefinition] = field(default_factory=list)
    position: Position | None = None
    before_description_comment: CommentGroup | None = None
    after_description_comment: CommentGroup | None = None
    end_of_definition_comment: CommentGroup | None = None


@dataclass(slots=True)
class SchemaDocument:
    """What a server offers."""

    schema: list[SchemaDefinition] = field(default_factory=list)
    schema_extension: list[SchemaDefinition] = field(default_factory=list)
    directives: list[DirectiveDefinition] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    extensions: list[Definition] = field(default_factory=list)
    comment: CommentGroup | None = None


LOCATIONS: Final = (
    "QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_DEFINITION", "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT", "VARIABLE_DEFINITION", "SCHEMA", "SCALAR", "OBJECT", "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION", "INTERFACE", "UNION", "ENUM", "ENUM_VALUE", "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
)  # fmt: skip
"""Where directives may stand."""


def named(items: list[Any], name: str) -> Any:
    """The first of `items` with this name, or None."""
    return next((item for item in items if item.name == name), None)
