from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.merge import merge
from callout.config.source import Mark, Origin, Source
from tests.callout.config.test_yaml import _same_shape
from tests.callout.config.writing import source


def merged(*texts: str, unions: frozenset[tuple[str, ...]] = frozenset()) -> Source:
    sources = [source(each, f"p{i}", f"{i}.yaml") for i, each in enumerate(texts)]
    return merge(sources, unions)


# RFC 7386, appendix A: original, patch, result
APPENDIX = [
    ('{"a":"b"}', '{"a":"c"}', {"a": "c"}),
    ('{"a":"b"}', '{"b":"c"}', {"a": "b", "b": "c"}),
    ('{"a":"b"}', '{"a":null}', {}),
    ('{"a":"b","b":"c"}', '{"a":null}', {"b": "c"}),
    ('{"a":["b"]}', '{"a":"c"}', {"a": "c"}),
    ('{"a":"c"}', '{"a":["b"]}', {"a": ["b"]}),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', {"a": {"b": "d"}}),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', {"a": [1]}),
    ('["a","b"]', '["c","d"]', ["c", "d"]),
    ('{"a":"b"}', '["c"]', ["c"]),
    ('{"a":"foo"}', '"bar"', "bar"),
    ('{"e":null}', '{"a":1}', {"a": 1}),
    ("[1,2]", '{"a":"b","c":null}', {"a": "b"}),
    ("{}", '{"a":{"bb":{"ccc":null}}}', {"a": {"bb": {}}}),
]


def test_the_table_is_whole() -> None:
    assert len(APPENDIX) == 14


@pytest.mark.parametrize(("base", "patch", "result"), APPENDIX, ids=[row[1] for row in APPENDIX])
def test_merging_is_rfc_7386(base: str, patch: str, result: object) -> None:
    # (One row differs: the appendix keeps a null of the *original*, where ours is a patch too.)
    assert merged(base, patch).value == result


def test_a_union_is_replaced_as_a_whole() -> None:
    base = "decide: {rego: a, entrypoint: b}\nother: {x: 1}"
    patch = "decide: {opa: c}\nother: {y: 2}"
    unions = frozenset({("decide",)})
    assert merged(base, patch, unions=unions).value == {
        "decide": {"opa": "c"},
        "other": {"x": 1, "y": 2},
    }
    assert merged(base, "decide: authenticated", unions=unions).value["decide"] == "authenticated"
    assert "decide" not in merged(base, "decide: null", unions=unions).value


def test_lists_of_named_items_merge_by_name() -> None:
    found = merged(
        "limits: [{name: a, rate: 1/min}, {name: b, rate: 2/min, mode: shadow}]",
        "limits: [{name: b, off: true, mode: null}, {name: c, rate: 3/min}]",
    )
    assert found.value["limits"] == [
        {"name": "a", "rate": "1/min"},
        {"name": "b", "rate": "2/min", "off": True},
        {"name": "c", "rate": "3/min"},
    ]


@pytest.mark.parametrize("patch", ["[]", "[1]", "[{name: b}, {x: 1}]", "[{name: 1}]", "x"])
def test_lists_without_names_replace_as_a_whole(patch: str) -> None:
    found = merged("a: [{name: b, x: 1}]", f"a: {patch}")
    assert found.value["a"] == source(patch).value
    assert merged("a: [1]", "a: [{name: b}]").value["a"] == [{"name": "b"}]


def test_each_field_keeps_the_place_and_the_policy_that_wrote_it() -> None:
    found = merged(
        "limits: [{name: a, rate: 1/min}]\nmode: off",
        "limits: [{name: b, rate: 2/min}]",
        "limits: [{name: a, rate: 9/min}]",
    )
    assert found.policy == "p2"
    assert found.at("mode").mark.file == "0.yaml"
    assert found.at("mode").policy == "p0"
    assert found.at("limits", 0, "rate").mark == ("2.yaml", 1, 26)
    assert found.at("limits", 0, "rate").policy == "p2"
    assert found.at("limits", 1, "rate").policy == "p1"
    assert found.at("limits", 1).problem(("rate",), "odd").file == "1.yaml"


def test_nothing_that_is_merged_is_changed() -> None:
    base, patch = source("a: {b: 1, l: [{name: x}]}"), source("a: {b: 2, l: [{name: x, y: 1}]}")
    merge([base, patch])
    assert base.value == {"a": {"b": 1, "l": [{"name": "x"}]}}
    assert base.at("a", "l", 0).origin.keys.keys() == {"name"}


def reference(target: Any, patch: Any) -> Any:
    """RFC 7386's pseudocode."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = reference(result.get(key), value)
    return result


def _origin(value: Any) -> Origin:
    mark = Mark("x", 1, 1)
    if isinstance(value, dict):
        children = {key: _origin(each) for key, each in value.items()}
        return Origin(mark, dict.fromkeys(value, mark), children)
    if isinstance(value, list):
        return Origin(mark, {}, {i: _origin(each) for i, each in enumerate(value)})
    return Origin(mark)


def plain(*values: Any, unions: frozenset[tuple[str, ...]] = frozenset()) -> Source:
    return merge([Source(each, _origin(each)) for each in values], unions)


keys = st.sampled_from(["a", "b", "name", "decide"])
values = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)
mappings = st.dictionaries(keys, values, max_size=4)
nameless = mappings.filter(lambda value: "'name'" not in repr(value))


@given(nameless, nameless)
@settings(max_examples=150)
def test_without_our_own_words_merging_is_the_rfcs_algorithm(base: Any, patch: Any) -> None:
    assert plain(base, patch).value == reference(reference({}, base), patch)


@given(mappings, mappings)
@settings(max_examples=150)
def test_a_patch_applied_twice_is_applied_once(base: Any, patch: Any) -> None:
    assert plain(base, patch, patch).value == plain(base, patch).value


@given(mappings)
@settings(max_examples=50)
def test_an_empty_patch_changes_nothing(base: Any) -> None:
    assert plain(base, {}).value == plain(base).value


@given(mappings, mappings, mappings)
@settings(max_examples=150)
def test_a_merged_value_has_a_place_for_each_field(one: Any, two: Any, three: Any) -> None:
    found = plain(one, two, three, unions=frozenset({("decide",), ("a", "b")}))
    assert _same_shape(found.value, Origin(found.mark, found.origin.keys, found.origin.children))
