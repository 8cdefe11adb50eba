"""Our Rego beside a real OPA: of the same policies and inputs, the same answers to the letter."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.testing.opa import OpaServer
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.policy.rego import RegoEngine
from extauthz.policy.values.text import from_json, to_json
from tests.extauthz.policy.rego import engine

NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(-(2**70), 2**70),
    st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=2),
    st.sampled_from([Decimal("1.0"), Decimal("0.1"), Decimal("-0.5"), Decimal("1234567.5"), 2**64]),
)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "ab", "aba", "A", "/", "a.b", "ß", "İ", "ΑΣ", "ﬀ", "ᾀ", " x\x1f", "1"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cn", "Cs")), max_size=6),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "k", "1"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=strategies)


class Policy(NamedTuple):
    rego: str
    inputs: st.SearchStrategy[dict[str, Any]]


GLOBS = st.text(st.sampled_from("ab.*?[]{},!-\\/"), max_size=8)
PATTERNS = st.one_of(
    st.text(st.sampled_from("ab.*+?()|[]^$\\d"), max_size=6),
    st.sampled_from(
        ["a*", "(a)(b)?", "^a", "b$", "", "x*", "(?i)A", "[^a]", r"\b", r"\pL", "a{2}"]
    ),
)
FORMATS = st.one_of(
    st.sampled_from(
        ["%d", "%s", "%v", "%5d|", "%-5d|", "%05d", "%x", "%q", "%.2f", "%e", "%g", "%t", "%%", "%"]
    ),
    st.builds("%{}{}{}".format, st.sampled_from(["", "5", "-4", "06", "+"]),
              st.sampled_from(["", ".1", ".3"]), st.sampled_from("dvsqxXfegbo")),
)  # fmt: skip
VERSIONS = st.from_regex(r"\Av?[0-2]\.[0-9]{1,2}\.[0-1](-[a0-9]{1,2}(\.[0-9a]{1,2})?)?(\+b)?\Z")
CIDRS = st.sampled_from(
    ["10.0.0.0/8", "10.1.2.3/16", "10.1.2.3", "0.0.0.0/0", "10.0.0.0/33", "10.0.0/8", "::/0", "::1",
     "2001:db8::/32", "2001:db8::1/64", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "fe80::1%eth0",
     "010.0.0.1/8", "x", "", "10.0.0.0/08"]
)  # fmt: skip
UNITS = st.builds(
    "{}{}".format,
    st.sampled_from(
        ["1", "0", "10", "1.5", ".5", "5.", "-2", "1e3", "1e", "0x1", "010", "", "1E5"]
    ),
    st.sampled_from(
        ["", "K", "k", "Ki", "KB", "KiB", "m", "M", "MB", "g", "GiB", "E", "e", "x", " "]
    ),
)

POLICIES: dict[str, Policy] = {
    "roles": Policy(
        "default p := false\n"
        "p if { some g in data.roles[data.users[input.user]]; g.method == input.method;"
        " startswith(input.path, g.prefix) }\n"
        'p if { not input.user; input.parsed[0] == "public" }',
        fields(
            user=st.sampled_from(["alice", "bob", "eve", 1, None, False]),
            method=st.sampled_from(["GET", "PUT", 1]),
            path=st.sampled_from(["/a/1", "/b", "/", "", 5]),
            parsed=st.sampled_from([["public"], ["a"], [], "public", {"0": "public"}]),
        ),
    ),
    "comparison": Policy(
        "p := [input.a == input.b, input.a != input.b, input.a < input.b, input.a >= input.b]",
        fields(a=VALUES, b=VALUES),
    ),
    "order": Policy(
        "p := [sort(input.xs), max(input.xs), min(input.xs), count(input.xs)]",
        fields(xs=st.lists(VALUES, max_size=5)),
    ),
    "sets": Policy(
        "a := {x | some x in input.a}\nb := {x | some x in input.b}\n"
        "p := [a, a & b, a | b, a - b, count(a), {1, true} & a, union({a, b})]",
        fields(a=st.lists(VALUES, max_size=4), b=st.lists(VALUES, max_size=4)),
    ),
    "membership": Policy(
        'p := [input.x in input.c, input.k, input.x in input.c, input.x in {1, true, "a"}]',
        fields(x=VALUES, c=VALUES, k=SCALARS),
    ),
    "look-ups": Policy(
        "a := input.c[input.k]\nb := input.c[0]\nc := object.get(input.c, input.k, 5)\n"
        'p := {n: v | some n, v in {"a": [x | x := a], "b": [x | x := b], "c": [x | x := c]}}',
        fields(c=VALUES, k=st.one_of(SCALARS, st.lists(SCALARS, max_size=2))),
    ),
    "negation and every": Policy(
        "q if { every k, v in input.c { v == k } }\nr if { some v in input.c; not v }\n"
        "p := [[x | x := q], [x | x := r], [1 | not input.c], [1 | not input.c.a]]",
        fields(c=VALUES),
    ),
    "else and functions": Policy(
        'f(x) := "n" if { x > 3; is_number(x) } else := "s" if { is_string(x) } else := x\n'
        "p := [f(input.a), [y | some x in input.b; y := f(x)]]",
        fields(a=VALUES, b=VALUES),
    ),
    "with": Policy(
        "q := [x | x := input.a.b]\nr := [x | x := data.users[input.k]]\n"
        "p := [q, w, r, z] if { w := q with input.a.b as input.k;"
        " z := r with data.users as input.a }",
        fields(a=VALUES, k=SCALARS),
    ),
    "partial objects": Policy(
        "o[k] := v if some k, v in input.o\no[k] := 1 if some k in input.ks\n"
        "n[x][y] := 1 if { some x, v in input.o; some y in v }\np := [o, n]",
        fields(
            o=st.dictionaries(
                st.sampled_from("ab"), st.one_of(NUMBERS, st.lists(SCALARS, max_size=2))
            ),
            ks=st.lists(st.sampled_from(["a", "c", 1, True]), max_size=3),
        ),
    ),
    "partial sets and conflicts": Policy(
        "c := input.a\nc := input.b\ns contains x if some x in input.xs\ns contains c\np := s",
        fields(a=SCALARS, b=SCALARS, xs=st.lists(SCALARS, max_size=3)),
    ),
    "rules by name": Policy(
        "a.x := input.v\na.y.z := 2\na.w contains 1\np := [v | v := data.test.a[input.k]]",
        fields(k=st.sampled_from(["x", "y", "w", "q", 1]), v=SCALARS),
    ),
    "arithmetic": Policy(
        "a := input.a\nb := input.b\n"
        "p := [[x | x := a + b], [x | x := a - b], [x | x := a * b], [x | x := a / b],"
        " [x | x := a % b], abs(a), round(a), ceil(a), floor(a), sum([a, b]), product([a, b]),"
        " format_int(a, 16), to_number(b)]",
        st.fixed_dictionaries({"a": NUMBERS, "b": NUMBERS}),
    ),
    "bits": Policy(
        "p := [bits.and(input.a, input.b), bits.or(input.a, input.b), bits.xor(input.a, input.b),"
        " bits.negate(input.a), bits.rsh(input.a, 3), bits.lsh(input.a, 3)]",
        st.fixed_dictionaries({"a": NUMBERS, "b": NUMBERS}),
    ),
    "strings": Policy(
        "a := input.a\nb := input.b\nn := input.n\n"
        "p := [upper(a), lower(a), trim(a, b), trim_left(a, b), trim_right(a, b),"
        " trim_prefix(a, b), trim_suffix(a, b), trim_space(a), split(a, b), contains(a, b),"
        " startswith(a, b),"
        ' endswith(a, b), [x | x := indexof(a, b)], [x | x := indexof_n(a, b)], replace(a, b, "-"),'
        " [x | x := substring(a, n, 2)], strings.reverse(a), strings.count(a, b),"
        " concat(b, [a, a]),"
        ' strings.any_prefix_match(a, [b, "a"]), strings.any_suffix_match([a], b),'
        ' strings.replace_n({b: "1", "ab": "2"}, a), [x | x := to_number(a)], count(a)]',
        st.fixed_dictionaries({"a": TEXTS, "b": TEXTS, "n": st.integers(-1, 4)}),
    ),
    "sprintf": Policy(
        "p := sprintf(input.f, input.a)",
        st.fixed_dictionaries(
            {
                "f": st.lists(FORMATS, max_size=3).map(" ".join),
                "a": st.lists(st.one_of(VALUES, NUMBERS), max_size=3),
            }
        ),
    ),
    "globs": Policy(
        "p := [x | x := glob.match(input.g, input.d, input.t)]",
        st.fixed_dictionaries(
            {
                "g": GLOBS,
                "d": st.sampled_from([None, [], ["/"], [".", "/"], ["ab"]]),
                "t": st.text(st.sampled_from("ab./-"), max_size=6),
            }
        ),
    ),
    "regular expressions": Policy(
        "p := [regex.is_valid(input.r), [x | x := regex.match(input.r, input.t)],"
        " [x | x := regex.find_n(input.r, input.t, -1)], [x | x := regex.split(input.r, input.t)],"
        ' [x | x := regex.replace(input.t, input.r, "<$1$0${x}>")],'
        " [x | x := regex.find_all_string_submatch_n(input.r, input.t, 2)]]",
        st.fixed_dictionaries(
            {"r": PATTERNS, "t": st.one_of(TEXTS, st.text(st.sampled_from("abAé"), max_size=6))}
        ),
    ),
    "networks": Policy(
        "p := [[x | x := net.cidr_contains(input.a, input.b)],"
        " [x | x := net.cidr_intersects(input.a, input.b)], net.cidr_is_valid(input.a)]",
        st.fixed_dictionaries({"a": CIDRS, "b": CIDRS}),
    ),
    "encodings": Policy(
        "a := input.a\n"
        "p := [base64.encode(a), base64url.encode(a), base64url.encode_no_pad(a), hex.encode(a),"
        " urlquery.encode(a), json.marshal(input), json.is_valid(a), [x | x := json.unmarshal(a)],"
        " [x | x := base64.decode(a)], [x | x := base64url.decode(a)], [x | x := hex.decode(a)],"
        " [x | x := urlquery.decode(a)], [x | x := urlquery.decode_object(a)], base64.is_valid(a),"
        " json.unmarshal(json.marshal(input.v)), crypto.sha256(a)]",
        st.fixed_dictionaries(
            {
                "a": st.one_of(
                    TEXTS,
                    st.text(st.sampled_from('{"a":1}[],.e-+ %20=&;AQ'), max_size=8),
                    st.sampled_from(["QQ==", "QUI=", "QQ", "4142", "a=1&a=%32", "1e3", "[1.0]"]),
                ),
                "v": VALUES,
            }
        ),
    ),
    "versions and units": Policy(
        "p := [[x | x := semver.compare(input.a, input.b)], semver.is_valid(input.a),"
        " [x | x := units.parse(input.u)], [x | x := units.parse_bytes(input.u)]]",
        st.fixed_dictionaries({"a": VERSIONS, "b": VERSIONS, "u": UNITS}),
    ),
    "times": Policy(
        "t := input.t\n"
        "p := [[x | x := time.date(t)], [x | x := time.clock(t)], [x | x := time.weekday(t)],"
        " [x | x := time.add_date(t, input.y, input.m, input.d)], [x | x := time.diff(t, 0)],"
        " [x | x := time.parse_rfc3339_ns(input.s)], [x | x := time.parse_duration_ns(input.l)]]",
        st.fixed_dictionaries(
            {
                "t": st.one_of(
                    st.integers(-(2**63), 2**63),
                    st.tuples(
                        st.integers(0, 2 * 10**18),
                        st.sampled_from(
                            ["UTC", "", "Europe/Berlin", "America/New_York", "No/Zone"]
                        ),
                    ).map(list),
                ),
                "y": st.integers(-3, 300),
                "m": st.integers(-20, 20),
                "d": st.integers(-100, 100),
                "s": st.sampled_from(
                    [
                        "2024-02-29T12:00:00Z",
                        "2023-02-29T12:00:00Z",
                        "2024-01-01T1:00:00.5+01:30",
                        "1500-01-01T00:00:00Z",
                        "2024-01-01T24:00:00Z",
                        "2024-01-01",
                        "",
                    ]
                ),
                "l": st.sampled_from(
                    ["1h", "1.5h", "-3m2s", "1us", "1µs", "", "h", "1", "0", ".5s", "1h-1m", "+2ms"]
                ),
            }
        ),
    ),
    "objects": Policy(
        "a := input.a\nb := input.b\n"
        "p := [object.keys(a), object.union(a, b), object.union_n([a, b, a]), object.remove(a, b),"
        " object.filter(a, input.ks), [x | x := object.subset(a, b)], json.filter(a, input.ps),"
        " json.remove(a, input.ps), [x | walk(a, x)],"
        " [x | x := object.subset(input.ks, input.ps)]]",
        st.fixed_dictionaries(
            {
                "a": st.dictionaries(st.sampled_from(["a", "b", "1"]), VALUES, max_size=3),
                "b": st.dictionaries(st.sampled_from(["a", "b", "1"]), VALUES, max_size=3),
                "ks": st.lists(st.sampled_from(["a", "b", 1]), max_size=2),
                "ps": st.lists(st.sampled_from(["a", "a/b", "/b/0", "a/1", ""]), max_size=3),
            }
        ),
    ),
    "arrays": Policy(
        "p := [array.concat(input.a, input.b), array.slice(input.a, input.i, input.j),"
        " array.reverse(input.a), array.flatten(input.a), numbers.range(input.i, input.j)]",
        st.fixed_dictionaries(
            {
                "a": st.lists(VALUES, max_size=4),
                "b": st.lists(SCALARS, max_size=2),
                "i": st.integers(-2, 5),
                "j": st.integers(-2, 5),
            }
        ),
    ),
    "template strings": Policy(
        'p := $"{input.a}-{input.b.c}-{data.users.alice}"', fields(a=VALUES, b=VALUES)
    ),
}

DATA = {
    "users": {"alice": "customer", "bob": "staff"},
    "roles": {
        "customer": [{"method": "GET", "prefix": "/a"}],
        "staff": [{"method": "GET", "prefix": "/"}, {"method": "PUT", "prefix": "/b"}],
    },
}
NOT_DONE = frozenset({"rego_builtin", "rego_number", "rego_range"})
"""What we refuse at run time instead of answering otherwise than OPA: it ends in a denial."""


def packaged(name: str) -> str:
    return f"package test{list(POLICIES).index(name)}"


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    sources = {
        f"{index}.rego": f"package test{index}\n"
        + policy.rego.replace("data.test.", f"data.test{index}.")
        for index, policy in enumerate(POLICIES.values())
    }
    with closing(OpaServer(tmp_path_factory.mktemp("opa"), sources, DATA)) as server:
        yield server


ENGINES: dict[str, RegoEngine] = {}


def ours(name: str) -> RegoEngine:
    if name not in ENGINES:
        ENGINES[name] = engine(f"package test\n{POLICIES[name].rego}", data=DATA)
    return ENGINES[name]


def theirs(server: OpaServer, name: str, document: Any) -> str:
    """OPA's answer as text: `undefined`, `failed`, or JSON."""
    request = urllib.request.Request(
        f"{server.url}/v1/data/test{list(POLICIES).index(name)}/p",
        data=to_json({"input": document}).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer = from_json(reply.read())
    except urllib.error.HTTPError as error:
        return "failed" if error.code == 500 else f"status {error.code}"
    return to_json(answer["result"]) if "result" in answer else "undefined"


def test_there_are_policies_enough() -> None:
    assert len(POLICIES) == 25


@pytest.mark.parametrize("name", POLICIES)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_we_answer_as_opa_does(name: str, opa: OpaServer, data: st.DataObject) -> None:
    document = data.draw(POLICIES[name].inputs)
    answer = ours(name).decide(document, None)
    if isinstance(answer, PolicyFailed):
        if answer.reason in NOT_DONE:
            return
        assert theirs(opa, name, document) == "failed", answer
    else:
        found = "undefined" if answer is UNDEFINED else to_json(answer)
        assert found == theirs(opa, name, document)
