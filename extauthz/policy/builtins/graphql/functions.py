"""The builtins (v1/topdown/graphql.go)."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.graphql import nodes
from extauthz.policy.builtins.graphql.query_parser import parse_query as read_query
from extauthz.policy.builtins.graphql.rules import QueryRules
from extauthz.policy.builtins.graphql.schema import Schema, make_schema
from extauthz.policy.builtins.graphql.schema_parser import parse_schema as read_schema
from extauthz.policy.builtins.graphql.trees import query_of, schema_of, to_value
from extauthz.policy.builtins.graphql.walker import walk
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.representation import Key, Value, decode, encode

MAX_TEXT: Final = 256 * 1024
"""Characters of a query or schema: parsing takes 0.6 s for so many."""
_CACHED: Final = 16
"""Schemas that are kept: a policy writes them, and asks for the same ones at every request."""


def parse(query: Value, schema: Value) -> list[Value]:
    """`graphql.parse(query, schema)`: both as trees; the query keeps to the schema."""
    document = _query(query)
    known = _schema(schema)
    tree = to_value(document)
    walk(known.schema, document, QueryRules())
    return [tree, known.tree]


def parse_and_verify(query: Value, schema: Value) -> list[Value]:
    """`graphql.parse_and_verify(query, schema)`: as `parse`, with whether it went well."""
    try:
        return [True, *parse(query, schema)]
    except BuiltinError:
        return [False, {}, {}]


def parse_query(query: Value) -> Value:
    """`graphql.parse_query(query)`."""
    return to_value(_query(operands.string(query, 1)))


def parse_schema(schema: Value) -> Value:
    """`graphql.parse_schema(schema)`, whether or not it makes sense."""
    return _tree(_bounded(operands.string(schema, 1)))


def is_valid(query: Value, schema: Value) -> bool:
    """`graphql.is_valid(query, schema)`: whether the query keeps to the schema."""
    try:
        walk(_schema(schema).schema, _query(query), QueryRules())
    except BuiltinError:
        return False
    return True


def schema_is_valid(schema: Value) -> bool:
    """`graphql.schema_is_valid(schema)`."""
    try:
        _schema(schema)
    except BuiltinError:
        return False
    return True


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise RegoError("rego_range", f"a GraphQL document of more than {MAX_TEXT} characters")
    return text


def _query(query: Value) -> nodes.QueryDocument:
    if type(query) is str:
        return read_query(_bounded(query))
    if type(query) is dict:
        return query_of(query)
    raise operands.wrong_type(0, query, "string", "object")  # OPA counts from 0 here


class _Known(NamedTuple):
    schema: Schema
    tree: Value
    """Of what was written: without extensions in their types, without the prelude."""


def _schema(schema: Value) -> _Known:
    if type(schema) is str:
        return _of_text(_bounded(schema))
    if type(schema) is dict:
        return _of_tree(encode(schema))
    raise operands.wrong_type(1, schema, "string", "object")


@lru_cache(maxsize=_CACHED)
def _tree(text: str) -> Value:
    return to_value(read_schema(text))


@lru_cache(maxsize=_CACHED)
def _of_text(text: str) -> _Known:
    document = read_schema(text)
    return _known(document)


@lru_cache(maxsize=_CACHED)
def _of_tree(key: Key) -> _Known:
    return _known(schema_of(decode(key)))


def _known(document: nodes.SchemaDocument) -> _Known:
    tree: Any = to_value(document)
    return _Known(make_schema(document), tree)
