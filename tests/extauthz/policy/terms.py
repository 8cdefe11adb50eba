"""Reads a constant in Rego's notation: JSON, sets and commas at the end."""

import re
from typing import Any

from extauthz.policy.values.representation import RegoSet, encode, make_set
from extauthz.policy.values.text import from_json

_TOKEN = re.compile(r'\s*(set\(\)|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,]+)')


def parse_term(text: str) -> Any:
    tokens = [match[1] for match in _TOKEN.finditer(text)]
    value, rest = _term(tokens)
    assert rest == [], text
    return value


def _term(tokens: list[str]) -> tuple[Any, list[str]]:
    first, rest = tokens[0], tokens[1:]
    if first == "set()":
        return RegoSet(), rest
    if first == "[":
        items, rest = _items(rest, "]")
        return items, rest
    if first == "{":
        if rest[0] == "}":
            return {}, rest[1:]
        _, after = _term(rest)
        if after[0] != ":":
            items, rest = _items(rest, "}")
            return make_set(items), rest
        fields = {}
        while rest[0] != "}":
            key, rest = _term(rest)
            assert rest[0] == ":"
            fields[encode(key)], rest = _term(rest[1:])
            rest = rest[1:] if rest[0] == "," else rest
        return fields, rest[1:]
    return from_json(first), rest


def _items(tokens: list[str], end: str) -> tuple[list[Any], list[str]]:
    items = []
    while tokens[0] != end:
        item, tokens = _term(tokens)
        items.append(item)
        tokens = tokens[1:] if tokens[0] == "," else tokens
    return items, tokens[1:]
