"""Schemas, read and checked (internal/gojsonschema/schema.go). Errors have its texts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeAlias

from extauthz.policy.builtins import regular
from extauthz.policy.builtins.floats import json_float
from extauthz.policy.builtins.json_schema.references import (
    DRAFT_4,
    DRAFT_6,
    DRAFT_7,
    HYBRID,
    Pool,
    draft_of,
)
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value, is_number
from extauthz.policy.values.text import to_json

_TYPES: Final = ("array", "boolean", "integer", "number", "null", "object", "string")
_SHOWN_TYPES: Final = "[array boolean integer number null object string]"
_SCHEMA: Final = "Valid Schema"
_SCHEMAS: Final = "Array Of Schemas"
_STRINGS: Final = "string/Array Of Strings"

Schemas: TypeAlias = "dict[str, Schema]"


@dataclass(slots=True)
class Schema:
    """One schema; what it does not say is None or empty."""

    draft: int
    passes: bool | None = None
    """Of a schema that is `true` or `false`."""
    reference: "Schema | None" = None
    """Of one that has `$ref`: nothing else of it counts."""
    types: list[str] = field(default_factory=list)
    properties: Schemas = field(default_factory=dict)
    additional_properties: "bool | Schema | None" = None
    pattern_properties: Schemas = field(default_factory=dict)
    property_names: "Schema | None" = None
    dependencies: "dict[str, list[str] | Schema]" = field(default_factory=dict)
    items: "list[Schema]" = field(default_factory=list)
    items_are_one: bool = False
    """The one schema of `items` is for all of them."""
    additional_items: "bool | Schema | None" = None
    contains: "Schema | None" = None
    multiple_of: Fraction | None = None
    maximum: Fraction | None = None
    exclusive_maximum: Fraction | None = None
    minimum: Fraction | None = None
    exclusive_minimum: Fraction | None = None
    lengths: tuple[int | None, int | None] = (None, None)
    """Of strings: least and most."""
    sizes: tuple[int | None, int | None] = (None, None)
    """Of objects."""
    counts: tuple[int | None, int | None] = (None, None)
    """Of arrays."""
    pattern: str | None = None
    format: str = ""
    required: list[str] = field(default_factory=list)
    unique_items: bool = False
    const: str | None = None
    enum: list[str] | None = None
    any_of: "list[Schema]" = field(default_factory=list)
    one_of: "list[Schema]" = field(default_factory=list)
    all_of: "list[Schema]" = field(default_factory=list)
    negated: "Schema | None" = None
    condition: "Schema | None" = None
    then: "Schema | None" = None
    otherwise: "Schema | None" = None


def compile_schema(root: Value) -> Schema:
    """The schema that a document is.

    Raises:
        BuiltinError: it is none.
    """
    pool = Pool(root)
    return _Compiler(pool).schema(pool.root, draft_of(root) or HYBRID)


def canonical(value: Value) -> str:
    """A value as text that is equal for equal ones; numbers are floats."""
    return to_json(_as_floats(value))


def _as_floats(value: Value) -> Value:
    if type(value) is list:
        return [_as_floats(item) for item in value]
    if type(value) is dict:
        return {name: _as_floats(item) for name, item in value.items()}
    if not is_number(value):
        return value
    try:
        found = float(value)
    except OverflowError:
        found = float("inf")
    if abs(found) == float("inf"):
        raise BuiltinError("json: cannot unmarshal number into Go value of type float64")
    return numbers.parse(json_float(found))


def exact(value: Value) -> Fraction | None:
    """A number exactly; None: it is none."""
    return Fraction(numbers.bounded(value)) if is_number(value) else None


def _invalid(expected: str, given: str) -> BuiltinError:
    return BuiltinError(f"Invalid type. Expected: {expected}, given: {given}")


Fields: TypeAlias = dict[str, Value]


class _Compiler:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.references: Schemas = {}
        """Schemas that were referred to, also while they are being read."""

    def schema(self, source: Value, draft: int) -> Schema:
        """A schema inside of one of version `draft`."""
        made = Schema(draft)
        self.read(made, source)
        return made

    def read(self, made: Schema, source: Value) -> None:
        """Fill `made`."""
        if type(source) is bool and made.draft >= DRAFT_6:
            made.passes = source
            return
        if type(source) is not dict:
            raise BuiltinError(f"Expected: {_SCHEMA}, given: Invalid JSON")
        old_id = made.draft == DRAFT_4 or (made.draft == HYBRID and "id" in source)
        _string(source, "id" if old_id else "$id")
        self.definitions(made, source)
        _string(source, "title")
        _string(source, "description")
        reference = _string(source, "$ref")
        if reference is not None:
            known = self.references.get(reference)
            if known is None:
                made.reference = self.referred(reference, made.draft)
                return
            made.reference = known
        made.types = _types(source)
        self.objects(made, source)
        self.arrays(made, source)
        _numbers(made, source)
        _sizes(made, source)
        if "contains" in source and made.draft >= DRAFT_6:
            made.contains = self.schema(source["contains"], made.draft)
        if "const" in source and made.draft >= DRAFT_6:
            made.const = canonical(source["const"])
        enum = _array(source, "enum")
        made.enum = None if enum is None else _unique(map(canonical, enum), "enum")
        made.one_of = [self.schema(each, made.draft) for each in _array(source, "oneOf") or ()]
        made.any_of = [self.schema(each, made.draft) for each in _array(source, "anyOf") or ()]
        made.all_of = [self.schema(each, made.draft) for each in _array(source, "allOf") or ()]
        made.negated = self.inner(made, source, "not")
        if made.draft >= DRAFT_7:
            made.condition = self.inner(made, source, "if")
            made.then = self.inner(made, source, "then")
            made.otherwise = self.inner(made, source, "else")

    def referred(self, reference: str, draft: int) -> Schema:
        made = self.references[reference] = Schema(draft)
        document = self.pool.get(reference)
        made.draft = document.draft or draft
        if type(document.schema) not in (bool, dict):
            raise BuiltinError(f"{_SCHEMA} must be of type object")
        self.read(made, document.schema)
        return made

    def definitions(self, made: Schema, source: Fields) -> None:
        if "definitions" not in source:
            return
        found = source["definitions"]
        if type(found) is not dict or any(type(v) not in (bool, dict) for v in found.values()):
            raise _invalid(_SCHEMAS, "definitions")
        for name in sorted(found):
            self.schema(found[name], made.draft)

    def inner(self, made: Schema, source: Fields, key: str) -> Schema | None:
        if key not in source:
            return None
        if type(source[key]) not in (bool, dict):
            raise BuiltinError(f"{key} must be of an object")
        return self.schema(source[key], made.draft)

    def flag_or_schema(self, made: Schema, source: Fields, key: str) -> bool | Schema | None:
        found = source.get(key)
        if key not in source or type(found) is bool:
            return found
        if type(found) is not dict:
            raise _invalid(f"boolean/{_SCHEMA}", key)
        return self.schema(found, made.draft)

    def objects(self, made: Schema, source: Fields) -> None:
        properties = source.get("properties", {})
        if type(properties) is not dict:
            raise BuiltinError("Properties must be of type object")
        made.properties = {
            name: self.schema(properties[name], made.draft) for name in sorted(properties)
        }
        made.additional_properties = self.flag_or_schema(made, source, "additionalProperties")
        patterns = source.get("patternProperties", {})
        if type(patterns) is not dict:
            raise _invalid(_SCHEMA, "patternProperties")
        for pattern in sorted(patterns):
            if not regular.is_valid(pattern):
                raise BuiltinError(f"Invalid regex pattern '{pattern}'")
            made.pattern_properties[pattern] = self.schema(patterns[pattern], made.draft)
        if "propertyNames" in source and made.draft >= DRAFT_6:
            if type(source["propertyNames"]) not in (bool, dict):
                raise _invalid(_SCHEMA, "patternProperties")
            made.property_names = self.schema(source["propertyNames"], made.draft)
        self.dependencies(made, source.get("dependencies", {}))

    def dependencies(self, made: Schema, found: Value) -> None:
        if type(found) is not dict:
            raise BuiltinError("dependencies must be of type object")
        for name in sorted(found):
            value = found[name]
            if type(value) in (bool, dict):
                made.dependencies[name] = self.schema(value, made.draft)
            elif type(value) is list and all(type(item) is str for item in value):
                made.dependencies[name] = value
            else:
                raise BuiltinError("Dependency must be of type Schema Or Array Of Strings")

    def arrays(self, made: Schema, source: Fields) -> None:
        items = source.get("items", [])
        made.items_are_one = type(items) in (bool, dict)
        listed = [items] if made.items_are_one else items
        if type(listed) is not list or any(type(item) not in (bool, dict) for item in listed):
            raise _invalid(f"{_SCHEMA}/{_SCHEMAS}", "items")
        made.items = [self.schema(item, made.draft) for item in listed]
        made.additional_items = self.flag_or_schema(made, source, "additionalItems")


def _string(source: Fields, key: str) -> str | None:
    found = source.get(key, "")
    if type(found) is not str:
        raise _invalid("string", key)
    return found if key in source else None


def _array(source: Fields, key: str) -> list[Value] | None:
    if key not in source:
        return None
    if type(source[key]) is not list:
        raise BuiltinError(f"{key} must be of an array")
    return source[key]  # type: ignore[no-any-return]


def _unique(items: Iterable[str], key: str) -> list[str]:
    found = list(items)
    if len(set(found)) < len(found):
        raise BuiltinError(f"{key} items must be unique")
    return found


def _types(source: Fields) -> list[str]:
    found = source.get("type", [])
    made: list[str] = []
    for name in found if type(found) is list else [found]:
        if type(name) is not str:
            raise _invalid("type", _STRINGS) if type(found) is list else _invalid(_STRINGS, "type")
        if name not in _TYPES:
            message = f"has a primitive type that is NOT VALID -- given: /{name}/"
            raise BuiltinError(f"{message} Expected valid values are:{_SHOWN_TYPES}")
        if name in made:
            raise BuiltinError(f"{name} type is duplicated")
        made.append(name)
    return made


def _numbers(made: Schema, source: Fields) -> None:
    if "multipleOf" in source:
        made.multiple_of = exact(source["multipleOf"])
        if made.multiple_of is None:
            raise _invalid("Number", "multipleOf")
        if made.multiple_of <= 0:
            raise BuiltinError("multipleOf must be strictly greater than 0")
    made.minimum, made.exclusive_minimum = _limit(made, source, "minimum", "exclusiveMinimum")
    made.maximum, made.exclusive_maximum = _limit(made, source, "maximum", "exclusiveMaximum")


def _limit(
    made: Schema, source: Fields, key: str, exclusive_key: str
) -> tuple[Fraction | None, Fraction | None]:
    limit = exclusive = None
    if key in source:
        limit = exact(source[key])
        if limit is None:
            raise BuiltinError(f"{key} must be of a Number")
    if exclusive_key not in source:
        return limit, None
    found = source[exclusive_key]
    if type(found) is bool and made.draft in (DRAFT_4, HYBRID):
        if limit is None:
            raise BuiltinError(f"{exclusive_key} cannot be used without {key}")
        return (None, limit) if found else (limit, None)
    exclusive = exact(found)
    if exclusive is None or made.draft == DRAFT_4:
        kinds = {DRAFT_4: "boolean", HYBRID: "boolean/number"}
        raise _invalid(kinds.get(made.draft, "number"), exclusive_key)
    return limit, exclusive


def _sizes(made: Schema, source: Fields) -> None:
    made.lengths = _size(source, "minLength"), _size(source, "maxLength")
    _ordered(made.lengths, "minLength", "maxLength")
    made.pattern = _string(source, "pattern")
    if made.pattern is not None and not regular.is_valid(made.pattern):
        raise BuiltinError("pattern must be a valid regex")
    made.format = _string(source, "format") or ""
    made.sizes = _size(source, "minProperties"), _size(source, "maxProperties")
    _ordered(made.sizes, "minProperties", "maxProperties")
    for name in _array(source, "required") or ():
        if type(name) is not str:
            raise _invalid("string", "required")
        made.required.append(name)
    _unique(made.required, "required")
    made.counts = _size(source, "minItems"), _size(source, "maxItems")
    unique = source.get("uniqueItems", False)
    if type(unique) is not bool:
        raise BuiltinError("uniqueItems must be of a boolean")
    made.unique_items = unique


def _size(source: Fields, key: str) -> int | None:
    if key not in source:
        return None
    found = source[key]
    if type(found) is not int or not -(2**63) <= found < 2**63:
        raise BuiltinError(f"{key} must be of an integer")
    if found < 0:
        raise BuiltinError(f"{key} must be greater than or equal to 0")
    return found


def _ordered(sizes: tuple[int | None, int | None], least: str, most: str) -> None:
    low, high = sizes
    if low is not None and high is not None and low > high:
        raise BuiltinError(f"{least} cannot be greater than {most}")
