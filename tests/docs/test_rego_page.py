"""docs/rego.md against the code: the input, the result, the builtins."""

import inspect

import pytest

from callout.http.path import CanonicalPath, canonical
from callout.testing.requests import check_request
from extauthz import exact_json, result
from extauthz.answer import OUR_METADATA
from extauthz.bodies.contract import STATES
from extauthz.bodies.multipart import PARTS_MOST
from extauthz.check import CheckInput
from extauthz.envoy import read
from extauthz.input import OURS, InputBuilder
from extauthz.outcome import Allow, Deny, Failed
from extauthz.policy.compiler import build as opa_build
from extauthz.policy.compiler import ways as compilers
from extauthz.policy.compiler.plans import TESTS
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.opa_server.engine import MOST_SECONDS
from extauthz.result import BODY_MOST, outcome_of
from tests.docs import builtins, pages

PAGE = "docs/rego.md"
RESULT = {pages.code(row[0])[0]: (row[1], row[2]) for row in pages.table(PAGE, "result")}
JSON_TYPES = {
    "attributes": dict,
    "parsed_path": list,
    "parsed_query": dict,
    "parsed_body": object,
    "truncated_body": bool,
    "body_state": str,
    "source_principal": str,
    "version": dict,
    "identity": dict,
    "path": str,
    "path_flags": list,
}


def test_the_table_of_the_input_is_the_document() -> None:
    request = check_request(path="/a?x=1&x=2", body="raw")
    request.attributes.source.principal = "spiffe://mesh/a"
    check = read(request.SerializeToString())
    path = canonical("/a?x=1&x=2")
    assert isinstance(check, CheckInput)
    assert isinstance(path, CanonicalPath)
    document = InputBuilder().build(check, path, {"sub": "ann"})
    assert isinstance(document, dict)
    rows = [pages.code(row[0])[0].removeprefix("input.") for row in pages.table(PAGE, "input")]
    assert rows == list(JSON_TYPES)
    assert set(rows) == set(document)
    assert {name for name in rows if not isinstance(document[name], JSON_TYPES[name])} == set()
    assert document["parsed_query"] == {"x": ["1", "2"]}
    assert document["version"] == {"ext_authz": "v3", "encoding": "protojson"}
    http = document["attributes"]["request"]["http"]
    assert isinstance(http["size"], int)
    assert document["attributes"]["request"]["time"].keys() == {"seconds"}


def test_the_table_of_states_is_the_codes() -> None:
    assert tuple(pages.code(row[0])[0] for row in pages.table(PAGE, "states")) == STATES
    text = pages.read(PAGE)
    assert all(f"{number:,}" in text for number in (PARTS_MOST, exact_json._DIGITS_MOST))
    assert f"nested deeper than {exact_json._DEPTH_MOST}" in text
    assert all(f"`{name}`" in text for name in OURS)


def test_anonymous_is_null_and_a_missing_certificate_is_absent() -> None:
    check = read(check_request().SerializeToString())
    assert isinstance(check, CheckInput)
    document = InputBuilder().build(check, CanonicalPath("/", None), None)
    assert isinstance(document, dict)
    assert document["identity"] is None
    assert "source_principal" not in document


@pytest.mark.parametrize("field", RESULT)
def test_each_field_of_the_result_is_read_where_the_table_says(field: str) -> None:
    of, _ = RESULT[field]
    assert of in ("both", "allowed", "denied")
    for allowed, word in ((True, "allowed"), (False, "denied")):
        answer = {"allowed": allowed} | {field: object()}
        outcome = outcome_of(answer, "rego")
        if of in ("both", word):
            assert outcome == Failed(f"result_{field}")
        else:
            assert isinstance(outcome, Allow if allowed else Deny)


def test_the_table_of_the_result_is_complete() -> None:
    source = inspect.getsource(result)
    named = {name for name in RESULT if f'"{name}"' in source}
    assert named == set(RESULT)
    assert len(RESULT) == 9


def test_numbers_and_names_are_those_of_the_code() -> None:
    text = pages.read(PAGE)
    assert BODY_MOST == 1 << 20
    assert "1 MiB at most" in text
    assert MOST_SECONDS == 5
    assert "within five seconds" in text
    assert all(f"`{name}`" in text for name in OUR_METADATA)
    assert f"`{TESTS}`" in text
    assert outcome_of({"allowed": False}, "rego") == Deny("rego", 403)


@pytest.mark.parametrize("answer", [UNDEFINED, None, "yes", 1, [], {}, {"allowed": "yes"}], ids=str)
def test_whatever_else_comes_is_denied_also_with_on_error_allow(answer: object) -> None:
    outcome = outcome_of(answer, "rego")
    assert isinstance(outcome, Failed)
    assert not outcome.unanswered


def test_the_ways_to_compile_are_in_the_order_that_is_told() -> None:
    told = "an `opa` 1.x on the path; OPA's compiler as WebAssembly or as a program in the cache"
    assert told in pages.read(PAGE)
    ways = [way.__name__ for way in compilers.WAYS]
    assert ways == ["native_opa", "kept_program", "built_program"]
    assert (opa_build.SOURCE / "main.go").exists()


def test_the_list_of_builtins_is_the_table() -> None:
    assert pages.section(PAGE, "builtins") == builtins.lines(), (
        "`python -m tests.docs.builtins` writes it anew"
    )
