"""The keys of a pydantic model as documentation shows them: path, type, default."""

from typing import Any, NamedTuple

import pydantic


class Key(NamedTuple):
    """One key that can be written."""

    path: str
    """`auth.identity[].jwt.issuer`"""
    type: str
    default: str
    """`required`, `none`, or the value in backquotes."""


def keys(model: type[pydantic.BaseModel], prefix: str = "") -> list[Key]:
    """All leaves of a model, in its order."""
    schema = model.model_json_schema()
    return _of_object(schema, schema.get("$defs", {}), prefix)


def _of_object(schema: dict[str, Any], defs: dict[str, Any], prefix: str) -> list[Key]:
    found: list[Key] = []
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        found += _of_field(f"{prefix}{name}", field, defs, required=name in required)
    return found


def _of_field(
    path: str, field: dict[str, Any], defs: dict[str, Any], *, required: bool
) -> list[Key]:
    alternatives = [_resolved(each, defs) for each in field.get("anyOf", [field])]
    alternatives = [each for each in alternatives if each.get("type") != "null"]
    objects = [each for each in alternatives if each.get("properties")]
    plain = [each for each in alternatives if each not in objects]
    found: list[Key] = []
    items = next((_resolved(e["items"], defs) for e in plain if "items" in e), {})
    if plain or len(objects) > 1:
        words = [_type(each, defs) for each in plain]
        words += ["mapping"] if objects else []
        found.append(Key(path, " or ".join(words), "required" if required else _default(field)))
    for each in objects:
        found += _of_object(each, defs, f"{path}.")
    if items.get("properties"):
        found += _of_object(items, defs, f"{path}[].")
    return found


def _resolved(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    return defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _type(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    match schema["type"]:
        case "string":
            return "text"
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number" as kind:
            word = "whole number" if kind == "integer" else "number"
            return f"{word} from {schema['minimum']} to {schema['maximum']}"
        case "array":
            items = _resolved(schema["items"], defs)
            return "list" if "properties" in items else f"list of {_type(items, defs)}"
        case _:
            of = schema.get("additionalProperties")
            return "mapping of text" if of == {"type": "string"} else "mapping"


def _default(field: dict[str, Any]) -> str:
    match field.get("default"):
        case None:
            return "none"
        case bool() as value:
            return f"`{str(value).lower()}`"
        case list() as values:
            return f"`[{', '.join(values)}]`"
        case float() as value:
            return f"`{value:g}`"
        case value:
            return f"`{value}`"
