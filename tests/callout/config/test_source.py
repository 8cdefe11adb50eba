from callout.config.problems import Problem, describe, in_order
from callout.config.source import path_text
from tests.callout.config.writing import source

TEXT = """\
name: shop
auth:
  identity:
    - jwt: {issuer: x}
"""


def test_a_problem_says_file_line_column_field_and_suggestion() -> None:
    problem = Problem("shop.yaml", 12, 7, "auth.identity[0]", "expected x, found y", "jwt")
    assert str(problem) == (
        "shop.yaml:12:7: auth.identity[0]: expected x, found y (did you mean `jwt`?)"
    )
    assert str(Problem("--grpc", 0, 0, "", "expected x")) == "--grpc: expected x"
    assert str(Problem("a", 1, 2, "", "odd", severity="warning")) == "a:1:2: warning: odd"


def test_a_piece_keeps_its_place_and_its_path() -> None:
    piece = source(TEXT).at("auth", "identity", 0, "jwt")
    assert piece.value == {"issuer": "x"}
    assert piece.path == ("auth", "identity", 0, "jwt")
    assert str(piece.problem(("issuer",), "odd")) == (
        "test.yaml:4:21: auth.identity[0].jwt.issuer: odd"
    )
    assert str(piece.problem(("issuer",), "odd", key=True)) == (
        "test.yaml:4:13: auth.identity[0].jwt.issuer: odd"
    )


def test_what_is_not_there_has_its_parents_place() -> None:
    whole = source(TEXT)
    assert whole.at("auth", "emit", "x").value is None
    assert whole.at("auth", "identity", 7).value is None
    assert whole.at("name", "x").value is None
    assert str(whole.problem(("auth", "emit", "x"), "odd")) == "test.yaml:3:3: auth.emit.x: odd"


def test_problems_are_in_the_order_of_the_files_and_once() -> None:
    first, second = Problem("a", 1, 9, "", "x"), Problem("a", 2, 1, "", "x")
    assert in_order([second, first, second]) == (first, second)


def test_paths_read_like_code() -> None:
    assert path_text(("limits", 3, "by", 0)) == "limits[3].by[0]"
    assert path_text(()) == ""


def test_what_was_found_is_short_and_never_a_collections_content() -> None:
    assert describe({"password": "x"}) == "a mapping"
    assert describe(["secret"]) == "a list of 1"
    assert describe(None) == "nothing (null)"
    assert describe(True) == "true"
    assert describe(3) == "the number 3"
    assert describe("a\nb") == "the text 'a\\nb'"
    assert len(describe("x" * 1000)) < 80
