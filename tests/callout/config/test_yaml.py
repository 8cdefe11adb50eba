import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.problems import Rejected
from callout.config.source import Origin, Source
from callout.config.yaml import MAX_BYTES, MAX_DEPTH, MAX_DIGITS, MAX_PROBLEMS, parse
from tests.callout.config.writing import lines, source

CORE = [
    # YAML 1.1 would make booleans of these
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("No", "No"),
    ("y", "y"),
    # and numbers or dates of these
    ("1_000", "1_000"),
    ("2020-01-01", "2020-01-01"),
    ("12:30:45", "12:30:45"),
    ("0b1", "0b1"),
    ("010", 10),
    ("true", True),
    ("FALSE", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("-12", -12),
    ("+12", 12),
    ("0x1F", 31),
    ("0o17", 15),
    ("1.5", 1.5),
    ("1e3", 1000.0),
    (".5", 0.5),
    ("1.", 1.0),
    ("'12'", "12"),
    ('"true"', "true"),
    ("!!str 12", "12"),
    ("! 12", "12"),
    ("!!int 12", 12),
    ("!!float 12", 12),
    ("!!bool true", True),
    ("100/min", "100/min"),
    ("<<", "<<"),
]

WRONG = [
    ("a: 1\na: 2", "test.yaml:2:1: a: expected each key once, found it again (first in line 1)"),
    ("1: x", "test.yaml:1:1: expected a key that is text, found the number 1"),
    ("true: x", "test.yaml:1:1: expected a key that is text, found true"),
    ("~: x", "test.yaml:1:1: expected a key that is text, found nothing (null)"),
    ("[1]: x", "test.yaml:1:1: expected a key that is text, found a list of 1"),
    ("a: b: c", "mapping values are not allowed in this context"),
    ("a: [1", "did not find expected ',' or ']'"),
    ("a: *x", "test.yaml:1:4: a: expected an anchor that is complete before it, found *x"),
    ("a: &x [*x]", "test.yaml:1:8: a[0]: expected an anchor that is complete before it, found *x"),
    ("&x a: 1\n---\nb: *x", "expected an anchor that is complete before it, found *x"),
    ("a: !!python/object/apply:os.system [x]", "found the unknown tag !!python/object/apply"),
    ("a: !secret x", "test.yaml:1:4: a: expected plain YAML, found the unknown tag !secret"),
    ("a: !!int x", "test.yaml:1:4: a: expected what !!int says, found the text 'x'"),
    ("a: !!int true", "expected what !!int says, found true"),
    ("a: !!map [x]", "found the unknown tag !!map"),
    ("a: .inf", "test.yaml:1:4: a: expected a finite number, found .inf"),
    ("a: .nan", "expected a finite number"),
    ("a: 1e999", "expected a finite number"),
    ("a: " + "9" * (MAX_DIGITS + 1), f"expected a number of at most {MAX_DIGITS} digits"),
    ("a: \x07", "test.yaml:1:4: expected printable text, found a control character"),
    ("\ta: 1", "found character that cannot start any token"),
    ("'a", "found unexpected end of stream"),
    ("%YAML 9.0\n---\na", "found incompatible YAML document"),
    ('"\\ud800"', "found invalid Unicode character escape code"),
]


def test_the_tables_are_whole() -> None:
    assert (len(CORE), len(WRONG)) == (32, 24)


@pytest.mark.parametrize(("text", "expected"), CORE, ids=[row[0] for row in CORE])
def test_plain_text_means_what_the_core_schema_of_yaml_1_2_says(
    text: str, expected: object
) -> None:
    found = source(f"key: {text}").value["key"]
    assert found == expected
    assert isinstance(found, bool) is isinstance(expected, bool)


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[row[0][:40] for row in WRONG])
def test_what_is_wrong_is_a_problem_with_its_place(text: str, expected: str) -> None:
    (line,) = lines(parse("test.yaml", text.encode()))
    assert expected in line
    assert line.startswith("test.yaml:")


def test_the_key_on_is_text() -> None:
    assert source("on: [{host: x}]").value == {"on": [{"host": "x"}]}


def test_all_problems_of_a_file_are_found_at_once() -> None:
    found = lines(parse("x", b"a: 1\na: 2\n1: x\nb: !foo y\nc: .inf\n"))
    assert [each.split(": ")[0] for each in found] == ["x:2:1", "x:3:1", "x:4:4", "x:5:4"]


def test_problems_are_limited() -> None:
    assert len(lines(parse("x", b"a: 1\n" * 1000))) == MAX_PROBLEMS


def test_every_key_and_value_has_its_place() -> None:
    found = source("a:\n  - b: {c: 1}\n    d: x\n")
    assert found.at("a", 0, "b", "c").mark == ("test.yaml", 2, 12)
    assert found.at("a", 0).origin.keys["d"] == ("test.yaml", 3, 5)


def test_columns_are_counted_in_characters() -> None:
    assert source("é: {ü: x}").at("é", "ü").mark.column == 8


def test_several_documents_are_read_and_empty_ones_left_out() -> None:
    found = parse("x", b"---\n---\na: 1\n---\n# nothing\n---\n2\n")
    assert isinstance(found, list)
    assert [each.value for each in found] == [{"a": 1}, 2]
    assert parse("x", b"") == []
    assert parse("x", b"\xef\xbb\xbf# only a comment") == []


def test_bytes_that_are_not_utf_8_have_a_place() -> None:
    assert lines(parse("x", b"a: 1\nb: \xff")) == ["x:2:4: expected UTF-8, found other bytes"]
    assert lines(parse("x", "a: 1".encode("utf-16")))


def test_an_alias_repeats_its_value_and_its_place() -> None:
    found = source("a: &x {b: 1}\nc: *x\nd: [*x, *x]")
    assert found.value == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}
    assert found.at("d", 1, "b").mark.line == 1


def test_a_billion_laughs_are_one_problem() -> None:
    text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    for level in range(1, 40):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    (line,) = lines(parse("x", text.encode()))
    assert "expected aliases to repeat at most" in line


@pytest.mark.parametrize("text", ["[" * 50_000, "- " * 50_000, "{a: " * 50_000, "? " * 50_000])
def test_deep_nesting_is_one_problem(text: str) -> None:
    (line,) = lines(parse("x", text.encode()))
    assert f"expected at most {MAX_DEPTH} levels of nesting" in line


def test_aliases_do_not_nest_deeper_than_the_limit() -> None:
    text = "a0: &a0 [[[[x]]]]\n"
    for level in range(1, 30):
        text += f"a{level}: &a{level} [[[[*a{level - 1}]]]]\n"
    (line,) = lines(parse("x", text.encode()))
    assert f"expected at most {MAX_DEPTH} levels of nesting" in line


def test_the_size_is_limited() -> None:
    (line,) = lines(parse("x", b"#" * (MAX_BYTES + 1)))
    assert line == f"x: expected at most {MAX_BYTES} bytes, found {MAX_BYTES + 1}"


def _same_shape(value: object, origin: Origin) -> bool:
    if isinstance(value, dict):
        return (
            set(value) == set(origin.keys) == set(origin.children)
            and all(isinstance(key, str) for key in value)
            and all(_same_shape(each, origin.children[key]) for key, each in value.items())
        )
    if isinstance(value, list):
        return list(origin.children) == list(range(len(value))) and all(
            _same_shape(each, origin.children[i]) for i, each in enumerate(value)
        )
    return not origin.children


fragments = st.lists(
    st.sampled_from(
        ["a", "b: ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "!t ", "!!int ", "'",
         '"', "|", ">", "# c", "---\n", "? ", ": ", "~", "1", ".inf", "\t", "\x00", "é", "%YAML"]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(st.one_of(fragments.map(str.encode), st.binary(max_size=40)))
@settings(max_examples=400)
def test_no_bytes_whatever_raise(data: bytes) -> None:
    found = parse("x", data)
    if isinstance(found, Rejected):
        assert found.problems
        assert all(each.line >= 1 for each in found.problems)
    else:
        assert all(_same_shape(each.value, each.origin) for each in found)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
@settings(max_examples=100)
def test_what_pyyaml_writes_is_read_back(value: object) -> None:
    # Quoted, with tags: plain text is YAML 1.1's there, which takes 1e3 for text.
    text = pyyaml.safe_dump(value, default_flow_style=True, default_style='"')
    found = parse("x", text.encode())
    assert isinstance(found, list)
    assert (found[0].value if found else None) == value


def test_a_source_shows_its_value_and_its_place() -> None:
    assert repr(source("a: 1")) == "Source({'a': 1}, test.yaml:1)"
    assert isinstance(source("a: 1"), Source)
