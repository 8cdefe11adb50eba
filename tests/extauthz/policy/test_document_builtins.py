"""Builtins of documents and schemas: beside a real OPA, and what hostile operands cost."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import product
from typing import Any

import pytest

from callout.testing.opa import OpaServer
from extauthz.policy.builtins.table import BUILTINS
from extauthz.policy.errors import BuiltinError, RegoError
from extauthz.policy.values.text import from_json, plain, to_json

SCHEMA = """
type Query { dog: Dog pet(name: String!, n: Int = 3): Pet cat: CatOrDog list(input: In): [Dog!] }
interface Pet { name: String! @deprecated age: Int }
type Dog implements Pet { name: String! age: Int barks(loud: Boolean): Boolean }
type Cat implements Pet { name: String! age: Int meows: Float }
union CatOrDog = Cat | Dog
enum E { A B }
input In { a: Int! b: [String] d: E = A }
type Subscription { a: Int b: Int }
directive @once on FIELD
"""
QUERIES = (
    "{dog{name}}", "{dog{nam}}", "{dog}", "{dog{name{x}}}", "{pet{name}}", "{pet(name:1){name}}",
    "query($a: Int){pet(name:$a){name}}", "query($a: String = \"x\"){pet(name:$a){name}}",
    "{cat{...on Dog{name} ...on Cat{meows}}}", "{dog{...F}} fragment F on Cat{name}",
    "{dog{...F}} fragment F on Pet{name ...F}", "{dog{name}} fragment F on Dog{name}",
    "{dog{name name:age}}", "{dog{barks barks(loud:true)}}", "{list(input:{a:1,z:2}){name}}",
    "{list(input:{a:null}){name}}", "{list(input:{a:1,d:C}){name}}", "subscription{a b}",
    "{dog @once @once{name}}", "{dog @skip{name}}", "{__schema{types{name}}}", "{dog{name}} {a}",
    "# c\nquery q #d\n{a(b:[1,{c:$d},\"\"\"x\n  y\"\"\"])}", "{a(b:01)}", "{", "", "{a(b:'c')}",
)  # fmt: skip
SCHEMAS = (
    SCHEMA, "type A{b:Int}", "type A{}", "extend type A{b:Int}", "union U=A type A{a:Int}",
    "input A{a:A!}", "type A implements B{a:Int} interface B{a:Int!}", "type A{a:Nope}", "nope",
    "\"d\" type A{\"x\" b:Int}", "directive @a(b:Int @a) on ARGUMENT_DEFINITION", "type __A{a:Int}",
)  # fmt: skip
YAML = (
    "a: yes", "- 0x1F\n- 017\n- 08\n- 1_000\n- 1e3\n- .5\n- 0b11", "a: .inf", "a: ~", "1: x",
    "<<: {a: 1}\nb: 2", "x: &a {q: 1}\ny:\n  <<: *a\n  q: 3", "a: &a [*a]", "--- 1\n--- [", "",
    "a: 2020-01-01", "!!str 5", "!!int x", "!!binary aGVsbG8=", "null: x", "{a: 1, a: 2}",
    "a: 18446744073709551616", "[1,2", "a:\n\tb", "%YAML 1.2\n---\na", 'a: "\\/"', "a: |\n  x\n",
)  # fmt: skip
TEXTS = (
    "a", "", "yes", "1.5", "0o17", "2020-01-01", "a: b", "#a", " a", "- a", "'a'", "a\nb", "\na",
    "a\nb\n\n", "a\tb", "é", "\u0001", "\x7f", "😀", "1:30", "x" * 140, "a\n \tb",
)  # fmt: skip
DOCUMENTS: tuple[Any, ...] = ({"a": [1, 2, {"b": "c"}], "d": {"e": None}}, [1, [2, 3]], "x", {})
PATHS = ("/a", "a/0", "/a/-", "/a/3", "/a/01", "/a/2/b", "/d/e", "/d/x/y", "/1/0", "/-", "/1.0")
GLOBS = ("a.a.[0-9]+z", ".b.b2359825792*594823z", "a+b*", "[a-c]*", "ab*", "a", "]", "[a", ".+", "")
JSON_SCHEMAS = (
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b"]},
    {"anyOf": [{"type": "string"}, {"minProperties": 2, "type": "object"}]},
    {"definitions": {"x": {"type": "array"}}, "properties": {"a": {"$ref": "#/definitions/x"}}},
    {"properties": {"a": {"$ref": "#/nope"}}}, {"type": "unknown"}, {"minimum": "x"},
    {"additionalProperties": False, "patternProperties": {"^d": {"enum": [1, {"e": None}]}}},
    {"items": {"maximum": 1.5, "multipleOf": 0.5}, "uniqueItems": True, "maxItems": 1}, "[", 5,
)  # fmt: skip
TEMPLATES = (
    "{{range $i, $x := .l}}{{if $i}},{{end}}{{$x}}{{end}}", "{{.zz.y}}", "{{.o}}", "{{.a.y}}",
    "{{if .n}}1{{else}}2{{end}}", "a {{- .a -}} b", "{{with .o}}{{.k}}{{$.a}}{{end}}",
    "{{.l | len}}", "{{eq .n 0}}", "{{$x}}", "{{nope}}", "{{", "{{index .l 5}}",
    "{{/* c */}}{{.n}}",
)  # fmt: skip
URIS = (
    "", "http://a:80/b%20c?d=%zz#e%41", "HTTP://u:p@h/x!y", "//h/%2f", "a/b:c", "a:b", ":a", "1a:b",
    "mailto:a@b?c", "http://[::1%25en0]:8/", "http://[::1", "http://a:x", "http://a%20b", "/%zz",
    "http://a%c3%a9/é", "http://é", "///x", "?a", "#a", "http://a:b:80", "http://a b", "a\\b", "*",
    "http://a/\u0001", "http://u@s@h", "http://h:", "/a;b=c,d+e$f&g@h:i~j", "/a(b)'*", "urn:a#b",
)  # fmt: skip
VARIABLES = {"a": "x", "n": 0, "l": ["p", "q"], "o": {"k": "v"}, "nil": None}

CALLS: dict[str, list[tuple[Any, ...]]] = {
    "graphql.is_valid": list(product(QUERIES, SCHEMAS[:2])),
    "graphql.parse": list(product(QUERIES, SCHEMAS[:1])),
    "graphql.parse_and_verify": list(product(QUERIES, SCHEMAS[:1])),
    "graphql.parse_query": [(query,) for query in QUERIES],
    "graphql.parse_schema": [(schema,) for schema in SCHEMAS],
    "graphql.schema_is_valid": [(schema,) for schema in SCHEMAS],
    "json.marshal_with_options": [
        (document, options)
        for document in DOCUMENTS
        for options in ({}, {"pretty": True}, {"prefix": "p"}, {"indent": " "}, {"indent": 1})
    ],
    "json.match_schema": list(product([*DOCUMENTS[:2], '{"a": [1]}', "["], JSON_SCHEMAS)),
    "json.verify_schema": [(schema,) for schema in JSON_SCHEMAS],
    "json.patch": [
        (document, [{"op": op, "path": path, "from": "/a/0", "value": [1]}])
        for document in DOCUMENTS
        for op in ("add", "remove", "replace", "move", "copy", "test", "x")
        for path in PATHS
    ],
    "regex.globs_match": list(product(GLOBS, GLOBS)),
    "regex.template_match": [
        (template, text, *marks)
        for template in ("urn:{.*}", "a{b}c{d+}", "{", "a.b", "{(}", "<a>")
        for text in ("urn:x", "abcdd", "a.b", "axb", "a")
        for marks in ("{}", "<>", "éé")
    ],
    "strings.render_template": [(template, VARIABLES) for template in TEMPLATES],
    "uri.is_valid": [(uri,) for uri in URIS],
    "uri.parse": [(uri,) for uri in URIS],
    "yaml.is_valid": [(text,) for text in YAML],
    "yaml.marshal": [
        (value,)
        for value in (
            *TEXTS, 1, 1.5, 1e21, 12345678.5, 2**64, None, [], {}, [[1], [{"a": 1, "b": [1]}]],
            {"a10": 1, "a9": 2, "": 3, "true": 4, "k": "a\nb", "e": {}}, [None, "x\ny"],
        )
    ],
    "yaml.unmarshal": [(text,) for text in YAML],
}  # fmt: skip


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    rules = "package test\n"
    for at, (name, calls) in enumerate(CALLS.items()):
        operands = ", ".join(f"c[{i}]" for i in range(len(calls[0])))
        rules += f"r{at} := [[x | x := {name}({operands})] | some c in input]\n"
    with closing(OpaServer(tmp_path_factory.mktemp("opa"), {"test.rego": rules})) as server:
        yield server


def answers(opa: OpaServer, name: str) -> list[Any]:
    """OPA's, for each call: a list of the result, or an empty one."""
    request = urllib.request.Request(
        f"{opa.url}/v1/data/test/r{list(CALLS).index(name)}",
        data=json.dumps({"input": CALLS[name]}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        result: list[Any] = from_json(reply.read())["result"]
    return result


def ours(name: str, operands: tuple[Any, ...]) -> list[Any]:
    try:
        return [plain(BUILTINS[name].function(*operands))]
    except BuiltinError:
        return []


def unordered(answer: list[Any]) -> Any:
    """Of what does not match a schema OPA says the errors in an order of chance."""
    if answer and answer[0] and type(answer[0]) is list and type(answer[0][-1]) is list:
        return [answer[0][0], sorted(map(to_json, answer[0][-1]))]
    return answer


@pytest.mark.parametrize("name", CALLS)
def test_we_answer_as_opa_does(opa: OpaServer, name: str) -> None:
    compared = 0
    found = answers(opa, name)
    for operands, theirs in zip(from_json(json.dumps(CALLS[name])), found, strict=True):
        mine = ours(name, tuple(operands))
        if name == "json.match_schema":
            mine, theirs = unordered(mine), unordered(theirs)
        assert to_json(mine) == to_json(theirs), operands
        compared += 1
    assert compared == len(CALLS[name]) >= 10
    assert any(found), "OPA refuses all of them"


BOMB = " ".join(
    f"fragment {f}{i} on Dog {{ ...F{i + 1} ...G{i + 1} }}" for i in range(60) for f in "FG"
)
HOSTILE: dict[str, tuple[str, tuple[Any, ...]]] = {
    "fragments in fragments": (
        "graphql.is_valid",
        ("{dog{...F0}} " + BOMB + " fragment F60 on Dog{name} fragment G60 on Dog{name}", SCHEMA),
    ),
    "one field many times": ("graphql.is_valid", ("{" + "dog{name} " * 5_000 + "}", SCHEMA)),
    "a query that is too long": ("graphql.parse_query", ("{" + " a" * 200_000 + "}",)),
    "globs that have many ways": ("regex.globs_match", ("a*b*" * 200 + "c", "b*a*" * 200 + "d")),
    "globs that are too long": ("regex.globs_match", ("ab*" * 2_000, "a*b" * 2_000)),
    "aliases of aliases": (
        "yaml.unmarshal",
        ("a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n"
                                   for i in range(1, 12)),),
    ),
    "a schema with two ways at each level": (
        "json.match_schema",
        (
            from_json('{"a":' * 40 + "1" + "}" * 40),
            {"definitions": {"n": {"anyOf": [{"properties": {"a": {"$ref": "#/definitions/n"}},
                                              "required": ["z"]}] * 2}},
             "$ref": "#/definitions/n"},
        ),
    ),
    "ranges in ranges": (
        "strings.render_template",
        ("{{range .l}}" * 6 + "x" + "{{end}}" * 6, {"l": list(range(20))}),
    ),
    "a patch of many operations": (
        "json.patch",
        ({"a": [1] * 5_000}, [{"op": "add", "path": "/a/0", "value": 1}] * 5_000),
    ),
    "a number with a large exponent": ("plus", (from_json("1e-29000"), from_json("1e29000"))),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_operands_cost_a_bounded_time(case: str) -> None:
    name, operands = HOSTILE[case]
    started = time.process_time()
    with suppress(BuiltinError, RegoError):
        BUILTINS[name].function(*operands)
    # the slowest takes 0.5 s; without its bound each takes minutes or does not end
    assert time.process_time() - started < 5


def test_a_json_schema_loads_nothing() -> None:
    for reference in ("http://127.0.0.1:1/x", "file:///etc/passwd", "other.json"):
        schema = {"properties": {"a": {"$ref": reference}}}
        assert BUILTINS["json.verify_schema"].function(schema)[0] is False


def test_yaml_makes_no_python_objects() -> None:
    text = "!!python/object/apply:os.system ['true']"
    assert BUILTINS["yaml.unmarshal"].function(text) == ["true"]


def test_a_patch_leaves_the_document_and_what_it_copied_alone() -> None:
    document = {"a": {"b": [1]}}
    operations = [
        {"op": "copy", "from": "/a", "path": "/c"},
        {"op": "add", "path": "/c/b/0", "value": 0},
        {"op": "add", "path": "/a/b/-", "value": 2},
    ]
    patched = BUILTINS["json.patch"].function(document, operations)
    assert patched == {"a": {"b": [1, 2]}, "c": {"b": [0, 1]}}
    assert document == {"a": {"b": [1]}}
