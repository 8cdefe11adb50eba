"""Documents against schemas (internal/gojsonschema/validation.go). Work is bounded."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from extauthz.policy.builtins import regular
from extauthz.policy.builtins.floats import shortest
from extauthz.policy.builtins.json_schema.formats import has_format
from extauthz.policy.builtins.json_schema.schema import Schema, canonical, exact
from extauthz.policy.errors import RegoError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value, is_number

MAX_WORK: Final = 100_000
"""Pairs of value and schema in one validation: 0.5 s. A schema may ask for exponentially many."""
_ROOT: Final = "(Root)"

Path = tuple[str, ...]


class Failure(NamedTuple):
    """What does not hold."""

    kind: str
    path: Path
    description: str

    @property
    def place(self) -> str:
        """Names and indices on the way, with points between."""
        return ".".join(self.path) or _ROOT


class Result:
    """What was found in one place."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.score = 0
        """Tells which of several schemas was nearly right."""

    def fail(self, kind: str, path: Path, description: str) -> None:
        """One thing that does not hold."""
        self.failures.append(Failure(kind, path, description))
        self.score -= 2

    def merge(self, other: "Result") -> None:
        """What was found inside."""
        self.failures += other.failures
        self.score += other.score


def validate(schema: Schema, document: Value) -> list[Failure]:
    """All that does not hold, in gojsonschema's order; fields by name, where it has none."""
    result = Result()
    _Validator().check(schema, document, result, ())
    return result.failures


class _Validator:
    def __init__(self) -> None:
        self.work = 0

    def alone(self, schema: Schema, value: Value, path: Path) -> Result:
        """The result of one schema."""
        result = Result()
        self.check(schema, value, result, path)
        return result

    def check(self, schema: Schema, value: Value, result: Result, path: Path) -> None:
        """Add to `result` what is wrong with `value`."""
        self.work += 1
        if self.work > MAX_WORK:
            raise RegoError("rego_range", f"a JSON schema that takes more than {MAX_WORK} steps")
        if schema.passes is not None:
            if not schema.passes:
                result.fail("false", path, "False always fails validation")
            return
        if schema.reference is not None:
            self.check(schema.reference, value, result, path)
            return
        kind = _kind(value)
        allowed = schema.types
        if allowed and kind not in allowed and not (kind == "integer" and "number" in allowed):
            shown = allowed[0] if len(allowed) == 1 else f"[{','.join(allowed)}]"
            message = f"Invalid type. Expected: {shown}, given: {kind}"
            result.fail("invalid_type", path, message)
            return
        self.combined(schema, value, result, path)
        if kind == "array":
            self.array(schema, value, result, path)
        elif kind == "object":
            self.object(schema, value, result, path)
        elif kind in ("integer", "number"):
            _number(schema, value, result, path)
        _common(schema, value, result, path)
        if kind == "object":
            for name, inner in schema.properties.items():
                if name in value:
                    self.check(inner, value[name], result, (*path, name))
        elif kind == "string":
            _string(schema, value, result, path)
        result.score += 1

    def combined(self, schema: Schema, value: Value, result: Result, path: Path) -> None:
        if schema.any_of:
            self.any_of(schema, value, result, path)
        if schema.one_of:
            self.one_of(schema, value, result, path)
        if schema.all_of:
            results = [self.alone(each, value, path) for each in schema.all_of]
            for each in results:
                result.merge(each)
            if any(each.failures for each in results):
                result.fail("number_all_of", path, "Must validate all the schemas (allOf)")
        if schema.negated is not None and not self.alone(schema.negated, value, path).failures:
            result.fail("number_not", path, "Must not validate the schema (not)")
        if schema.dependencies and type(value) is dict:
            self.dependencies(schema, value, result, path)
        if schema.condition is not None:
            self.condition(schema, value, result, path)
        result.score += 1

    def any_of(self, schema: Schema, value: Value, result: Result, path: Path) -> None:
        best: Result | None = None
        for each in schema.any_of:
            found = self.alone(each, value, path)
            if not found.failures:
                return
            best = found if best is None or found.score > best.score else best
        result.fail("number_any_of", path, "Must validate at least one schema (anyOf)")
        if best is not None:
            result.merge(best)

    def one_of(self, schema: Schema, value: Value, result: Result, path: Path) -> None:
        best: Result | None = None
        valid = 0
        for each in schema.one_of:
            found = self.alone(each, value, path)
            if not found.failures:
                valid += 1
            elif not valid and (best is None or found.score > best.score):
                best = found
        if valid != 1:
            result.fail("number_one_of", path, "Must validate one and only one schema (oneOf)")
            if not valid and best is not None:
                result.merge(best)

    def dependencies(
        self, schema: Schema, value: dict[str, Value], result: Result, path: Path
    ) -> None:
        for name, needed in schema.dependencies.items():
            if name not in value:
                continue
            if isinstance(needed, Schema):
                self.check(needed, value, result, path)
                continue
            for other in needed:
                if other not in value:
                    result.fail("missing_dependency", path, f"Has a dependency on {other}")

    def condition(self, schema: Schema, value: Value, result: Result, path: Path) -> None:
        assert schema.condition is not None  # noqa: S101
        holds = not self.alone(schema.condition, value, path).failures
        inner = schema.then if holds else schema.otherwise
        if inner is None:
            return
        found = self.alone(inner, value, path)
        if found.failures:
            word, was = ("then", "valid") if holds else ("else", "not valid")
            message = f'Must validate "{word}" as "if" was {was}'
            result.fail(f"condition_{word}", path, message)
            result.merge(found)

    def array(self, schema: Schema, value: list[Value], result: Result, path: Path) -> None:
        if schema.items_are_one:
            pairs = [(schema.items[0], item) for item in value]
        else:
            pairs = list(zip(schema.items, value, strict=False))
            rest = len(value) - len(pairs)
            if schema.items and rest and schema.additional_items is False:
                message = "No additional items allowed on array"
                result.fail("array_no_additional_items", path, message)
            elif schema.items and isinstance(schema.additional_items, Schema):
                pairs += [(schema.additional_items, item) for item in value[len(pairs) :]]
        for at, (inner, item) in enumerate(pairs):
            result.merge(self.alone(inner, item, (*path, str(at))))
        least, most = schema.counts
        if least is not None and len(value) < least:
            result.fail("array_min_items", path, f"Array must have at least {least} items")
        if most is not None and len(value) > most:
            result.fail("array_max_items", path, f"Array must have at most {most} items")
        if schema.unique_items:
            seen: dict[str, int] = {}
            for at, item in enumerate(value):
                text = canonical(item)
                if text in seen:
                    message = f"array items[{seen[text]},{at}] must be unique"
                    result.fail("unique", path, message)
                seen[text] = at
        if schema.contains is not None:
            self.contains(schema.contains, value, result, path)
        result.score += 1

    def contains(self, schema: Schema, value: list[Value], result: Result, path: Path) -> None:
        best: Result | None = None
        for at, item in enumerate(value):
            found = self.alone(schema, item, (*path, str(at)))
            if not found.failures:
                return
            best = found if best is None or found.score > best.score else best
        result.fail("contains", path, "At least one of the items must match")
        if best is not None:
            result.merge(best)

    def object(self, schema: Schema, value: dict[str, Value], result: Result, path: Path) -> None:
        least, most = schema.sizes
        if least is not None and len(value) < least:
            message = f"Must have at least {least} properties"
            result.fail("array_min_properties", path, message)
        if most is not None and len(value) > most:
            message = f"Must have at most {most} properties"
            result.fail("array_max_properties", path, message)
        for name in schema.required:
            if name in value:
                result.score += 1
            else:
                result.fail("required", path, f"{name} is required")
        for name in sorted(value):
            matched = self.patterns(schema, name, value[name], result, path)
            if matched or name in schema.properties:
                continue
            if schema.additional_properties is False:
                message = f"Additional property {name} is not allowed"
                result.fail("additional_property_not_allowed", path, message)
            elif isinstance(schema.additional_properties, Schema):
                inner = schema.additional_properties
                result.merge(self.alone(inner, value[name], (*path, name)))
        if schema.property_names is not None:
            for name in sorted(value):
                found = self.alone(schema.property_names, name, path)
                if found.failures:
                    message = f'Property name of "{name}" does not match'
                    result.fail("invalid_property_name", path, message)
                    result.merge(found)
        result.score += 1

    def patterns(self, schema: Schema, name: str, value: Value, result: Result, path: Path) -> bool:
        matched = False
        for pattern, inner in schema.pattern_properties.items():
            self.work += 1
            if regular.match(pattern, name):
                matched = True
                result.merge(self.alone(inner, value, (*path, name)))
        result.score += matched
        return matched


def _kind(value: Value) -> str:
    if is_number(value):
        number = exact(value)
        return "integer" if number is not None and number.denominator == 1 else "number"
    names = {list: "array", dict: "object", str: "string", bool: "boolean"}
    return names.get(type(value), "null")


def _common(schema: Schema, value: Value, result: Result, path: Path) -> None:
    if schema.const is not None or schema.enum is not None:
        text = canonical(value)
        place = ".".join(path) or _ROOT
        if schema.const is not None and text != schema.const:
            result.fail("const", path, f"{place} does not match: {schema.const}")
        if schema.enum is not None and text not in schema.enum:
            allowed = ", ".join(schema.enum)
            result.fail("enum", path, f"{place} must be one of the following: {allowed}")
    if schema.format and type(value) is str and not has_format(schema.format, value):
        result.fail("format", path, f"Does not match format '{schema.format}'")
    result.score += 1


def _string(schema: Schema, value: str, result: Result, path: Path) -> None:
    least, most = schema.lengths
    if least is not None and len(value) < least:
        message = f"String length must be greater than or equal to {least}"
        result.fail("string_gte", path, message)
    if most is not None and len(value) > most:
        message = f"String length must be less than or equal to {most}"
        result.fail("string_lte", path, message)
    if schema.pattern is not None and not regular.match(schema.pattern, value):
        result.fail("pattern", path, f"Does not match pattern '{schema.pattern}'")
    result.score += 1


_Limit = tuple[str, Fraction | None, Callable[[Fraction, Fraction], bool], str]


def _number(schema: Schema, value: Value, result: Result, path: Path) -> None:
    number = exact(value)
    assert number is not None  # noqa: S101
    limits: tuple[_Limit, ...] = (
        ("multiple_of", schema.multiple_of, lambda x, y: (x / y).denominator != 1,
         "Must be a multiple of"),
        ("number_lte", schema.maximum, lambda x, y: x > y, "Must be less than or equal to"),
        ("number_lt", schema.exclusive_maximum, lambda x, y: x >= y, "Must be less than"),
        ("number_gte", schema.minimum, lambda x, y: x < y, "Must be greater than or equal to"),
        ("number_gt", schema.exclusive_minimum, lambda x, y: x <= y, "Must be greater than"),
    )  # fmt: skip
    for kind, limit, fails, message in limits:
        if limit is not None and fails(number, limit):
            result.fail(kind, path, f"{message} {_shown(limit)}")
    result.score += 1


def _shown(limit: Fraction) -> str:
    """A limit as Go writes a `big.Float` that holds it."""
    bits = max(64, limit.numerator.bit_length(), limit.denominator.bit_length())
    return shortest(Decimal(numbers.from_float(numbers.rounded(limit, bits), bits)))
