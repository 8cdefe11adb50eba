import pytest

from callout.config.bundle import Bundle
from callout.config.documents import Documents, doubts, read
from callout.config.patterns import HostPattern, PathPattern, host_pattern, prefix_pattern
from callout.http.path import PathRules
from tests.callout.config.writing import policy


def documents(text: str, file: str = "test.yaml") -> Documents:
    return read(Bundle({file: text.encode()}), ["auth", "limits"])


def problems(text: str) -> list[str]:
    return [str(each) for each in documents(text).problems]


HEAD = "apiVersion: bundle/v1\nkind: Policy\n"

WRONG = [
    ("- a", "test.yaml:1:1: expected a document with apiVersion, found a list of 1"),
    (
        "kind: Policy\nname: a",
        "test.yaml:1:1: expected the key `apiVersion`, found none",
    ),
    (
        "apiVersion: bundle/v2\nkind: Policy\nname: a",
        "test.yaml:1:13: apiVersion: expected 'bundle/v1', found the text 'bundle/v2' "
        "(did you mean `bundle/v1`?)",
    ),
    (
        "apiVersion: bundle/v1\nkind: Callout\nname: a\nanything: 1",
        "test.yaml:2:7: kind: expected the kind Policy, found Callout: "
        "this version does not know it yet",
    ),
    ("apiVersion: bundle/v1\nkind: Polciy", "found the text 'Polciy' (did you mean `Policy`?)"),
    ("apiVersion: bundle/v1\nkind: 1\nname: a", "test.yaml:2:7: kind: expected 'Policy', found"),
    ("apiVersion: bundle/v1\nname: a", "test.yaml:1:1: expected the key `kind`, found none"),
    (HEAD, "test.yaml:1:1: expected the key `name`, found none"),
    (HEAD + "name: 'a b'", "test.yaml:3:7: name: expected text that matches"),
    (HEAD + "name: 1", "test.yaml:3:7: name: expected text, found the number 1"),
    (
        HEAD + "name: a\nauht: {}",
        "test.yaml:4:1: auht: expected one of apiVersion, auth, kind, limits, mode, name, on, "
        "path; found an unknown key (did you mean `auth`?)",
    ),
    (HEAD + "name: a\ninspect: {}", "test.yaml:4:1: inspect: expected one of"),
    (HEAD + "name: a\nmode: on", "test.yaml:4:7: mode: expected 'off', 'shadow' or 'enforce'"),
    (HEAD + "name: a\npath: {allow: [slash]}", "test.yaml:4:16: path.allow[0]: expected"),
    (HEAD + "name: a\npath: {dotSegments: keep}", "path.dotSegments: expected 'refuse' or"),
    (HEAD + "name: a\non: []", "test.yaml:4:5: on: expected a list of at least 1, found a list"),
    (HEAD + "name: a\non: {host: x}", "test.yaml:4:5: on: expected a list, found a mapping"),
    (HEAD + "name: a\non: [{}]", "test.yaml:4:6: on[0]: expected host, path or method"),
    (HEAD + "name: a\non: [{route: x}]", "on[0].route: expected one of host, method, path"),
    (HEAD + "name: a\non: [{host: 'x:80'}]", "on[0].host: expected a host without a port"),
    (HEAD + "name: a\non: [{host: 'a.*.b'}]", "expected a host, `*.` and a domain, or `*`"),
    (HEAD + "name: a\non: [{host: 'a b'}]", "expected a host, `*.` and a domain, or `*`"),
    (HEAD + "name: a\non: [{host: ''}]", "expected a host, `*.` and a domain, or `*`"),
    (HEAD + "name: a\non: [{host: 'ü.example'}]", "expected a host in ASCII (xn--...)"),
    (HEAD + "name: a\non: [{host: '[::g]'}]", "expected an IPv6 address in brackets"),
    (HEAD + "name: a\non: [{host: '[::1]:80'}]", "expected a host without a port"),
    (HEAD + "name: a\non: [{path: api}]", "found 'api' (not absolute)"),
    (HEAD + "name: a\non: [{path: '*'}]", "on[0].path: expected a path prefix, found '*'"),
    (HEAD + "name: a\non: [{path: /a//b}]", "expected a path in canonical form, '/a/b', found"),
    (HEAD + "name: a\non: [{path: /a?b}]", "expected a path in canonical form, '/a', found"),
    (HEAD + "name: a\non: [{path: /a/../b}]", "found '/a/../b' (dot segments)"),
    (HEAD + "name: a\non: [{path: {exact: /%61}}]", "on[0].path.exact: expected a path in canon"),
    (HEAD + "name: a\non: [{path: {match: '('}}]", "expected a regular expression (RE2), found a"),
    (HEAD + "name: a\non: [{path: {match: '(?=a)'}}]", "expected a regular expression (RE2)"),
    (HEAD + "name: a\non: [{path: {regex: a}}]", "found an unknown key"),
    (HEAD + "name: a\non: [{path: 1}]", "on[0].path: expected text or a mapping, found the num"),
    (HEAD + "name: a\non: [{method: 'GET POST'}]", "on[0].method: expected an HTTP method"),
    (
        HEAD + "name: a\nlimits: [{name: x}, {name: y}, {name: x}]",
        "test.yaml:4:39: limits[2].name: expected each name once, found 'x' again",
    ),
    (
        policy("a") + "---\n" + policy("a"),
        "test.yaml:8:7: name: expected each policy once, found 'a' again (first in test.yaml:3)",
    ),
]


def test_the_table_is_whole() -> None:
    assert len(WRONG) == 39


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[row[1][:60] for row in WRONG])
def test_a_mistake_is_a_problem_with_its_place(text: str, expected: str) -> None:
    assert any(expected in each for each in problems(text)), problems(text)


def test_one_bad_document_does_not_hide_another() -> None:
    found = documents("kind: Layer\n---\n" + policy("a") + "---\nkind: 7\n")
    assert [each.name for each in found.policies] == ["a"]
    assert len(found.problems) >= 2


def test_a_policy_is_read() -> None:
    text = policy(
        "shop",
        """
        on:
          - {host: Shop.Example., path: /api/, method: get}
          - {host: "*.shop.example", path: {match: "/v[0-9]+/.*"}}
          - {path: {exact: /health}}
          - {host: "[2001:DB8::1]"}
        path: {allow: [encodedSlash]}
        """,
    )
    found = documents(text)
    assert not found.problems
    (shop,) = found.policies
    assert [(each.host, each.path, each.method) for each in shop.entries] == [
        (HostPattern("exact", "shop.example"), PathPattern("prefix", "/api"), "GET"),
        (HostPattern("suffix", "shop.example"), PathPattern("match", "/v[0-9]+/.*"), None),
        (HostPattern("any"), PathPattern("exact", "/health"), None),
        (HostPattern("exact", "[2001:db8::1]"), PathPattern("prefix", ""), None),
    ]
    assert shop.rules == PathRules(allow=frozenset({"encodedSlash"}))
    assert shop.source.policy == "shop"


def test_yaml_in_a_folder_is_a_document_only_if_it_says_so() -> None:
    assert not documents("keys: [a]", "keys/partners.yaml").problems
    assert documents(policy("a"), "teams/a.yml").policies
    assert documents("apiVersion: bundle/v1\nkind: Policyy", "teams/a.yml").problems
    assert documents("a: [", "keys/partners.yaml").problems


def test_rate_limit_files_and_compiled_ones_are_no_documents() -> None:
    assert not documents("domain: x", "ratelimit/x.yaml").problems
    assert not documents("domain: x", ".compiled/x.yaml").problems
    assert not documents("{", "rego/data.json").problems


DOUBTS = [
    ("on: [{host: a}, {host: A.}]", "on[1]: says what an entry before it says already", ""),
    ("on: [{path: {match: 'api/.*'}}]", "on[0].path.match: can never match", ""),
    ("on: [{path: {match: ''}}]", "on[0].path.match: can never match", ""),
    ("on: [{path: /a%2Fb}]", "on[0].path: can never match: no policy's `path.allow`", ""),
    ("on: [{path: /a@b}]", "on[0].path: matches this spelling only", ""),
    ("on: [{path: {exact: '/a:b'}}]", "on[0].path.exact: matches this spelling only", ""),
    ("on: [{method: GTE}]", "on[0].method: an unusual method", "GET"),
]


@pytest.mark.parametrize(("rest", "expected", "hint"), DOUBTS, ids=[row[0] for row in DOUBTS])
def test_what_cannot_have_been_meant_is_a_warning(rest: str, expected: str, hint: str) -> None:
    found = documents(policy("a", rest))
    assert not found.problems
    (doubt,) = doubts(found.policies)
    assert doubt.severity == "warning"
    assert expected in str(doubt)
    assert doubt.suggestion == hint


@pytest.mark.parametrize(
    "rest",
    [
        'on: [{host: a}, {host: "*"}, {path: {exact: "*"}, method: OPTIONS}]',
        r"on: [{path: {match: '\C*'}}, {path: {match: '.*'}}, {path: {match: '(/a|/b)+'}}]",
        "on: [{path: /a%2Fb}]\npath: {allow: [encodedSlash]}",
        "on: [{method: PROPFIND}]",
    ],
)
def test_what_may_be_meant_is_no_warning(rest: str) -> None:
    found = documents(policy("a", rest))
    assert not found.problems
    assert not doubts(found.policies)


def test_patterns_say_what_they_expected() -> None:
    with pytest.raises(ValueError, match="without a port"):
        host_pattern("*.a.example:80")
    assert host_pattern("::1") == HostPattern("exact", "[::1]")
    assert prefix_pattern("/") == PathPattern("prefix", "")
