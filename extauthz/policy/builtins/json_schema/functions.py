"""The builtins (v1/topdown/jsonschema.go)."""

from functools import lru_cache
from typing import Final

from extauthz.policy.builtins.json_schema.schema import Schema, compile_schema
from extauthz.policy.builtins.json_schema.validation import validate
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.representation import Key, Value, decode, encode
from extauthz.policy.values.text import from_json, plain

_CACHED: Final = 64
"""Schemas that are kept: a policy writes them, and asks for the same ones at every request."""


def match_schema(document: Value, schema: Value) -> list[Value]:
    """`json.match_schema(document, schema)`: whether it keeps to the schema, and what does not."""
    source = _document(document)
    failures = validate(_compiled(encode(schema)), source)
    described = [
        {
            "error": f"{failure.place}: {failure.description}",
            "type": failure.kind,
            "field": failure.place,
            "desc": failure.description,
        }
        for failure in failures
    ]
    return [not failures, described]


def verify_schema(schema: Value) -> list[Value]:
    """`json.verify_schema(schema)`: whether it is one, and why not."""
    try:
        _compiled(encode(schema))
    except BuiltinError as error:
        return [False, f"jsonschema: {error.message}"]
    return [True, None]


def _document(value: Value) -> Value:
    """An object or array, or a string of JSON."""
    if type(value) is str:
        try:
            return from_json(value)
        except ValueError:
            raise BuiltinError("invalid JSON string") from None
    if type(value) not in (dict, list):
        raise BuiltinError("wrong type, expected string or object")
    try:
        return plain(value)
    except RegoError as error:
        raise BuiltinError(error.message) from None


@lru_cache(maxsize=_CACHED)
def _compiled(key: Key) -> Schema:
    return compile_schema(_document(decode(key)))
