"""docs/configuration.md says all keys, and says them rightly."""

from typing import get_args

from callout.config import documents
from callout.config.settings import FLAGS, PREFIX, Settings, load
from callout.http.path import (
    ALLOWABLE,
    MAX_PATH,
    MAX_QUERY,
    CanonicalPath,
    PathRules,
    Reason,
    canonical,
)
from extauthz.go_url import PARAMETERS_MOST
from extauthz.identity.keys import ALGORITHMS
from extauthz.models import Auth
from ratelimit import descriptors
from ratelimit.limits import SHORT_UNITS
from ratelimit.policy_limits import IDENTITY, LimitItem, values
from ratelimit.policy_limits import Facts as RequestFacts
from tests.docs import pages
from tests.docs.keys import Key, keys
from waf.models import Inspect

PAGE = "docs/configuration.md"
SETTINGS = keys(Settings)
POLICY = [
    *keys(documents._Head),
    *keys(Auth, "auth."),
    *keys(LimitItem, "limits[]."),
    *keys(Inspect, "inspect."),
]


def _compare(rows: list[Key], model: list[Key]) -> None:
    assert [row.path for row in rows] == [key.path for key in model]
    for row, key in zip(rows, model, strict=True):
        assert row.type == key.type, row.path
        if key.default not in ("none", "`[]`"):
            # what is said about it goes on: `required in ...`
            assert row.default.startswith(key.default), row.path
        assert row.default, row.path


def test_the_table_of_settings_is_the_model() -> None:
    table = pages.table(PAGE, "settings")
    _compare(
        [Key(path.strip("`"), type_, default) for path, _, type_, default, _ in table], SETTINGS
    )
    assert len(SETTINGS) >= 32
    assert all(meaning for *_, meaning in table)


def test_each_flag_stands_beside_its_setting() -> None:
    table = pages.table(PAGE, "settings")
    written = {flag.strip("`"): path.strip("`") for path, flag, *_ in table if flag}
    assert written == {f"--{name}": ".".join(path) for name, path in FLAGS.items()}


def test_the_variables_that_are_shown_work() -> None:
    text = pages.read(PAGE)
    shown = {"GATEWRIGHT_LISTEN__GRPC": "0.0.0.0:9000", "GATEWRIGHT_FACES": "authz,limit"}
    for name, value in shown.items():
        assert f"`{name}={value}`" in text
        assert name.startswith(PREFIX)
    kubernetes = {"GATEWRIGHT_SERVICE_HOST": "10.0.0.1", "GATEWRIGHT_PORT": "tcp://10.0.0.1:9000"}
    assert all(f"`{name}" in text for name in kubernetes)
    settings = load(None, shown | kubernetes | {"GATEWRIGHT_DRAIN": ""}, {})
    assert isinstance(settings, Settings), settings
    assert settings.listen.grpc == "0.0.0.0:9000"
    assert settings.faces == ("authz", "limit")
    assert settings.drain == Settings().drain


def test_the_table_of_policy_keys_is_the_models() -> None:
    table = pages.table(PAGE, "policy")
    _compare([Key(path.strip("`"), type_, default) for path, type_, default, _ in table], POLICY)
    assert len(POLICY) == 75


def test_algorithms_are_all_named() -> None:
    (row,) = (each for each in pages.table(PAGE, "policy") if "algorithms" in each[0])
    assert tuple(pages.code(row[3])) == ALGORITHMS


def test_units_are_all_named() -> None:
    text = pages.read(PAGE)
    assert [unit for unit in SHORT_UNITS if f"`{unit}`" not in text] == []


def test_every_row_of_by_counts_as_it_says() -> None:
    facts = RequestFacts("shop.example", "/a", "GET", "192.0.2.1", {"FIELD": "ann"})
    nobody = facts._replace(identity={})
    counted = {
        "identity.FIELD": "ann",
        "address": "192.0.2.1",
        "host": "shop.example",
        "method": "GET",
        "path": "/a",
    }
    rows = [pages.code(by)[0] for by, _ in pages.table(PAGE, "by")]
    assert rows == list(counted)
    for by in rows:
        assert values([by], facts) == [(by, counted[by])]
    assert values([f"{IDENTITY}FIELD"], nobody) == [("address", "192.0.2.1")]


def test_every_row_of_paths_is_as_it_says() -> None:
    reasons = set()
    for sent, seen, flag in pages.table(PAGE, "paths"):
        result = canonical(pages.code(sent)[0])
        if isinstance(result, CanonicalPath):
            assert result.path == pages.code(seen)[0], sent
            assert list(result.flags) == pages.code(flag), sent
        else:
            assert seen == "refused", sent
            assert [result.reason] == pages.code(flag), sent
            reasons.add(result.reason)
    assert reasons | {"too_long", "query_too_long"} == set(get_args(Reason))
    text = pages.read(PAGE)
    assert all(f"(`{reason}`)" in text for reason in ("too_long", "query_too_long"))
    assert all(f"{number:,}" in text for number in (MAX_PATH, MAX_QUERY, PARAMETERS_MOST))


def test_what_may_be_allowed_is_kept_with_a_flag() -> None:
    text = pages.read(PAGE)
    resolved = canonical("/a/../b", "GET", PathRules("resolve"))
    assert resolved == CanonicalPath("/b", None, ("dot_segments",))
    for name, sent in {"encodedSlash": "/a%2Fb", "encodedBackslash": "/a%5Cb"}.items():
        assert f"`{name}`" in text
        kept = canonical(sent, "GET", PathRules("refuse", frozenset({name})))
        assert kept == CanonicalPath(sent, None, (ALLOWABLE[name],))


def test_the_keys_of_rate_limit_files_are_all_there() -> None:
    written = [pages.code(key)[0] for key, _ in pages.table(PAGE, "ratelimit")]
    known = {*descriptors.DOMAIN_KEYS, *descriptors.DESCRIPTOR_KEYS, *descriptors.LIMIT_KEYS}
    assert len(written) == len(set(written))
    assert set(written) == known
