import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.effective import MAX_LATE, Memo
from callout.config.patterns import Entry, HostPattern, PathPattern
from callout.config.policies import Effective, PolicyIndex, UnknownPolicy
from callout.config.table import MAX_SEEN, MatchTable, RegexSet
from callout.http.path import CanonicalPath, PathRules, RefusedPath
from tests.callout.config.writing import index, names, policy

ORDER = index(
    policy("any", 'on: [{host: "*"}]'),
    policy("any-path", 'on: [{host: "*", path: /api}]'),
    policy("suffix", 'on: [{host: "*.example"}]'),
    policy("suffix-longer", 'on: [{host: "*.shop.example"}]'),
    policy("exact", "on: [{host: www.shop.example}]"),
    policy("exact-2", "on: [{host: www.shop.example}]"),
    policy("exact-get", "on: [{host: www.shop.example, method: GET}]"),
    policy("prefix", "on: [{host: www.shop.example, path: /api}]"),
    policy("prefix-longer", "on: [{host: www.shop.example, path: /api/v1/}]"),
    policy("z-regex", "on: [{host: www.shop.example, path: {match: '/api/v[0-9]/x'}}]"),
    policy("a-regex", "on: [{host: www.shop.example, path: {match: '/api/.*'}}]"),
    policy("regex-post", "on: [{host: www.shop.example, path: {match: '/.*'}, method: POST}]"),
    policy("a-exact-path", "on: [{host: www.shop.example, path: {exact: /api/v1/x}}]"),
    policy("named"),
)

CHOICES = [
    ("other.test", "/", "GET", "any"),
    ("other.test", "/api", "GET", "any any-path"),
    ("other.test", "/apis", "GET", "any"),
    ("other.test", "/API", "GET", "any"),
    ("example", "/", "GET", "any"),
    ("a.example", "/", "GET", "any suffix"),
    ("b.a.example", "/", "GET", "any suffix"),
    ("shop.example", "/", "GET", "any suffix"),
    ("a.shop.example", "/", "GET", "any suffix suffix-longer"),
    ("ashop.example", "/", "GET", "any suffix"),
    ("www.shop.example", "/", "PUT", "any suffix suffix-longer exact exact-2"),
    ("www.shop.example", "/", "GET", "any suffix suffix-longer exact exact-2 exact-get"),
    ("www.shop.example", "/", "get", "any suffix suffix-longer exact exact-2 exact-get"),
    (
        "www.shop.example",
        "/api/v1/x",
        "PUT",
        "any any-path suffix suffix-longer exact exact-2 prefix prefix-longer z-regex a-regex "
        "a-exact-path",
    ),
    (
        "www.shop.example",
        "/api/",
        "POST",
        "any any-path suffix suffix-longer exact exact-2 prefix a-regex regex-post",
    ),
    ("www.shop.example", "*", "OPTIONS", "any suffix suffix-longer exact exact-2"),
    ("", "/", "", "any"),
]


def test_the_table_is_whole() -> None:
    assert len(CHOICES) == 17


@pytest.mark.parametrize(
    ("host", "path", "method", "expected"), CHOICES, ids=[" ".join(row[:3]) for row in CHOICES]
)
def test_policies_apply_from_least_to_most_specific(
    host: str, path: str, method: str, expected: str
) -> None:
    found = ORDER.choose(host, path, method)
    assert names(found) == tuple(expected.split())
    assert isinstance(found, Effective)
    assert found.name == expected.split()[-1]
    assert ORDER.choose(host, path, method) is found


def test_the_policy_that_trusted_configuration_names_comes_last() -> None:
    assert names(ORDER.choose("x.test", "/", "GET", "named")) == ("any", "named")
    assert names(ORDER.choose("x.test", "/api", "GET", "any")) == ("any-path", "any")
    assert ORDER.choose("x.test", "/", "GET", "nmaed") == UnknownPolicy("nmaed")


def test_nothing_matches_is_none_but_a_named_policy_applies_alone() -> None:
    only = index(policy("shop", "on: [{host: shop.example}]"), policy("named"))
    assert only.choose("other.example", "/", "GET") is None
    assert names(only.choose("other.example", "/", "GET", "named")) == ("named",)
    assert index(policy("named")).choose("", "/", "GET") is None


def test_a_policy_that_matches_twice_counts_where_it_is_most_specific() -> None:
    found = index(
        policy("both", 'on: [{host: "*"}, {host: shop.example, path: /api}]'),
        policy("host", "on: [{host: shop.example}]"),
    )
    assert names(found.choose("shop.example", "/api", "GET")) == ("host", "both")
    assert names(found.choose("shop.example", "/", "GET")) == ("both", "host")


def test_the_modes_of_a_block_win_over_the_policys() -> None:
    found = index(
        policy("base", 'on: [{host: "*"}]\nauth: {a: 1}'),
        policy("shadow", 'on: [{host: "*", path: /s}]\nmode: shadow'),
        policy("own", 'on: [{host: "*", path: /s/own}]\nauth: {mode: enforce}'),
        policy("off", 'on: [{host: "*", path: /s/own/off}]\nmode: off'),
        policy("nulled", 'on: [{host: "*", path: /s/own/off/null}]\nauth: {mode: null}'),
    )

    def modes(path: str) -> tuple[str, str]:
        effective = found.choose("x", path, "GET")
        assert isinstance(effective, Effective)
        return effective.mode("auth"), effective.mode("limits")

    assert modes("/") == ("enforce", "enforce")
    assert modes("/s") == ("shadow", "shadow")
    assert modes("/s/own") == ("enforce", "shadow")
    assert modes("/s/own/off") == ("enforce", "off")
    assert modes("/s/own/off/null") == ("off", "off")


def test_blocks_are_merged_and_compiled() -> None:
    found = index(
        policy(
            "base",
            """
            on: [{host: "*"}]
            auth: {decide: {rego: a, entrypoint: b}, emit: {x: sub}}
            limits: [{name: a, rate: 1/min}, {name: b, rate: 2/min}]
            """,
        ),
        policy(
            "more",
            """
            on: [{host: "*", path: /more}]
            auth: {decide: {opa: c}, emit: {y: org}}
            limits: [{name: b, off: true}, {name: c, rate: 3/min}]
            """,
        ),
        policy("none", 'on: [{host: "*", path: /none}]\nauth: null\nlimits: null'),
    )
    more = found.choose("x", "/more", "GET")
    assert isinstance(more, Effective)
    assert more.block("auth") == {"decide": {"opa": "c"}, "emit": {"x": "sub", "y": "org"}}
    assert more.block("limits") == {"a": "1/min", "c": "3/min"}
    assert more.block("unknown") is None
    none = found.choose("x", "/none", "GET")
    assert isinstance(none, Effective)
    assert none.block("auth") is None
    assert none.block("limits") is None


def test_a_combination_that_makes_no_valid_policy_is_found_at_run_time() -> None:
    found = index(
        policy("rate", 'on: [{host: "*"}]\nlimits: [{name: a, rate: 1/min}]'),
        policy("post", "on: [{method: POST}]\nlimits: [{name: a, rate: null, off: true}]"),
        policy("shop", "on: [{host: shop}]\nauth: {ok: 1}\nlimits: [{name: a, off: false}]"),
    )
    good = found.choose("shop", "/", "GET")
    assert isinstance(good, Effective)
    assert good.block("limits") == {"a": "1/min"}
    bad = found.choose("shop", "/", "POST")
    assert isinstance(bad, Effective)
    assert [str(each) for each in bad.invalid] == [
        "test.yaml:18:10: limits[0]: expected a rate, found none"
    ]
    assert bad.names == ("rate", "post", "shop")
    assert bad.block("auth") is None
    assert bad.block("limits") is None
    assert found.choose("shop", "/", "POST") is bad


def test_a_refused_path_belongs_to_the_hosts_policy_for_the_root() -> None:
    found = ORDER.find("www.shop.example", "/api/../x?y", "GET")
    assert found.path == RefusedPath("dot_segments")
    assert found.effective is ORDER.choose("www.shop.example", "/", "GET")
    assert ORDER.for_host("www.shop.example", "GET") is found.effective
    assert names(ORDER.find("x.test", "/%00", "GET", "named").effective) == ("any", "named")
    assert ORDER.find("x.test", "/%00", "GET", "no").effective == UnknownPolicy("no")


def test_a_path_is_found_by_its_canonical_form() -> None:
    found = ORDER.find("x.test", "//%61pi;x/y?z", "GET")
    assert names(found.effective) == ("any", "any-path")
    assert isinstance(found.path, CanonicalPath)
    assert (found.path.path, found.path.query) == ("/api/y", "z")


WIDE = index(
    policy("base", 'on: [{host: "*"}]'),
    policy("files", 'on: [{host: "*", path: /files}]\npath: {allow: [encodedSlash]}'),
    policy("old", 'on: [{host: "*", path: /old}]\npath: {dotSegments: resolve}'),
    policy("strict", 'on: [{host: "*", path: /old/strict}]\npath: {dotSegments: refuse}'),
)


@pytest.mark.parametrize(
    ("raw", "expected", "effective"),
    [
        ("/files/a%2fb", "/files/a%2Fb", "base files"),
        ("/old/a/../b", "/old/b", "base old"),
        ("/files/../old/x", "/old/x", "base old"),
        # the policy that the path leads to does not allow it
        ("/a%2Fb", "encoded_slash", "base"),
        ("/old/a%2Fb", "encoded_slash", "base"),
        ("/old/../admin", "dot_segments", "base"),
        ("/old/x/../strict/y", "dot_segments", "base"),
        ("/files/a%5cb", "encoded_backslash", "base"),
        ("/old/../../x", "above_root", "base"),
    ],
)
def test_only_the_policy_that_a_path_leads_to_can_allow_it(
    raw: str, expected: str, effective: str
) -> None:
    found = WIDE.find("x", raw, "GET")
    got = found.path.path if isinstance(found.path, CanonicalPath) else found.path.reason
    assert (got, names(found.effective)) == (expected, tuple(effective.split()))


def test_path_rules_are_merged() -> None:
    strict = WIDE.choose("x", "/old/strict", "GET")
    assert isinstance(strict, Effective)
    assert strict.path_rules == PathRules()


# A naive oracle: config.md's words, tried on every entry of every policy.

HOSTS = ["*", "*.example", "*.a.example", "a.example", "b.a.example", "c"]
PATHS: list[Any] = ["/", "/x", "/x/y", "/x/y/z", {"exact": "/x"}, {"exact": "/x/y"},
                    {"match": "/x.*"}, {"match": "/x/[a-y]"}, {"match": "/.*"}]  # fmt: skip
METHODS = [None, "GET", "POST"]
entries = st.tuples(st.sampled_from(HOSTS), st.sampled_from(PATHS), st.sampled_from(METHODS))
policy_lists = st.lists(st.lists(entries, min_size=1, max_size=3), min_size=1, max_size=6)


def host_rank(pattern: str, host: str) -> tuple[int, int] | None:
    if pattern == "*":
        return (0, 0)
    if pattern.startswith("*."):
        return (1, len(pattern)) if host.endswith(pattern[1:]) else None
    return (2, 0) if pattern == host else None


def path_rank(pattern: Any, path: str, order: int) -> tuple[int, int] | None:
    if isinstance(pattern, str):
        prefix = pattern.rstrip("/")
        return (0, len(prefix)) if path == prefix or path.startswith(prefix + "/") else None
    if "match" in pattern:
        return (1, order) if re.fullmatch(pattern["match"], path) else None
    return (2, 0) if pattern["exact"] == path else None


def oracle(policies: list[Any], host: str, path: str, method: str) -> tuple[str, ...]:
    ranks: dict[str, Any] = {}
    order = 0
    for number, on in enumerate(policies):
        for pattern, path_pattern, wanted in on:
            order += 1
            by_host = host_rank(pattern, host)
            by_path = path_rank(path_pattern, path, order)
            if by_host and by_path and wanted in (None, method):
                name = f"p{9 - number}"  # names sort against the order of the file
                rank = (by_host, by_path, wanted is not None, name)
                ranks[name] = max(ranks.get(name, rank), rank)
    return tuple(sorted(ranks, key=lambda name: ranks[name]))


@given(
    policy_lists,
    st.sampled_from(["a.example", "b.a.example", "z.b.a.example", "example", "c", ""]),
    st.sampled_from(["/", "/x", "/x/", "/x/y", "/x/y/z", "/xx", "/x/z"]),
    st.sampled_from(["GET", "POST", "PUT"]),
)
@settings(max_examples=150, deadline=None)
def test_the_choice_is_the_one_that_config_md_describes(
    policies: list[Any], host: str, path: str, method: str
) -> None:
    def written(on: list[Any]) -> str:
        return "on: " + repr(
            [
                {"host": each[0], "path": each[1]} | ({"method": each[2]} if each[2] else {})
                for each in on
            ]
        )

    found = index(*(policy(f"p{9 - n}", written(on)) for n, on in enumerate(policies)))
    assert names(found.choose(host, path, method)) == oracle(policies, host, path, method)


class Counting(dict[Any, Any]):
    """Counts how often it is asked."""

    asked = 0

    def get(self, key: Any, default: Any = None) -> Any:
        Counting.asked += 1
        return super().get(key, default)


def _entries(count: int) -> list[tuple[Entry, int]]:
    rows: list[tuple[Entry, int]] = []
    for number in range(count):
        hosts = [HostPattern("exact", f"h{number}.example"), HostPattern("suffix", f"s{number}.x")]
        paths = [PathPattern("prefix", f"/p{number}/q"), PathPattern("exact", f"/e{number}")]
        rows += [(Entry(host, PathPattern("prefix", ""), None), number) for host in hosts]
        rows += [(Entry(HostPattern("any"), path, "GET"), number) for path in paths]
        rows.append((Entry(HostPattern("exact", "big.example"), paths[0], None), number))
    return rows


def _probes(count: int) -> list[int]:
    """Dictionary look-ups of a few requests, in a table of so many policies."""
    table = MatchTable(_entries(count))
    for name in ("_exact", "_suffixes", "_seen"):
        setattr(table, name, Counting(getattr(table, name)))
    every = {id(each): each for paths in table._exact.values() for each in paths}
    every |= {id(each): each for each in (*table._every, *table._suffixes.values())}
    for paths in every.values():
        for name in ("prefixes", "exact"):
            setattr(paths, name, Counting(getattr(paths, name)))
        paths.root.by_method = Counting(paths.root.by_method)
    found = []
    for host, path in [
        ("h3.example", "/p3/q/r"),
        ("big.example", "/p4/q"),
        ("a.s5.x", "/e5"),
        ("none", "/none/at/all/of/it"),
    ]:
        Counting.asked = 0
        table.match(host, path, "GET")
        found.append(Counting.asked)
    return found


def test_ten_thousand_policies_are_looked_up_as_ten_are() -> None:
    assert _probes(10_000) == _probes(10)
    assert max(_probes(10)) <= 12


def test_a_long_hostile_host_or_path_costs_no_more_look_ups() -> None:
    table = MatchTable(_entries(10))
    seen = table._seen = Counting(table._seen)
    suffixes = table._suffixes = Counting(table._suffixes)
    Counting.asked = 0
    table.match("a." * 100_000 + "s1.x", "/p" * 100_000, "GET")
    assert Counting.asked <= 12
    assert not seen
    assert suffixes


def test_a_hosts_suffixes_are_found_however_long_it_is() -> None:
    table = MatchTable(_entries(10))
    assert table.match("a." * 100_000 + "s1.x", "/", "GET") == (1,)


def test_hosts_and_paths_that_clients_make_up_are_forgotten() -> None:
    found = MatchTable([(Entry(HostPattern("any"), PathPattern("match", "/.*"), None), 0)])
    for number in range(MAX_SEEN + 10):
        assert found.match(f"h{number}", f"/{number}", "GET") == (0,)
    assert len(found._seen) <= MAX_SEEN
    assert len(found._every[0]._seen) <= MAX_SEEN


def test_regular_expressions_match_all_of_the_path_in_the_order_of_the_files() -> None:
    found = RegexSet(["/b.*", "/a", "/b", ".*"])
    assert found.match("/b") == [0, 2, 3]
    assert found.match("/a") == [1, 3]
    assert found.match("/ab") == [3]
    assert RegexSet(["/a"]).match("/b") == []


def test_an_automaton_that_runs_out_of_memory_is_never_a_missed_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patterns = [f"/.*a.{{{number}}}b" for number in range(12)]
    small = RegexSet(patterns, memory=1 << 12)
    assert small._set is None  # not even compiled

    class Silent:
        """RE2 out of memory while it matches."""

        def Match(self, text: str) -> None:
            return None

    silent = RegexSet(patterns)
    silent._set = Silent()
    large = RegexSet(patterns)
    for path in ("/a1b", "/aaaabbbb", "/xaxxxxxxxxxb", "/none"):
        assert small.match(path) == large.match(path) == silent.match(path)


def test_what_is_compiled_late_is_bounded() -> None:
    memo: Memo[int, str] = Memo()
    memo.put(-1, "kept")
    memo.seal()
    for number in range(MAX_LATE + 100):
        memo.put(number, "late")
    assert len(memo.late) == MAX_LATE
    assert memo.get(-1) == "kept"
    assert memo.get(0) is None
    assert memo.get(MAX_LATE + 99) == "late"


def test_a_block_is_compiled_once_for_all_that_share_it() -> None:
    base = policy("base", 'on: [{host: "*"}]\nauth: {a: 1}\nlimits: [{name: x, rate: 1/s}]')
    more = [policy(f"p{n}", f"on: [{{host: h{n}}}]\nlimits: [{{name: x, rate: {n}/s}}]")
            for n in range(50)]  # fmt: skip
    found = index(base, *more)
    blocks = {id(_block(found, f"h{number}", "auth")) for number in range(50)}
    assert len(blocks) == 1
    assert _block(found, "h7", "limits") == {"x": "7/s"}


def _block(policies: PolicyIndex, host: str, key: str) -> object:
    effective = policies.choose(host, "/", "GET")
    assert isinstance(effective, Effective)
    return effective.block(key)
